"""Class folders of CSV recordings, and single long recordings with a column of labels: series to be cut into windows."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.datasets.decoded import NO_PART, Facts, Writer
from nas.datasets.delimited import (
    LABELS,
    SECOND_LABELS,
    Dialect,
    class_name,
    decode_text,
    index_column,
    label_column,
    number,
    rows,
    seconds,
    sniff,
    time_column,
)
from nas.datasets.groups import group_column, groups_in_names
from nas.datasets.readers._base import FOLDERS, PART_FOLDERS, ClassFolderReader, Example, in_part_folders
from nas.datasets.readers.audio import resample

GAP = 3.0
"""Steps of time after which a recording counts as interrupted."""
HEAD = 65536
"""Bytes of a file that show its columns and its rate."""
Value = TypeVar("Value", float, str, tuple[str, ...])
SAME_RATE = 0.05
"""Relative difference of rates that is jitter."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where things are in the lines of a file; ``channels`` are the columns with numbers, by name."""

    channels: tuple[tuple[str, int], ...]
    time: int | None
    label: int | None
    group: tuple[str, int] | None


def find_columns(dialect: Dialect, table: Sequence[Sequence[str]], labels: Sequence[str], guess_label: bool) -> Columns:
    """The columns of a file with these lines. The label's is found by its name in ``labels``; with ``guess_label`` also as the
    only column of text, or a last column of few whole numbers."""
    named = dialect.header is not None and len(dialect.header) == dialect.columns
    names = dialect.header if named and dialect.header is not None else tuple(f"channel {i + 1}" for i in range(dialect.columns))
    header = names if named else None
    time, index, label = time_column(header), index_column(header, table), label_column(header, labels)
    if label is None and guess_label:
        label = _guess_label(dialect, table, {time, index})
    group = next(((kind, i) for i, name in enumerate(names) if i not in (index, label) and (kind := group_column(name))), None)
    taken = {time, index, label, group[1] if group else None}
    taken |= {i for i, name in enumerate(names) if name.strip().lower() in (*SECOND_LABELS, *LABELS)}
    return Columns(tuple((name, i) for i, name in enumerate(names) if i not in taken), time, label, group)


def _guess_label(dialect: Dialect, table: Sequence[Sequence[str]], taken: set[int | None]) -> int | None:
    whole = [row for row in table if len(row) == dialect.columns][:1000]
    texts = [
        i
        for i in range(dialect.columns)
        if i not in taken and sum(np.isnan(number(row[i], dialect.decimal_comma)) for row in whole) > len(whole) / 2
    ]
    if len(texts) == 1:
        return texts[0]
    last = [number(row[-1], dialect.decimal_comma) for row in whole]
    few = len(set(last)) <= min(30, len(last) / 3) and all(value == np.floor(value) for value in last)
    return dialect.columns - 1 if not texts and few and dialect.columns > 1 else None


@dataclass(frozen=True, eq=False)
class Recording:
    """A text file read: float64 ``values`` ``(n, C)`` (NaN where a cell holds no number or the line another count of cells),
    ``labels`` and ``groups`` of its lines (None: no such column), ``rate`` in samples a second (None: unknown), ``breaks``: lines
    before which time jumps, ``timed``: whether there is a time column, ``unread``: columns without numbers."""

    channels: tuple[str, ...]
    values: NDArray[np.float64]
    labels: list[str] | None
    label_name: str | None
    groups: list[str] | None
    group_kind: str | None
    rate: float | None
    timed: bool
    breaks: frozenset[int]
    unread: tuple[str, ...]

    @cached_property
    def damaged_lines(self) -> NDArray[np.bool_]:
        """Whether a line has a missing or damaged number."""
        good: NDArray[np.bool_] = np.asarray(np.isfinite(self.values).all(axis=1))
        return ~good

    @property
    def damaged(self) -> int:
        """How many lines are damaged."""
        return int(self.damaged_lines.sum())

    @property
    def unlabelled(self) -> int:
        """How many lines of whole numbers have no label, where there is a column of them."""
        return sum(
            not label for label, bad in zip(self.labels or (), self.damaged_lines, strict=self.labels is not None) if not bad
        )


def read_recording(content: bytes, labels: Sequence[str] = LABELS, guess_label: bool = False) -> Recording:
    """Parse a delimited text file.

    :raises ValueError: if it is empty or no table of numbers.
    """
    text = decode_text(content)
    dialect = sniff(text)
    try:
        table = list(rows(text, dialect))
    except csv.Error:
        raise ValueError("not a table of comma-separated values") from None
    if not table:
        raise ValueError("holds a header and nothing else")
    columns = find_columns(dialect, table, labels, guess_label)
    whole = [len(row) == dialect.columns for row in table]
    values = np.full((len(table), len(columns.channels)), np.nan)
    for i, row in enumerate(table):
        if whole[i]:
            values[i] = [number(row[j], dialect.decimal_comma) for _, j in columns.channels]
    values[~np.isfinite(values)] = np.nan
    readable = np.isfinite(values).any(0)
    if not readable.any():
        raise ValueError("has no column of numbers")

    def column(index: int) -> list[str]:
        return [row[index] if good else "" for row, good in zip(table, whole, strict=True)]

    rate, breaks = None, frozenset[int]()
    if columns.time is not None and all(whole) and dialect.header is not None:
        rate, breaks = _timing(seconds(column(columns.time), dialect.header[columns.time], dialect.decimal_comma))
    label_name = None
    if columns.label is not None:
        label_name = dialect.header[columns.label] if dialect.header else f"{columns.label + 1}"
    return Recording(
        tuple(name for (name, _), good in zip(columns.channels, readable, strict=True) if good),
        values[:, readable],
        [class_name(cell) for cell in column(columns.label)] if columns.label is not None else None,
        label_name,
        [class_name(cell) for cell in column(columns.group[1])] if columns.group else None,
        columns.group[0] if columns.group else None,
        rate,
        columns.time is not None,
        breaks,
        tuple(name for (name, _), good in zip(columns.channels, readable, strict=True) if not good),
    )


def _timing(times: NDArray[np.float64] | None) -> tuple[float | None, frozenset[int]]:
    if times is None or len(times) < 2:
        return None, frozenset()
    steps = np.diff(times)
    usual = float(np.median(steps))
    if usual <= 0:
        return None, frozenset()
    jumps = np.flatnonzero((steps > GAP * usual) | (steps < 0)) + 1
    return float(f"{1 / usual:.4g}"), frozenset(jumps.tolist())


@dataclass(frozen=True, eq=False)
class Piece:
    """Uninterrupted lines of one label and group, from line ``begin`` of the data on: float64 ``(n, C)``."""

    begin: int
    values: NDArray[np.float64]
    label: str | None
    group: str | None


def pieces(recording: Recording) -> Iterator[Piece]:
    """The recording cut where lines are damaged or missing, and where label or group change."""
    bad = recording.damaged_lines
    start = 0
    n = len(bad)
    labels, groups = recording.labels, recording.groups
    for i in range(1, n + 1):
        ends = (
            i == n
            or bad[i] != bad[start]
            or i in recording.breaks
            or (labels is not None and labels[i] != labels[start])
            or (groups is not None and groups[i] != groups[start])
        )
        if ends:
            label = labels[start] if labels is not None else None
            if not bad[start] and label != "":
                yield Piece(start, recording.values[start:i], label, groups[start] if groups is not None else None)
            start = i


def same_rate(rate: float, other: float) -> bool:
    """Whether two rates differ by jitter only."""
    return abs(rate / other - 1) <= SAME_RATE


class RecordingReader(ClassFolderReader):
    """CSV files of equal columns, each a recording; a column of labels in them counts before the folder's name."""

    name = "recordings"
    what = "CSV files"
    suffixes = frozenset({".csv", ".tsv"})

    def decode(self, writer: Writer) -> Facts:
        heads = self._heads(writer)
        if not heads:
            raise UserError(f"{self.listing.root}: no readable CSV recording")
        by_column = sum(head.labels is not None for head in heads.values()) > len(heads) / 2
        examples, facts = self._unlabelled() if by_column else self.examples(writer)
        examples = [example for example in examples if example.file.name in heads]
        if not examples:
            raise UserError(
                f"{self.listing.root}: no class: put the files into one folder per class, or add a column named 'label'"
            )
        used = [heads[example.file.name] for example in examples]
        channels = _commonest([head.channels for head in used])
        known = [head.rate for head in used if head.rate is not None]
        rate = _commonest(known) if known else None
        if by_column:
            writer.note(
                f"labels are taken from the column {_commonest([h.label_name for h in used if h.label_name])!r}, not from folders"
            )
        group_kind = facts.group_kind or next((head.group_kind for head in used if head.group_kind), None) or "recording"
        damaged = unlabelled = cuts = 0
        resampled: Counter[float] = Counter()
        for example in examples:
            try:
                recording = read_recording(self.content(example.file))
            except (OSError, ValueError) as error:
                writer.skip(example.file.name, _reason(error))
                continue
            if by_column and recording.labels is None:
                writer.skip(example.file.name, "has no column of labels")
                continue
            order = _order(recording.channels, channels)
            if order is None:
                writer.skip(example.file.name, f"has not the columns of the other files ({', '.join(channels)})")
                continue
            damaged += recording.damaged
            unlabelled += recording.unlabelled
            cuts += len(recording.breaks)
            for piece in pieces(recording):
                values = piece.values[:, order]
                if rate and recording.rate and not same_rate(recording.rate, rate):
                    values = resample(values, recording.rate, rate)
                    resampled[recording.rate] += 1
                label = piece.label if by_column and piece.label is not None else example.label
                group = piece.group or example.group or example.file.name
                writer.add(values.astype(np.float32), label, example.file.name, example.part, group)
        if damaged:
            writer.note(f"{damaged} lines hold a missing or damaged number or a wrong count of columns; no window spans them")
        if unlabelled:
            writer.note(f"{unlabelled} lines without a label are left out")
        if cuts:
            writer.note(f"time jumps in {cuts} places; no window spans them")
        for own_rate, count in sorted(resampled.items()):
            writer.note(f"{count} recordings of {own_rate:g} Hz are resampled to {rate:g} Hz")
        unread = sorted({name for head in used for name in head.unread})
        if unread:
            writer.note(f"columns without numbers are left aside: {', '.join(unread)}")
        return replace(facts, kind="series", channels=channels, rate=rate, windows=True, group_kind=group_kind)

    def _heads(self, writer: Writer) -> dict[str, Recording]:
        """The beginning of every file that can be read."""
        heads = {}
        for file in self.listing.files:
            if file.suffix not in self.suffixes:
                continue
            try:
                heads[file.name] = read_recording(_beginning(self.content(file)))
            except (OSError, ValueError) as error:
                writer.skip(file.name, _reason(error))
        return heads

    def _unlabelled(self) -> tuple[list[Example], Facts]:
        """Every file, where labels are in them."""
        files = [file for file in self.listing.files if file.suffix in self.suffixes]
        in_parts = in_part_folders(files)
        examples = []
        for file in files:
            part = PART_FOLDERS.get(file.parts[0].lower(), NO_PART) if in_parts else NO_PART
            examples.append(Example(file, "", file.name, part))
        named = groups_in_names([file.parts[-1].rpartition(".")[0] for file in files], ["" for _ in files])
        if named is not None:
            examples = [replace(example, group=value) for example, value in zip(examples, named.values, strict=True)]
        given = FOLDERS if in_parts else {}
        return examples, Facts("series", group_kind=named.kind if named else None, given=given)


def _beginning(content: bytes) -> bytes:
    if len(content) <= HEAD:
        return content
    end = content.rfind(b"\n", 0, HEAD)
    return content[: end + 1] if end > 0 else content


def _order(names: Sequence[str], wanted: Sequence[str]) -> list[int] | None:
    """Where each of ``wanted`` is among ``names``; None if they are not the same."""
    if tuple(names) == tuple(wanted):
        return list(range(len(names)))
    return [names.index(name) for name in wanted] if sorted(names) == sorted(wanted) and len(set(names)) == len(names) else None


def _commonest(values: Sequence[Value]) -> Value:
    counts = Counter(values)
    return max(counts, key=lambda value: (counts[value], value))


def _reason(error: BaseException) -> str:
    return f"cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
