"""A person's data, opened: decoded (once), cut into windows, divided into parts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.datasets._base import Dataset, Groups, Normalization, Task
from nas.datasets.decoded import NO_PART, TEST, TRAIN, VALIDATION, Decoded, NewEntry, load
from nas.datasets.listing import list_files
from nas.datasets.reading import Reading
from nas.datasets.splits import SEED, TEST_FRACTION, hold_out
from nas.datasets.windows import Windows, cut

STATISTICS_BATCH = 4096


@dataclass(frozen=True, eq=False)
class Collection:
    """The data at ``path``: ``parts[i]`` is the part of window ``i``, ``split`` says in words where it comes from."""

    path: Path
    format: str
    data: Decoded
    windows: Windows
    parts: NDArray[np.uint8]
    split: str

    @property
    def name(self) -> str:
        """The name of the folder, or of the file without its ending."""
        return self.path.name if self.path.is_dir() else self.path.stem

    @cached_property
    def y(self) -> NDArray[np.int64]:
        """Class of each window."""
        return self.data.labels[self.windows.of]

    @property
    def task(self) -> Task:
        """Anomaly detection where only one class is there to train on, and others to test on."""
        trained = np.unique(self.y[self.parts != TEST])
        return "anomaly detection" if len(trained) == 1 and len(np.unique(self.y)) > 1 else "classification"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """``(H, W, C)`` of an example, as :class:`nas.datasets.Dataset` has it."""
        length, tail = self.windows.length, self.data.values.shape[1:]
        return (length, *tail) if len(tail) == 2 else (1, length, tail[0])

    @cached_property
    def normalization(self) -> Normalization:
        """What makes network inputs of stored numbers; statistics are of the part that is not for testing.

        Images go to 0..1, sounds to -1..1; channels of series and values of vectors get mean 0 and deviation 1.
        """
        unit = self.data.facts.unit
        if unit is not None:
            return Normalization(np.zeros(1, np.float32), np.array([unit], np.float32))
        trained = np.flatnonzero(self.parts != TEST)
        channels = self.input_shape[-1]
        count = 0
        total, squares = np.zeros(channels), np.zeros(channels)
        low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
        shift: NDArray[np.float64] | None = None
        for begin in range(0, len(trained), STATISTICS_BATCH):
            rows = (
                self.windows.gather(self.data, trained[begin : begin + STATISTICS_BATCH]).reshape(-1, channels).astype(np.float64)
            )
            shift = rows.mean(0) if shift is None else shift  # keeps the sum of squares exact for channels far from zero
            count += len(rows)
            total += (rows - shift).sum(0)
            squares += ((rows - shift) ** 2).sum(0)
            low, high = np.minimum(low, rows.min(0)), np.maximum(high, rows.max(0))
        assert shift is not None
        if self.data.facts.kind == "image":
            span = high.max() - low.min()
            return Normalization(np.array([low.min()], np.float32), np.array([1 / span if span > 0 else 1], np.float32))
        mean = total / count
        deviation = np.sqrt(np.maximum(0, squares / count - mean**2))
        constant = deviation <= 1e-7 * np.maximum(np.abs(low), np.abs(high))
        scale = np.where(constant, 1.0, 1 / np.where(constant, 1.0, deviation))
        return Normalization((mean + shift).astype(np.float32), scale.astype(np.float32))

    @property
    def groups(self) -> Groups | None:
        """The groups of the windows."""
        return _groups(self.data, self.windows)

    def check_trainable(self) -> None:
        """Check that there is something to learn and to test.

        :raises UserError: if there is one class only, no test part, or a class that the train part lacks.
        """
        classes = self.data.classes
        if len(classes) < 2:
            hint = f"; if the classes are the folders inside of {classes[0]!r}, give {self.path / classes[0]}" if classes else ""
            raise UserError(f"{self.path}: one class only ({', '.join(classes)}){hint if self.path.is_dir() else ''}")
        if self.task != "classification":
            return
        if not (self.parts == TEST).any():
            counts = np.bincount(self.y, minlength=len(classes))
            raise UserError(
                f"{self.path}: {classes[counts.argmin()]} has {counts.min()} example(s), too few to set any aside for testing"
            )
        trained = np.bincount(self.y[self.parts != TEST], minlength=len(classes))
        lacking = [name for name, count in zip(classes, trained, strict=True) if not count]
        if lacking:
            raise UserError(f"{self.path}: the part to train on has no example of {', '.join(lacking)}")

    def dataset(self, *, test: bool) -> Dataset:
        """The test part, or all the rest; the values of the other part are not read (for statistics: those of the train part).

        :raises UserError: as :meth:`check_trainable`.
        """
        self.check_trainable()
        indices = np.flatnonzero((self.parts == TEST) == test)
        stored = self.windows.gather(self.data, indices).reshape(len(indices), *self.input_shape)
        validation = self.parts[indices] == VALIDATION
        groups = self.groups
        facts = self.data.facts
        return Dataset(
            name=self.name,
            kind=facts.kind,
            input_shape=self.input_shape,
            classes=self.data.classes,
            stored=stored,
            y=self.y[indices],
            normalization=self.normalization,
            groups=None if groups is None else groups.subset(indices),
            validation=validation if validation.any() else None,
            channels=facts.channels,
            rate=facts.rate,
            step=self.windows.step,
            normal=int(self.y[self.parts != TEST][0]) if self.task == "anomaly detection" else None,
            split=self.split,
            hash=self.data.hash,
        )


def open_collection(path: str, reading: Reading) -> Collection:
    """Read what lies at ``path``; what was decoded before comes from the cache.

    :raises UserError: if it cannot be read, changed while it was read, or is not what ``reading.hash`` expects.
    """
    return _open(os.path.abspath(path), reading)


@lru_cache(maxsize=4)
def _open(path: str, reading: Reading) -> Collection:
    from nas.datasets.readers import find_reader

    root = Path(path)
    reader = find_reader(list_files(root), reading)
    content = reader.digest()
    if reading.hash is not None and content != reading.hash:
        raise UserError(f"{path}: the data is not what the search began with; put it back as it was, or search anew")
    data = load(content)
    if data is None:
        with NewEntry(content) as entry:
            facts = reader.decode(entry.writer)
            if not len(entry.writer):
                raise UserError(f"{path}: none of its examples can be read; 'nas data --format' reads it in another way")
            entry.publish(facts, content)
        data = load(content)
        assert data is not None
    windows = cut(data, reading, path)
    parts, words = _divide(data, windows)
    return Collection(root, reader.name, data, windows, parts, words)


def _groups(data: Decoded, windows: Windows) -> Groups | None:
    """The group of each window; several windows of a recording are one, where nothing else is known."""
    if data.groups is not None and data.facts.group_kind is not None:
        return Groups(data.facts.group_kind, data.group_names, data.groups[windows.of])
    if len(windows.of) > len(np.unique(windows.of)):
        return Groups("recording", data.names, windows.of)
    return None


def _divide(data: Decoded, windows: Windows) -> tuple[NDArray[np.uint8], str]:
    """The part of each window, and in words where it comes from."""
    parts = data.parts[windows.of].copy()
    y = data.labels[windows.of]
    given, groups = data.facts.given, _groups(data, windows)
    assigned = bool((parts != NO_PART).any())
    parts[parts == NO_PART] = TRAIN
    if (parts == TEST).any():
        words = f"test part as given by {given['test']}"
    else:
        try:
            held = hold_out(y, groups, TEST_FRACTION, SEED)
        except ValueError:
            return parts, "no test part: some class has too few examples to be divided"
        free = parts == TRAIN if assigned else np.ones(len(parts), bool)
        parts[held.mask & free] = TEST
        words = f"test part {held.words}"
    if (parts == VALIDATION).any():
        words += f"; validation as given by {given['validation']}"
    elif groups is not None:
        words += f"; validation cut from the rest by {groups.kind}"
    else:
        words += "; validation cut from the rest, stratified by class"
    return parts, words
