"""Series of the UCR/UEA archive: ``.ts`` (https://www.aeon-toolkit.org, its file format) and ``.tsv`` (Dau et al. 2019), as a
file or as a pair ``<name>_TRAIN`` and ``<name>_TEST``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.datasets.decoded import NO_PART, PARTS, TEST, TRAIN, Facts, Writer
from nas.datasets.delimited import class_name, decode_text
from nas.datasets.listing import File
from nas.datasets.readers._base import Reader

PAIR = re.compile(r"^(.*)_(TRAIN|TEST)$", re.IGNORECASE)


class UcrReader(Reader):
    """One series a line; shorter ones go on with their last value to the length of the longest."""

    name = "ucr"
    suffixes = frozenset({".ts", ".tsv"})

    def files(self) -> Sequence[File]:
        root = self.listing.root
        files = [file for file in self.listing.files if file.suffix in self.suffixes]
        if root.is_file() and (match := PAIR.match(root.stem)):
            beside = sorted(root.parent.iterdir())
            files = [File(p, p.name) for p in beside if p.suffix == root.suffix and (m := PAIR.match(p.stem)) and m[1] == match[1]]
        return files

    def decode(self, writer: Writer) -> Facts:
        files = self.files()
        parts = {file.name: _part(file) for file in files}
        if len(files) != 1 and sorted(parts.values()) != [TRAIN, TEST]:
            raise UserError(f"{self.listing.root}: holds {len(files)} files; give a pair <name>_TRAIN and <name>_TEST, or one file")
        found: list[tuple[str, int, str, NDArray[np.float32]]] = []
        for file in files:
            try:
                text = decode_text(self.content(file))
            except OSError as error:
                raise UserError(f"{file.path}: cannot be read ({error.strerror})") from None
            except ValueError as error:
                raise UserError(f"{file.path}: {error}") from None
            lines = _ts(text, file) if file.suffix == ".ts" else _tsv(text)
            for number, label, series in lines:
                name = f"{file.name} line {number}"
                if series is None or not len(series):
                    writer.skip(name, "damaged")
                elif not np.isfinite(series).all():
                    writer.skip(name, "holds a missing value")
                elif found and series.shape[1] != found[0][3].shape[1]:
                    writer.skip(name, f"has {series.shape[1]} channels, the first series has {found[0][3].shape[1]}")
                else:
                    found.append((name, parts[file.name] if len(files) > 1 else NO_PART, label, series))
        if not found:
            raise UserError(f"{self.listing.root}: no series in it")
        longest = max(len(series) for *_, series in found)
        shorter = sum(len(series) < longest for *_, series in found)
        if shorter:
            writer.note(f"{shorter} series are shorter than the longest ({longest}); they go on with their last value")
        for name, part, label, series in found:
            padded = np.concatenate([series, np.repeat(series[-1:], longest - len(series), 0)])
            writer.add(padded, label, name, part)
        channels = tuple(f"channel {i + 1}" for i in range(found[0][3].shape[1]))
        return Facts("series", channels=channels, given=dict.fromkeys(PARTS, "the files' names") if len(files) > 1 else {})


def _part(file: File) -> int:
    match = PAIR.match(file.path.stem)
    return NO_PART if match is None else TRAIN if match[2].upper() == "TRAIN" else TEST


def _ts(text: str, file: File) -> Iterator[tuple[int, str, NDArray[np.float32] | None]]:
    """Number, label and values ``(T, C)`` of each line after ``@data``: channels apart by colons, the label last."""
    in_data, labelled = False, True
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("@") and not in_data:
            words = line.lower().split()
            if words[0] == "@timestamps" and words[1:2] == ["true"]:
                raise UserError(f"{file.path}: series with time stamps are not read; write them without (@timeStamps false)")
            if words[0] in ("@classlabel", "@targetlabel"):
                labelled = words[0] == "@classlabel" and words[1:2] == ["true"]
            in_data = words[0] == "@data"
            continue
        if not labelled:
            raise UserError(f"{file.path}: has no classes (@classLabel true)")
        *channels, label = line.split(":")
        values = [[_value(cell) for cell in channel.split(",")] for channel in channels]
        same = channels and label and len({len(channel) for channel in values}) == 1
        yield number, class_name(label), np.array(values, np.float32).T if same else None


def _tsv(text: str) -> Iterator[tuple[int, str, NDArray[np.float32] | None]]:
    """Number, label and values ``(T, 1)`` of each line: the label first. NaN at the end fills short series up."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            label, *cells = line.rstrip("\r\n").split("\t")
            values = [_value(cell) for cell in cells]
            while values and math.isnan(values[-1]):
                values.pop()
            yield number, class_name(label), np.array(values, np.float32)[:, None] if label.strip() else None


def _value(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
