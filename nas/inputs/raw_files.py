"""Files of a person's recordings, brought to what a built program takes as the data was that its network learnt from."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.features import FrontEnd, Preprocessing, RawInput

SUFFIXES = {
    "WAV": (".wav", ".wave"),
    "CSV": (".csv", ".tsv"),
    "PNG or JPEG": (".png", ".jpg", ".jpeg"),
    ".npy": (".npy",),
}
"""Endings of the files that hold raw numbers, by what they are."""


@dataclass(frozen=True, eq=False)
class RawExample:
    """What a program takes at once of ``file``: ``raw`` numbers ``(size,)``, from ``begin`` on (a sample at the data's rate, a
    line, an example; None: it is the whole file); ``label`` where the file itself says one."""

    file: str
    raw: NDArray[Any]
    begin: int | None = None
    label: str | None = None


def form_of(path: Path) -> str | None:
    """What raw numbers a file holds, by its name: a key of :data:`SUFFIXES`, or None."""
    return next((form for form, suffixes in SUFFIXES.items() if path.suffix.lower() in suffixes), None)


class RawFiles(ABC):
    """Files of one ``form`` for a program with ``front_end``, whose network learnt from data that ``about`` tells of (``data`` in
    ``report.json``)."""

    form: ClassVar[str]

    def __init__(self, front_end: Preprocessing, about: dict[str, Any]) -> None:
        self.front_end = front_end
        self.about = about

    def read(self, path: Path, *, labelled: bool = False) -> list[RawExample]:
        """The examples in a file; ``labelled``: whether to look for labels in it.

        :raises UserError: if there is no such file, or it holds none.
        """
        try:
            return self._read(path, labelled)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); a {self.form} file is needed") from None
        except ValueError as error:
            raise UserError(f"{path}: {error}") from None

    @abstractmethod
    def _read(self, path: Path, labelled: bool) -> list[RawExample]: ...


class WavFiles(RawFiles):
    """Sound, brought to the rate and the length of the data."""

    form = "WAV"

    def _read(self, path: Path, labelled: bool) -> list[RawExample]:
        from nas.datasets.readers.audio import read_wav
        from nas.datasets.windows import clip_window

        front_end = self.front_end
        assert isinstance(front_end, FrontEnd)
        shape = self.about.get("input_shape")
        length = max(front_end.samples, shape[1] if isinstance(shape, list) and len(shape) == 3 else 0)
        sound = clip_window(read_wav(path, front_end.settings.rate), length)
        return [RawExample(str(path), sound[: front_end.samples])]


class CsvFiles(RawFiles):
    """Recordings, cut into windows as the data was (channels by name, its rate, none across a gap), or tables, a vector a line."""

    form = "CSV"

    def _read(self, path: Path, labelled: bool) -> list[RawExample]:
        from nas.datasets.delimited import LABELS, MORE_LABELS
        from nas.datasets.readers.audio import resample
        from nas.datasets.readers.recordings import pieces, read_recording, same_rate

        front_end = self.front_end
        assert isinstance(front_end, RawInput)
        _, length, count = front_end.shape
        vectors = front_end.noun == "values"
        names = (*LABELS, *MORE_LABELS) if vectors else LABELS
        recording = read_recording(path.read_bytes(), names, guess_label=vectors and labelled)
        order = channel_order(recording.channels, self.about.get("channels") or (), count)
        rate = None if vectors else self.about.get("rate")
        step = self.about.get("step") or max(1, length // 2)
        found = []
        for piece in pieces(recording):
            values, first = piece.values[:, order], piece.begin
            if rate and recording.rate and not same_rate(recording.rate, rate):
                values, first = resample(values, recording.rate, rate), round(first * rate / recording.rate)
            for start in range(0, len(values) - length + 1, step):
                window = as_stored(values[start : start + length], front_end.raw_type)
                found.append(RawExample(str(path), window.reshape(-1), first + start, piece.label))
        if not found:
            longest = max((len(piece.values) for piece in pieces(recording)), default=0)
            raise ValueError(f"its longest uninterrupted part has {longest} samples, a window takes {length}")
        return found


def channel_order(names: Sequence[str], wanted: Sequence[str], count: int) -> list[int]:
    """Where each of the channels is that a network learnt from."""
    if not wanted and len(names) == count:
        return list(range(count))
    missing = [name for name in wanted if name not in names]
    if missing or not wanted:
        lacks = f"no column {', '.join(map(repr, missing))}" if missing else f"{len(names)} columns of numbers, not {count}"
        raise ValueError(f"has {lacks}; there are {', '.join(map(repr, names))}")
    return [names.index(name) for name in wanted]


def as_stored(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Recorded numbers in the type that the data has; integers are rounded and end where the type does."""
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)


class ImageFiles(RawFiles):
    """Images, brought to the size and the colours of the data."""

    form = "PNG or JPEG"

    def _read(self, path: Path, labelled: bool) -> list[RawExample]:
        from nas.datasets.readers.images import read_image

        front_end = self.front_end
        assert isinstance(front_end, RawInput)
        height, width, channels = front_end.shape
        if front_end.raw_type != np.uint8 or channels not in (1, 3):
            raise ValueError(f"an image; the network takes {front_end.dtype} of {channels} channels")
        return [RawExample(str(path), read_image(path, (height, width), grey=channels == 1).reshape(-1))]


class ArrayFiles(RawFiles):
    """Raw numbers as an array ``(n, ...)`` of the dtype that the program takes."""

    form = ".npy"

    def _read(self, path: Path, labelled: bool) -> list[RawExample]:
        try:
            array = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"not a .npy array ({str(error).splitlines()[0]})") from None
        examples = self.front_end.fit(array, f"--raw {path}")
        return [RawExample(str(path), raw, begin) for begin, raw in enumerate(examples)]


_READERS: dict[str, type[RawFiles]] = {"samples": WavFiles, "window": CsvFiles, "values": CsvFiles, "image": ImageFiles}
_TAKEN = {"WAV": "sound", "CSV": "series or tables", "PNG or JPEG": "images", ".npy": "raw numbers"}


def about_data(directory: Path) -> dict[str, Any]:
    """``data`` in the ``report.json`` of the project in ``directory``; empty where it tells of none."""
    about = json.loads((directory / "report.json").read_text(encoding="utf-8")).get("data")
    return about if isinstance(about, dict) else {}


def raw_files(directory: Path, form: str, example: Path) -> RawFiles:
    """What reads files of ``form`` for the project in ``directory``; ``example`` is one of them.

    :raises UserError: if the project takes none of that form.
    """
    from codegen.project import read_project

    front_end = read_project(directory).front_end
    reader = None if front_end is None else ArrayFiles if form == ArrayFiles.form else _READERS[front_end.noun]
    if front_end is None or reader is None or reader.form != form:
        raise UserError(f"--raw {example}: the project in {directory} takes no {_TAKEN[form]}")
    return reader(front_end, about_data(directory))


def project_form(directory: Path) -> str:
    """The form of files that the project in ``directory`` takes.

    :raises UserError: if it takes none.
    """
    from codegen.project import read_project

    front_end = read_project(directory).front_end
    if front_end is None:
        raise UserError(f"--raw: the project in {directory} takes no recordings; give its network's inputs")
    return _READERS[front_end.noun].form


@dataclass(frozen=True, eq=False)
class LabelledFolder:
    """Labelled examples of the class folders at ``path``: ``labels[i]`` is the class of example ``i`` as it is called there;
    ``words`` say which files they are of, ``left_out`` names what could not be read, and why."""

    path: Path
    examples: tuple[RawExample, ...]
    labels: tuple[str, ...]
    words: str
    left_out: tuple[tuple[str, str], ...]


def read_folder(directory: Path, folder: Path) -> LabelledFolder:
    """The recordings in ``folder`` for the project in ``directory``: its test part, where folders or lists give one, else all.

    :raises UserError: if the project takes no recordings, or none of the files can be read.
    """
    from nas.datasets.listing import list_files
    from nas.datasets.readers._base import to_test

    form = project_form(directory)
    reader = raw_files(directory, form, folder)
    listing = list_files(folder)
    files, words = to_test(listing, frozenset(SUFFIXES[form]))
    examples: list[RawExample] = []
    labels: list[str] = []
    left_out = [*listing.skipped]
    for file in files:
        try:
            found = reader.read(file.file.path, labelled=True)
        except UserError as error:
            left_out.append((file.file.name, str(error).removeprefix(f"{file.file.path}: ")))
            continue
        for example in found:
            label = example.label or file.label
            if label:
                examples.append(replace(example, file=file.file.name))
                labels.append(label)
            else:
                left_out.append((file.file.name, "lies in no class folder and has no label"))
                break
    if not examples:
        reason = f" ({left_out[0][0]}: {left_out[0][1]})" if left_out else ""
        raise UserError(f"--raw {folder}: no {form} file in a class folder can be read{reason}")
    return LabelledFolder(folder, tuple(examples), tuple(labels), words, tuple(left_out))
