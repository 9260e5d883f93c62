"""The files under a folder, in a fixed order, without loops."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from codegen.errors import UserError

MOST_FILES = 500_000
IGNORED = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


@dataclass(frozen=True)
class File:
    """A file at ``path``; ``name`` is its path from the data's folder on, with ``/`` and in Unicode's composed form (NFC), in
    which names compare equal that other systems write in pieces."""

    path: Path
    name: str

    @cached_property
    def suffix(self) -> str:
        """The ending in small letters, ``.wav``."""
        return os.path.splitext(self.name)[1].lower()

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The name's folders and file."""
        return tuple(self.name.split("/"))


@dataclass(frozen=True)
class Listing:
    """``files`` by name; ``skipped`` what could not be followed, with the reason."""

    root: Path
    files: tuple[File, ...]
    skipped: tuple[tuple[str, str], ...] = field(default=())


def list_files(root: Path) -> Listing:
    """All files at or under ``root``, hidden ones left out. Symbolic links are followed; a folder counts once.

    :raises UserError: if ``root`` does not exist, cannot be read or holds too many files.
    """
    if not root.exists():
        raise UserError(f"{root}: no such file or folder")
    if root.is_file():
        return Listing(root, (File(root, root.name),))
    if not root.is_dir():
        raise UserError(f"{root}: neither a file nor a folder")
    files: list[File] = []
    skipped: list[tuple[str, str]] = []
    known = {_identity(root): "."}
    waiting = [(root, "")]
    seen = 0
    while waiting:
        folder, prefix = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            if folder == root:
                raise UserError(f"{root}: cannot be read ({error.strerror})") from None
            skipped.append((prefix.rstrip("/"), f"cannot be read ({error.strerror})"))
            continue
        seen += len(entries)
        if seen > MOST_FILES:
            raise UserError(f"{root}: holds more than {MOST_FILES:,} files; give a smaller folder, or pack the data as one .npz")
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in IGNORED:
                continue
            try:
                name = prefix + unicodedata.normalize("NFC", os.fsencode(entry.name).decode())
            except UnicodeDecodeError:
                skipped.append((prefix + ascii(entry.name), "its name is not UTF-8"))
                continue
            path = folder / entry.name
            try:
                is_folder, is_file = entry.is_dir(), entry.is_file()
                if is_folder and (first := known.setdefault(_identity(path), name)) != name:
                    skipped.append((name, f"a link to {first!r}, which is read already"))
                    continue
            except OSError as error:
                skipped.append((name, f"cannot be read ({error.strerror})"))
                continue
            if is_folder:
                waiting.append((path, name + "/"))
            elif is_file:
                files.append(File(path, name))
            else:
                skipped.append((name, "a broken symbolic link" if entry.is_symlink() else "not a file"))
    return Listing(root, tuple(sorted(files, key=lambda file: file.name)), tuple(sorted(skipped)))


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
