"""A directory that is written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codegen.errors import UserError


def check_new_directory(directory: Path, option: str = "") -> None:
    """Check that a directory can be made at ``directory`` (or that an empty one is there), before any work is done.

    :param option: that gave the directory, for messages.
    :raises UserError: if something else is there, or it cannot be written.
    """
    named = f"{option} {directory}".strip()
    try:
        if directory.is_dir():
            if any(directory.iterdir()):
                raise UserError(f"{named}: the directory is not empty; give a new one, or empty it")
        elif directory.exists() or directory.is_symlink():
            raise UserError(f"{named}: there is a file of that name, not a directory; give a new one")
        check_writable(directory, named)
    except OSError as error:
        raise UserError(f"{named}: cannot be read ({error.strerror}); give another place") from None


def check_writable(path: Path, named: str) -> None:
    """Check that something new can be made at ``path``, or in the directory that is there; ``named`` is what messages call it.

    :raises UserError: if what would hold it is no directory, or cannot be written.
    """
    holder = path.absolute()
    while not holder.exists():
        holder = holder.parent
    if not holder.is_dir():
        raise UserError(f"{named}: {holder} is not a directory")
    for folder in (holder, holder.parent) if path.exists() else (holder,):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UserError(f"{named}: {folder} is not writable; give another place")


@contextmanager
def new_directory(directory: Path, option: str = "") -> Iterator[Path]:
    """A temporary directory that becomes ``directory`` when the block ends without an error, and vanishes otherwise.

    :raises UserError: as :func:`check_new_directory`, and if it cannot be written after all.
    """
    check_new_directory(directory, option)
    named, target = f"{option} {directory}".strip(), directory.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise UserError(f"{named}: cannot be written ({error.strerror}); give another place") from None
    try:
        yield staging
        mask = os.umask(0)
        os.umask(mask)
        staging.chmod(0o777 & ~mask)  # as if made by mkdir; mkdtemp lets only the owner in
        if target.is_dir():
            target.rmdir()  # empty, as checked; not every system renames over a directory
        staging.rename(target)
    except OSError as error:
        raise UserError(f"{named}: cannot be written ({error.strerror}); nothing was left behind") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
