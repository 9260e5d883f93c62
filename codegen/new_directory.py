"""A directory that is written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codegen.errors import UserError


def check_target(directory: Path) -> None:
    """Check that ``directory`` may be written: there is none, or an empty one.

    :raises UserError: if it is a file, or a directory that is not empty.
    """
    try:
        if directory.is_dir():
            if any(directory.iterdir()):
                raise UserError(f"{directory}: the directory is not empty; choose another one or empty it")
        elif directory.exists() or directory.is_symlink():
            raise UserError(f"{directory}: exists and is not a directory; choose another one")
    except OSError as error:
        raise UserError(f"{directory}: cannot be read ({error.strerror}); choose another directory") from None


@contextmanager
def new_directory(directory: Path) -> Iterator[Path]:
    """A temporary directory that becomes ``directory`` when the block ends without an error, and vanishes otherwise.

    :raises UserError: if it cannot be written.
    """
    target = directory.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise UserError(f"{directory}: cannot be written ({error.strerror}); choose another directory") from None
    try:
        yield staging
        mask = os.umask(0)
        os.umask(mask)
        staging.chmod(0o777 & ~mask)  # as if made by mkdir; mkdtemp lets only the owner in
        if target.is_dir():
            target.rmdir()  # empty, as checked; not every system renames over a directory
        staging.rename(target)
    except OSError as error:
        raise UserError(f"{directory}: cannot be written ({error.strerror}); nothing was left behind") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
