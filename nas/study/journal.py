"""Optuna's journal with several operations in one write: each write waits for the disk, and a trial has some forty operations."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend


class _Backend(JournalFileBackend):
    """Holds operations back on demand; those who read see them all the same."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._held: list[dict[str, Any]] | None = None
        self._in_file = 0

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        if self._held is None or log_number_from < self._in_file:
            for number, log in enumerate(super().read_logs(log_number_from), start=log_number_from + 1):
                self._in_file = max(self._in_file, number)
                yield log
        for log in (self._held or [])[max(0, log_number_from - self._in_file) :]:
            yield json.loads(json.dumps(log))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        if self._held is None:
            super().append_logs(logs)
        else:
            self._held += logs

    @contextmanager
    def at_once(self) -> Iterator[None]:
        self._read_on()
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            if held:
                super().append_logs(held)
                self._read_on()

    def _read_on(self) -> None:
        """Read what is new in the file, so that it is known where the next operation begins."""
        deque(self.read_logs(self._in_file), maxlen=0)


class Journal(JournalStorage):
    """The storage in the file at ``path``, for the one process that writes to it."""

    def __init__(self, path: Path) -> None:
        self._file = _Backend(path)
        super().__init__(self._file)

    def at_once(self) -> AbstractContextManager[None]:
        """What is done in this context is written when it is left, as one append; also where an error ends it.

        A kill before that leaves nothing of it, one in the middle of the append its first operations.
        """
        return self._file.at_once()
