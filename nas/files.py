"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from codegen.errors import UserError
from codegen.new_directory import check_writable

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


def check_new_file(path: Path, option: str) -> None:
    """Check that a file can be made at ``path``, before any work is done.

    :raises UserError: naming ``option`` if something is there already, or its folder is missing or cannot be written.
    """
    if path.exists():
        raise UserError(f"{option} {path}: there is a {'directory' if path.is_dir() else 'file'} of that name; give a new one")
    parent = path.absolute().parent
    if not parent.exists():
        raise UserError(f"{option} {path}: there is no folder {parent}")
    check_writable(path, f"{option} {path}")


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
