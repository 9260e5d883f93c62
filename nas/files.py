"""Files and directories that appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from codegen.errors import UserError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace the file at ``path`` whole: readers see the old content or the new one, also after a kill."""
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace the JSON file at ``path``."""
    write_atomically(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def check_new_directory(path: Path, option: str) -> None:
    """Check that a directory can be made at ``path`` (or that an empty one is there), before any work is done.

    :raises UserError: naming ``option`` if it is no empty directory or cannot be written.
    """
    if path.exists():
        if not path.is_dir():
            raise UserError(f"{option} {path}: there is a file of that name; give a new directory")
        if any(path.iterdir()):
            raise UserError(f"{option} {path}: the directory is not empty; give a new one")
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    _check_parent(path, option, parent)
    if path.exists() and not os.access(path, os.W_OK | os.X_OK):
        raise UserError(f"{option} {path}: it is not writable; give another place")


def check_new_file(path: Path, option: str) -> None:
    """Check that a file can be made at ``path``, before any work is done.

    :raises UserError: naming ``option`` if something is there already, or its folder is missing or cannot be written.
    """
    if path.exists():
        raise UserError(f"{option} {path}: there is a {'directory' if path.is_dir() else 'file'} of that name; give a new one")
    parent = path.absolute().parent
    if not parent.exists():
        raise UserError(f"{option} {path}: there is no folder {parent}")
    _check_parent(path, option, parent)


def _check_parent(path: Path, option: str, parent: Path) -> None:
    if not parent.is_dir():
        raise UserError(f"{option} {path}: {parent} is not a directory")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UserError(f"{option} {path}: {parent} is not writable; give another place")


@contextmanager
def new_directory(path: Path, option: str) -> Iterator[Path]:
    """A temporary directory that becomes ``path`` when the block ends without an error, and vanishes otherwise.

    :raises UserError: as :func:`check_new_directory`.
    """
    check_new_directory(path, option)
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.absolute().parent, prefix=f".{path.name}."))
    try:
        yield temporary
        temporary.chmod(0o755)
        try:
            os.replace(temporary, path)
        except OSError:
            raise UserError(f"{option} {path}: something else was written there in the meantime; give a new directory") from None
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds one object.

    :raises UserError: if it cannot be read or is none.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: damaged (no JSON object)")
    return value


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file.

    :raises UserError: if it cannot be read or is none.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML ({error})") from None
