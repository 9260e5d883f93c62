"""Catalogue of boards: one TOML file each."""

from codegen.boards.board import Board, Stall, board_names, load_board

__all__ = ["Board", "Stall", "board_names", "load_board"]
