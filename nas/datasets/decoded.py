"""Decoded data in the cache: written once, as it streams in, and mapped into memory from then on."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from codegen.cache import cache_dir
from nas.datasets._base import Kind

FORMAT = 1
TRAIN, VALIDATION, TEST, NO_PART = 0, 1, 2, 255
PARTS = ("train", "validation", "test")
STORED = ("uint8", "int16", "float32")
NAMED_SKIPS = 20
"""Examples of each reason for leaving something out whose names are kept."""


@dataclass(frozen=True)
class Facts:
    """What a reader knows of all its examples.

    ``classes`` in the order of their indices (None: sorted). ``unit`` scales the stored numbers to the network's input; None asks
    for each channel's mean and deviation instead. ``windows``: whether examples are recordings to be cut into windows. ``rate`` in
    samples a second. ``given`` says where the assignment to each part comes from.
    """

    kind: Kind
    classes: tuple[str, ...] | None = None
    channels: tuple[str, ...] = ()
    rate: float | None = None
    unit: float | None = None
    windows: bool = False
    group_kind: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skipped:
    """How many files or examples were left out for a ``reason``, and the ``names`` of some."""

    reason: str
    count: int
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Decoded:
    """Examples of one after the other in ``values`` ``(rows, ...)``; example ``i`` has the rows from ``starts[i]`` to
    ``starts[i + 1]``.

    An image's rows are rows, a sound's and a recording's are samples ``(channels,)``, a vector is one row. ``labels`` index
    ``classes``, ``parts`` is one of :data:`TRAIN`, … for each, ``groups`` index ``group_names``.
    """

    facts: Facts
    hash: str
    classes: tuple[str, ...]
    values: NDArray[Any]
    starts: NDArray[np.int64]
    labels: NDArray[np.int64]
    parts: NDArray[np.uint8]
    groups: NDArray[np.int64] | None
    group_names: tuple[str, ...]
    names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Rows of each example."""
        return np.diff(self.starts)

    def example(self, index: int) -> NDArray[Any]:
        """The rows of one example, mapped and not copied."""
        rows: NDArray[Any] = self.values[self.starts[index] : self.starts[index + 1]]
        return rows


class Writer:
    """Takes examples as they are decoded and writes their values to disk at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = (folder / "values.bin").open("wb")
        self._form: tuple[str, tuple[int, ...]] | None = None
        self._lengths: list[int] = []
        self._labels: list[str] = []
        self._parts: list[int] = []
        self._groups: list[str | None] = []
        self._names: list[str] = []
        self._skips: Counter[str] = Counter()
        self._skip_names: dict[str, list[str]] = {}
        self._notes: list[str] = []

    def add(self, values: NDArray[Any], label: str, name: str, part: int = NO_PART, group: str | None = None) -> None:
        """One example: ``values`` ``(rows, ...)``, of the same dtype and form as all others."""
        form = (values.dtype.name, values.shape[1:])
        self._form = self._form or form
        if form != self._form or form[0] not in STORED:
            raise ValueError(f"examples of {form} and {self._form}")
        np.ascontiguousarray(values).tofile(self._file)
        self._lengths.append(len(values))
        self._labels.append(label)
        self._names.append(name)
        self._parts.append(part)
        self._groups.append(group)

    def skip(self, name: str, reason: str) -> None:
        """Something is left out."""
        self._skips[reason] += 1
        names = self._skip_names.setdefault(reason, [])
        if len(names) < NAMED_SKIPS:
            names.append(name)

    def note(self, text: str) -> None:
        """Something that the person should know."""
        if text not in self._notes:
            self._notes.append(text)

    def __len__(self) -> int:
        return len(self._labels)

    def close(self) -> None:
        """End writing values."""
        self._file.close()

    def finish(self, facts: Facts, content: str) -> None:
        """Write everything but the values."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self.close()
        classes = facts.classes or natural_order(set(self._labels))
        index = {label: i for i, label in enumerate(classes)}
        grouped = facts.group_kind is not None
        group_names = natural_order({group for group in self._groups if group is not None}) if grouped else ()
        group_index = {name: i for i, name in enumerate(group_names)}
        arrays: dict[str, NDArray[Any]] = {
            "starts": np.concatenate([[0], np.cumsum(self._lengths)]).astype(np.int64),
            "labels": np.array([index[label] for label in self._labels], np.int64),
            "parts": np.array(self._parts, np.uint8),
            "groups": np.array([group_index[group or ""] for group in self._groups] if grouped else [], np.int64),
        }
        for name, array in arrays.items():
            np.save(self._folder / f"{name}.npy", array, allow_pickle=False)
        dtype, tail = self._form or ("float32", (1,))
        document = {
            "format": FORMAT,
            "facts": asdict(facts),
            "hash": content,
            "classes": classes,
            "group_names": group_names,
            "names": self._names,
            "skipped": [[reason, count, self._skip_names[reason]] for reason, count in sorted(self._skips.items())],
            "notes": self._notes,
            "dtype": dtype,
            "tail": tail,
        }
        (self._folder / "about.json").write_text(json.dumps(document))


def natural_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Sorted with runs of digits as numbers: 2 before 10."""
    import re

    def key(label: str) -> list[tuple[int, int, str]]:
        return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", label) if part]

    return tuple(sorted(labels, key=lambda label: (key(label), label)))


def entry_path(key: str) -> Path:
    """Where the decoded data of this key is kept."""
    return cache_dir() / "data" / key


def load(key: str) -> Decoded | None:
    """The cached data, its values mapped into memory; None where there is none, or it is damaged or of another format."""
    folder = entry_path(key)
    try:
        about = json.loads((folder / "about.json").read_bytes())
        if about["format"] != FORMAT:
            return None
        arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("starts", "labels", "parts", "groups")}
        rows, tail = int(arrays["starts"][-1]), tuple(about["tail"])
        dtype = np.dtype(about["dtype"])
        shape = (rows, *tail)
        if (folder / "values.bin").stat().st_size != int(np.prod(shape)) * dtype.itemsize:
            return None
        values: NDArray[Any] = np.memmap(folder / "values.bin", dtype, "r", shape=shape) if rows else np.empty(shape, dtype)
        facts = _facts(about["facts"])
        return Decoded(
            facts=facts,
            hash=about["hash"],
            classes=tuple(about["classes"]),
            values=values,
            starts=arrays["starts"],
            labels=arrays["labels"],
            parts=arrays["parts"],
            groups=arrays["groups"] if facts.group_kind is not None else None,
            group_names=tuple(about["group_names"]),
            names=tuple(about["names"]),
            skipped=tuple(Skipped(reason, count, tuple(names)) for reason, count, names in about["skipped"]),
            notes=tuple(about["notes"]),
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, IndexError):
        return None


def _facts(values: Mapping[str, Any]) -> Facts:
    lists = {key: None if values[key] is None else tuple(cast(Sequence[str], values[key])) for key in ("classes", "channels")}
    return Facts(**{**values, **lists})


class NewEntry:
    """A folder in the cache that takes the place of ``key`` when it is complete, and vanishes otherwise.

    Where another process was quicker, its entry stays: both hold the same.
    """

    def __init__(self, key: str) -> None:
        self._target = entry_path(key)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(dir=self._target.parent, prefix=".new."))
        self.writer = Writer(self._folder)

    def __enter__(self) -> NewEntry:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with suppress(OSError):
            self.writer.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def publish(self, facts: Facts, content: str) -> None:
        """Complete the entry and put it in its place, instead of a damaged one."""
        self.writer.finish(facts, content)
        try:
            os.rename(self._folder, self._target)
        except OSError:
            if load(self._target.name) is None:
                shutil.rmtree(self._target, ignore_errors=True)
                os.rename(self._folder, self._target)
