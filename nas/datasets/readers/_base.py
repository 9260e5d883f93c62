"""What a reader is, and what readers of class folders share."""

from __future__ import annotations

import errno
import hashlib
import os
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from codegen.errors import UserError
from nas.datasets.decoded import NO_PART, PARTS, TEST, TRAIN, VALIDATION, Facts, Writer
from nas.datasets.groups import groups_in_names
from nas.datasets.listing import File, Listing
from nas.datasets.manifest import UNREADABLE, content_digest, digests
from nas.datasets.reading import Reading

PART_FOLDERS = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validation", "valid", "val", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
LISTS = {"testing_list.txt": TEST, "validation_list.txt": VALIDATION}
FOLDERS = dict.fromkeys(PARTS, "its folders")
MOST_BYTES = 2**30
"""Of a single file in a class folder; it is read whole."""
NOISE = "_background_noise_"
"""Speech Commands' folder of noise: no class."""


class Reader(ABC):
    """Data in one form at one path. ``name`` is what ``--format`` calls it."""

    name: ClassVar[str]
    suffixes: ClassVar[frozenset[str]]

    def __init__(self, listing: Listing, reading: Reading) -> None:
        self.listing = listing
        self.reading = reading
        self._digests: Mapping[str, str] = {}

    @abstractmethod
    def files(self) -> Sequence[File]:
        """The files whose content decides what is read."""

    @abstractmethod
    def decode(self, writer: Writer) -> Facts:
        """Give every example to ``writer``, each file read once.

        :raises UserError: if there is nothing to read.
        """

    def parameters(self) -> str:
        """What else decides how files are decoded."""
        return ""

    def digest(self) -> str:
        """Hash of the reader and of the names and contents of its files. Unreadable files count by name."""
        self._digests = digests(self.listing.root, self.files())
        whole = hashlib.blake2b(f"{self.name} {self.parameters()}".encode(), digest_size=16)
        for name, digest in self._digests.items():
            whole.update(f"\n{name} {digest}".encode())
        return whole.hexdigest()

    def digest_of(self, file: File) -> str:
        """Hash of the file's content as :meth:`digest` found it."""
        return self._digests[file.name]

    def content(self, file: File) -> bytes:
        """The file's content.

        :raises UserError: if it is another one than :meth:`digest` saw.
        :raises OSError: if it cannot be read.
        """
        content = file.path.read_bytes()
        if content_digest(content) != self._digests[file.name]:
            raise UserError(f"{file.path}: changed while it was read; run it again when nothing writes to the data")
        return content


@dataclass(frozen=True, slots=True)
class Example:
    """A file of a class folder. ``inside`` is its path within the class folder, without ending."""

    file: File
    label: str
    inside: str
    part: int
    group: str | None = None


class ClassFolderReader(Reader):
    """Folders that are classes, with or without train and test folders around them, or lists of Speech Commands beside them."""

    what: ClassVar[str]
    """Plural of what the files are, for messages."""

    def content(self, file: File) -> bytes:
        if file.path.stat().st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        return super().content(file)

    def files(self) -> Sequence[File]:
        return [file for file in self.listing.files if file.suffix in self.suffixes or file.name in LISTS]

    def examples(self, writer: Writer) -> tuple[list[Example], Facts]:
        """The readable files with label, part and group; ``facts`` has the kind of group and what the parts come from.

        Of several files of the same content, one is kept in a class, and none where they lie in several classes.

        :raises UserError: if a list names no file, or no file is left.
        """
        for name, reason in self.listing.skipped:
            writer.skip(name, reason)
        candidates = [file for file in self.listing.files if file.suffix in self.suffixes]
        others = Counter(
            f.suffix or "without ending" for f in self.listing.files if f.suffix not in self.suffixes and "/" in f.name
        )
        for suffix, count in others.items():
            writer.note(f"{count} {suffix} files are left aside: no {self.what}")
        in_parts = in_part_folders(candidates)
        found = []
        for file in candidates:
            example = _part_example(file) if in_parts else _example(file)
            if example is None:
                writer.skip(file.name, "lies in no class folder" + (" of a train or test folder" if in_parts else ""))
            elif example.label == NOISE:
                writer.skip(file.name, f"background noise ({NOISE}), which is no class")
            else:
                found.append(example)
        given: Mapping[str, str] = FOLDERS if in_parts else {}
        if not in_parts:
            found, given = self._by_lists(found, writer)
        self._say_empty_classes(found, in_parts, writer)
        found = self._without_copies(found, bool(given), writer)
        named = groups_in_names([e.inside for e in found], [e.label for e in found]) if found else None
        if named is not None:
            found = [replace(example, group=value) for example, value in zip(found, named.values, strict=True)]
        facts = Facts("series", group_kind=named.kind if named else None, given=given)
        return found, facts

    def _by_lists(self, found: list[Example], writer: Writer) -> tuple[list[Example], Mapping[str, str]]:
        """Parts by ``testing_list.txt`` and ``validation_list.txt``, where they are there."""
        parts: dict[str, int] = {}
        used: dict[str, str] = {}
        names = {example.file.name for example in found}
        for file in self.listing.files:
            if file.name not in LISTS:
                continue
            listed = _listed(self.content(file))
            if not names.intersection(listed):
                raise UserError(
                    f"{file.path}: names none of the files; its lines should be like {min(names, default='class/file')}"
                )
            unknown = len(set(listed) - names)
            if unknown:
                writer.note(f"{unknown} lines of {file.name} name no file")
            parts |= dict.fromkeys(listed, LISTS[file.name])
            used[PARTS[LISTS[file.name]]] = file.name
        if not used:
            return found, used
        return [replace(example, part=parts.get(example.file.name, TRAIN)) for example in found], used

    def _say_empty_classes(self, found: list[Example], in_parts: bool, writer: Writer) -> None:
        """Class folders without any file of the right kind are no classes; say so."""
        depth = 1 if in_parts else 0
        folders = {entry for entry in _folders(self.listing) if entry.count("/") == depth and not entry.startswith(".")}
        if in_parts:
            folders = {folder for folder in folders if folder.split("/")[0].lower() in PART_FOLDERS}
        labels = {example.label for example in found} | {NOISE}
        for folder in sorted(folders):
            label = folder.split("/")[depth]
            if label not in labels and (in_parts or label.lower() not in PART_FOLDERS):
                writer.note(f"class folder {folder!r} holds no {self.what}; it is left out")

    def _without_copies(self, found: list[Example], given: bool, writer: Writer) -> list[Example]:
        by_content: dict[str, list[Example]] = {}
        for example in found:
            by_content.setdefault(self.digest_of(example.file), []).append(example)
        dropped: set[str] = set()
        shared = 0
        for digest, copies in by_content.items():
            if len(copies) == 1 or digest == UNREADABLE:
                continue
            if len({copy.label for copy in copies}) > 1:
                for copy in copies:
                    writer.skip(copy.file.name, "the same content lies in several classes")
                    dropped.add(copy.file.name)
            elif given:
                shared += len({copy.part == TEST for copy in copies}) > 1
            else:
                for copy in copies[1:]:
                    writer.skip(copy.file.name, "a copy of another file of its class")
                    dropped.add(copy.file.name)
        if shared:
            writer.note(f"{shared} files of the test part have the content of a file that is trained on")
        return [example for example in found if example.file.name not in dropped]


def to_test(listing: Listing, suffixes: frozenset[str]) -> tuple[list[Example], str]:
    """The files with one of ``suffixes`` that a test of a finished network is about, and in words which these are: the test part of
    folders or of ``testing_list.txt``, where there is one, else all. A file that lies in no class folder has the label ``""``."""
    files = [file for file in listing.files if file.suffix in suffixes]
    if in_part_folders(files):
        found = [example for example in map(_part_example, files) if example is not None and example.part == TEST]
        if found:
            return found, "the test part of its folders"
    examples = [_example(file) or Example(file, "", file.name, NO_PART) for file in files]
    examples = [example for example in examples if example.label != NOISE]
    name = next(name for name, part in LISTS.items() if part == TEST)
    if (listing.root / name).is_file():
        listed = set(_listed((listing.root / name).read_bytes()))
        return [example for example in examples if example.file.name in listed], f"those of {name}"
    return examples, "all of its files"


def _listed(content: bytes) -> list[str]:
    """The names in a list of files."""
    text = content.decode("utf-8-sig", errors="replace")
    lines = [unicodedata.normalize("NFC", line.strip().replace("\\", "/")).removeprefix("./") for line in text.splitlines()]
    return [line for line in lines if line]


def in_part_folders(files: Sequence[File]) -> bool:
    """Whether the top folders are parts: all of them, or at least one to train on beside one to test on, with classes inside."""
    tops = {file.parts[0] for file in files if len(file.parts) >= 3}
    parts = {PART_FOLDERS[top.lower()] for top in tops if top.lower() in PART_FOLDERS}
    return TRAIN in parts and (TEST in parts or all(file.parts[0].lower() in PART_FOLDERS for file in files if len(file.parts) > 1))


def _part_example(file: File) -> Example | None:
    parts = file.parts
    if len(parts) < 3 or parts[0].lower() not in PART_FOLDERS:
        return None
    return Example(file, parts[1], _inside(parts[2:]), PART_FOLDERS[parts[0].lower()])


def _example(file: File) -> Example | None:
    parts = file.parts
    return Example(file, parts[0], _inside(parts[1:]), NO_PART) if len(parts) >= 2 else None


def _inside(parts: tuple[str, ...]) -> str:
    return "/".join((*parts[:-1], parts[-1].split(".")[0]))


def _folders(listing: Listing) -> list[str]:
    """Folders down to the second level, as names of the listing."""
    folders = []
    for top in sorted(os.scandir(listing.root), key=lambda entry: entry.name) if listing.root.is_dir() else ():
        if not top.is_dir() or top.name.startswith("."):
            continue
        name = unicodedata.normalize("NFC", top.name)
        folders.append(name)
        try:
            folders += [f"{name}/{unicodedata.normalize('NFC', e.name)}" for e in os.scandir(top.path) if e.is_dir()]
        except OSError:
            continue
    return folders
