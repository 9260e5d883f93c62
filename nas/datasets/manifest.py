"""Hashes of files as they were seen, so that files that nobody touched are not read again only to find out what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from codegen.cache import cache_dir
from nas.datasets.listing import File
from nas.files import write_atomically

FORMAT = 1
SETTLED = 2.0
"""Seconds after its last change from which a file's time stamps tell of every further one (FAT counts in steps of 2 s)."""
UNREADABLE = "unreadable"
Stamp = tuple[int, int, int, int]


def digests(root: Path, files: Sequence[File]) -> dict[str, str]:
    """The hash of each file's content by name, :data:`UNREADABLE` where it cannot be read.

    A file of the same size, time of change and place on the disk as before has the same content; the time of change (``ctime``)
    cannot be set back.
    """
    place = cache_dir() / "data" / f"{hashlib.blake2b(os.fsencode(root.absolute()), digest_size=16).hexdigest()}.manifest.json"
    known = _read(place)
    found: dict[str, tuple[Stamp, str]] = {}
    result = {}
    for file in files:
        stamp, digest = _digest(file, known.get(file.name))
        result[file.name] = digest
        if stamp is not None:
            found[file.name] = stamp, digest
    if found != known:
        place.parent.mkdir(parents=True, exist_ok=True)
        document = {"format": FORMAT, "files": {name: [*stamp, digest] for name, (stamp, digest) in found.items()}}
        write_atomically(place, json.dumps(document))
    return result


def content_digest(content: bytes) -> str:
    """The hash of a file with this content."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _digest(file: File, known: tuple[Stamp, str] | None) -> tuple[Stamp | None, str]:
    """The file's time stamps (None: too young to rely on) and hash."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        status = os.stat(file.path)
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        if known is not None and known[0] == stamp:
            return known
        with file.path.open("rb") as stream:
            while block := stream.read(2**20):
                digest.update(block)
    except OSError:
        return None, UNREADABLE
    young = time.time() - max(status.st_mtime, status.st_ctime) < SETTLED
    return None if young else stamp, digest.hexdigest()


def _read(place: Path) -> dict[str, tuple[Stamp, str]]:
    try:
        document = json.loads(place.read_bytes())
        if document["format"] != FORMAT:
            return {}
        return {
            name: ((size, mtime, ctime, inode), digest) for name, (size, mtime, ctime, inode, digest) in document["files"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
