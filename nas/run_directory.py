"""The directory that holds everything of one search.

It appears whole (a temporary directory renamed), every file in it is replaced whole, and a lock that dies with its process keeps
a second driver out. ``study.journal`` is Optuna's; only its last line can be torn by a kill, and :meth:`RunDirectory.repair`
cuts it off.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codegen.errors import UserError
from codegen.new_directory import new_directory
from nas.files import read_json, read_toml, write_atomically

SETTINGS = "search.toml"
JOURNAL = "study.journal"
MODEL = "cost_model.json"
BOARD_FILES = "boards"
PARTS = frozenset({"trials", "finalists", "verification", "winner", BOARD_FILES})
"""Folders of a run, whose names no folder of a board may have."""


class BoardDirectory:
    """What a run holds of one board, at ``path``: the run itself where it has one board, a folder of it where it has several."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def front(self) -> Path:
        """The Pareto front of the trials."""
        return self.path / "front.json"

    @property
    def winner(self) -> Path:
        """The winner's C project."""
        return self.path / "winner"

    @property
    def verification(self) -> Path:
        """Test inputs, and what the winner's program makes of them."""
        return self.path / "verification"

    @property
    def refitted_model(self) -> Path:
        """The cost model refitted to the finalists, where the one that was used had drifted."""
        return self.path / "cost_model_refitted.json"

    def figures(self, architecture: str) -> Path:
        """Figures of the finalist with this id, as built for the board."""
        return self.path / "finalists" / f"{architecture}.json"


class RunDirectory(BoardDirectory):
    """A run at ``path``; see the module."""

    @staticmethod
    def next_free(root: Path, name: str) -> Path:
        """``root/<name>-<k>`` for the smallest ``k`` from 1 that is not taken."""
        number = 1
        while (root / f"{name}-{number}").exists():
            number += 1
        return root / f"{name}-{number}"

    @classmethod
    def create(
        cls, path: Path, settings: str, files: Mapping[str, bytes] | None = None, boards: Sequence[str] = ()
    ) -> RunDirectory:
        """A new run with its ``search.toml``, an empty journal, other ``files`` by their path, and a folder for each of ``boards``.

        :raises UserError: if ``path`` is not empty or not writable.
        """
        with new_directory(path, "--out") as temporary:
            write_atomically(temporary / SETTINGS, settings)
            (temporary / JOURNAL).touch()
            for name, content in (files or {}).items():
                (temporary / name).parent.mkdir(exist_ok=True)
                write_atomically(temporary / name, content)
            for name in ("trials", "finalists", *(() if boards else ("verification",))):
                (temporary / name).mkdir()
            for board in boards:
                for name in ("finalists", "verification"):
                    (temporary / board / name).mkdir(parents=True)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run.

        :raises UserError: if there is none at ``path``.
        """
        if not path.exists():
            raise UserError(f"{path}: no such run directory")
        if not path.is_dir() or not (path / SETTINGS).is_file() or not (path / JOURNAL).is_file():
            raise UserError(f"{path}: not a run directory (no {SETTINGS} and {JOURNAL} in it); give one that 'nas search' made")
        return cls(path)

    def settings(self) -> dict[str, Any]:
        """The content of ``search.toml``."""
        return read_toml(self.path / SETTINGS)

    @property
    def journal(self) -> Path:
        """Optuna's journal."""
        return self.path / JOURNAL

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other drivers out; the lock goes with this process, however it ends.

        :raises UserError: if another driver has it.
        """
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{self.path}: another nas process is working on this run; wait for it or stop it") from None
            yield
        finally:
            os.close(handle)

    def repair(self) -> int:
        """Make the journal readable after a kill: cut off a torn last line, remove a stale lock; call only while locked.

        Returns the number of bytes cut off.

        :raises UserError: if the journal is damaged in any other place.
        """
        for stale in self.path.glob(f"{JOURNAL}.lock*"):
            stale.unlink(missing_ok=True)
        content = self.journal.read_bytes()
        good = 0
        for number, line in enumerate(content.splitlines(keepends=True), start=1):
            if not _is_record(line):
                if good + len(line) == len(content) and not line.endswith(b"\n"):
                    break
                raise UserError(
                    f"{self.journal}: damaged at line {number}; search anew, or cut the file off before that line and resume"
                )
            good += len(line)
        if good < len(content):
            with self.journal.open("r+b") as file:
                file.truncate(good)
                os.fsync(file.fileno())
        return len(content) - good

    def trial_file(self, number: int) -> Path:
        """Checkpoint of a trial of the search."""
        return self.path / "trials" / f"{number}.safetensors"

    def finalist_file(self, architecture: str, ending: str) -> Path:
        """Weights of the finalist with this id: ``.safetensors`` is its int8 graph, ``.float.safetensors`` the float network,
        ``.judge.safetensors`` the int8 graph before it was refit."""
        return self.path / "finalists" / f"{architecture}{ending}"

    @property
    def teacher(self) -> Path:
        """Figures of the network that finalists learnt from."""
        return self.path / "teacher.json"

    @property
    def teacher_weights(self) -> Path:
        """Its weights."""
        return self.path / "teacher.safetensors"

    def board_option(self, name: str) -> str:
        """What ``--board`` calls a board of this run: its file, where it came from one, else its name."""
        file = self.path / BOARD_FILES / f"{name}.toml"
        return str(file) if file.is_file() else name

    def of_board(self, name: str) -> BoardDirectory:
        """The folder of a board, where the run has several."""
        return BoardDirectory(self.path / name)

    @property
    def report(self) -> Path:
        """``report.json``: it exists once the run is complete."""
        return self.path / "report.json"

    def read_report(self) -> dict[str, Any]:
        """The run's report.

        :raises UserError: if there is none yet or it cannot be read.
        """
        if not self.report.is_file():
            raise UserError(f"{self.path}: the search has not ended; 'nas resume {self.path}' goes on with it")
        return read_json(self.report)


def _is_record(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
