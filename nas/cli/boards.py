"""``nas boards``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nas.cli.options import debug_option, json_option

if TYPE_CHECKING:
    from codegen.boards import Board


@click.command(epilog="Example: nas boards --json")
@json_option
@debug_option
def command(as_json: bool) -> None:
    """List the catalogue of boards.

    A network's arena lies in one piece of RAM: where a board has several, the largest counts, less what is reserved there.
    """
    import json

    from codegen.boards import board_names, load_board
    from nas.text_table import table

    boards = [load_board(name) for name in board_names()]
    if as_json:
        click.echo(json.dumps([_json(board) for board in boards], indent=2))
        return
    rows = [("board", "core", "clock", "RAM", "flash", "left for the network"), *map(_row, boards)]
    click.echo("\n".join(table(rows, "llrrll")))


def _json(board: Board) -> dict[str, Any]:
    """The board's file, the regions that a network gets, and the limits and stalls that follow from them."""
    import dataclasses

    return {
        **board.to_json(),
        "ram_region": board.ram.name,
        "ram_bytes": board.ram.bytes,
        "reserved_ram_bytes": board.ram.reserved_bytes,
        "available_ram": board.available_ram,
        "flash_region": board.flash.name,
        "flash_bytes": board.flash.bytes,
        "reserved_flash_bytes": board.flash.reserved_bytes,
        "available_flash": board.available_flash,
        "stall": dataclasses.asdict(board.stall),
    }


def _row(board: Board) -> tuple[str, ...]:
    from nas.units import format_size

    left = f"{format_size(board.available_ram)} RAM, {format_size(board.available_flash)} flash"
    ram, flash = (sum(region.bytes for region in board.regions(kind)) for kind in ("ram", "flash"))
    pieces = len(board.regions("ram"))
    if pieces > 1:
        left += f"; of {pieces} pieces of RAM the largest, {board.ram.name}"
    return board.name, board.core, f"{board.clock_hz / 1e6:.0f} MHz", format_size(ram), format_size(flash), left
