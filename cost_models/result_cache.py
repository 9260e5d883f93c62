"""Measured programs in the user's cache: one JSON line each, so a calibration that is stopped loses only what was in flight."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from codegen.cache import cache_dir
from cost_models.card import EMULATOR
from cost_models.measured import MeasuredProgram

_SCHEMA = 6
"""Of the entries and of what a program consists of beside its kernels, the run function above all."""


@dataclass(frozen=True)
class ResultCache:
    """Results by key in one file, for one core, optimisation level, compiler, kernel library and way of measuring."""

    path: Path
    _known: dict[str, MeasuredProgram] = field(default_factory=dict)

    @staticmethod
    def open(*, core: str, optimize: str, compiler: str, kernel_library: str, measured_by: str = EMULATOR) -> ResultCache:
        """The cache file for these; lines that a kill left unfinished are skipped."""
        identity: tuple[object, ...] = (_SCHEMA, core, optimize, compiler, kernel_library)
        if measured_by != EMULATOR:
            identity += (measured_by,)
        name = hashlib.sha256(repr(identity).encode()).hexdigest()[:16]
        cache = ResultCache(cache_dir() / "calibration" / f"{core}-{optimize}-{name}.jsonl")
        if cache.path.is_file():
            cache._known.update(filter(None, map(_entry, cache.path.read_text(encoding="utf-8").splitlines())))
        return cache

    def get(self, key: str) -> MeasuredProgram | None:
        """The result that is kept under ``key``."""
        return self._known.get(key)

    def put(self, key: str, program: MeasuredProgram) -> MeasuredProgram:
        """Keep a result; on return it is in the file. Returns it as a later :meth:`get` will, to the order of its entries."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"key": key, "program": program.to_json()}, sort_keys=True)
        self._known[key] = MeasuredProgram.from_json(json.loads(line)["program"])
        with self.path.open("a", encoding="utf-8") as file:
            # A torn line has no end; begin on a new one so that it cannot swallow this.
            file.write("\n" + line + "\n" if self._torn() else line + "\n")
        return self._known[key]

    def _torn(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(0, 2)
            if file.tell() == 0:
                return False
            file.seek(-1, 2)
            return file.read(1) != b"\n"


def _entry(line: str) -> tuple[str, MeasuredProgram] | None:
    """Key and result of a line, None where a kill left it unfinished."""
    try:
        entry = json.loads(line)
        return entry["key"], MeasuredProgram.from_json(entry["program"])
    except (ValueError, KeyError, TypeError):
        return None
