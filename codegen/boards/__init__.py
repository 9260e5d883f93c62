"""Catalogue of boards: one TOML file each."""

from codegen.boards.board import Board, Region, Stall
from codegen.boards.catalogue import board_names, load_board

__all__ = ["Board", "Region", "Stall", "board_names", "load_board"]
