"""``nas boards``."""

from __future__ import annotations

import click

from nas.cli.options import debug_option, json_option


@click.command(epilog="Example: nas boards --json")
@json_option
@debug_option
def command(as_json: bool) -> None:
    """List the catalogue of boards."""
    import dataclasses
    import json

    from codegen.boards import board_names, load_board
    from nas.units import format_size

    boards = [load_board(name) for name in board_names()]
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(board) for board in boards], indent=2))
        return
    click.echo(f"{'board':<18} {'core':<14} {'clock':>8} {'RAM':>9} {'flash':>9}   left for the network")
    for board in boards:
        left = f"{format_size(board.available_ram)} RAM, {format_size(board.available_flash)} flash"
        click.echo(
            f"{board.name:<18} {board.core:<14} {board.clock_hz / 1e6:>4.0f} MHz {format_size(board.ram_bytes):>9} "
            f"{format_size(board.flash_bytes):>9}   {left}"
        )
