"""Boards by name from the files of this package, or from a file of the user's own."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import resources
from pathlib import Path

from codegen.boards.board import Board
from codegen.boards.board_file import parse
from codegen.errors import UserError


def board_names() -> tuple[str, ...]:
    """Names of the catalogue's boards, sorted."""
    files = resources.files(__package__).iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def load_board(name: str) -> Board:
    """A board of the catalogue by name, or of a TOML file by its path (anything that ends in ``.toml``).

    :raises UserError: if there is no such board or file, or the file breaks the format.
    """
    if name.endswith(".toml"):
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            known = ", ".join(board_names())
            raise UserError(f"--board {name}: cannot be read ({reason}); give a board file or one of: {known}") from None
        return parse(text, name)
    return _from_catalogue(name)


@cache
def _from_catalogue(name: str) -> Board:
    if name not in board_names():
        close = difflib.get_close_matches(name, board_names(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"known boards: {', '.join(board_names())}"
        raise UserError(f"--board {name}: no such board; {hint}; a board file ends in .toml")
    resource = resources.files(__package__).joinpath(f"{name}.toml")
    return parse(resource.read_text(encoding="utf-8"), f"{name}.toml")
