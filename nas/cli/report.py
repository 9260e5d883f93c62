"""``nas report``."""

from __future__ import annotations

from pathlib import Path

import click

from nas.cli.options import debug_option, json_option, run_board_option


@click.command(
    epilog="""\b
Examples:
  nas report runs/digits-1
  nas report runs/digits-1 --out digits.html
"""
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="File to write. [default: RUN/report.html]"
)
@run_board_option
@json_option
@debug_option
def command(run: Path, out: Path | None, board: str | None, as_json: bool) -> None:
    """Write one HTML page about RUN: winner, front, history, what was promised and built, how to reproduce it.

    The page needs no network and no other file. Of a search that has not ended it shows what there is, of one for several
    boards all of them unless --board is given.
    """
    import json

    from nas.report import write_report
    from nas.run_directory import RunDirectory

    path = write_report(RunDirectory.open(run), out, board)
    click.echo(json.dumps({"file": str(path)}) if as_json else f"written to {path}")
