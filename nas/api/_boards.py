"""The catalogue."""

from __future__ import annotations

from codegen.boards import Board, board_names, load_board


def boards() -> tuple[Board, ...]:
    """The boards of the catalogue by name, with their memory in bytes and their clock in Hz.

    Wherever a board is asked for its name will do, or the path of a board file of your own (it ends in ``.toml``).
    """
    return tuple(load_board(name) for name in board_names())
