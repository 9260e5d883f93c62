"""``nas calibrate``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nas.cli.options import board_option, debug_option, optimize_option

if TYPE_CHECKING:
    from codegen.optimize import Optimize

NETWORKS = 100
"""Networks whose layers calibration takes operators from."""
HELD_OUT = 60
"""Whole networks that the fit does not see; the card and the intervals come from them."""


@click.command(
    epilog="""\b
Examples:
  nas calibrate --board nucleo-l4r5zi --out m4.json
  nas calibrate --board rpi-pico --samples 240 --optimize size --out pico.json
"""
)
@board_option
@click.option("--samples", type=click.IntRange(24), default=960, show_default=True, help="Operators to build and run.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of the operators drawn.")
@click.option("--workers", type=click.IntRange(1), help="Builds at a time. [default: all cores]")
@optimize_option
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Cost-model file to write. [default: CORE-OPTIMIZE.json]"
)
@debug_option
def command(board: str, samples: int, seed: int, workers: int | None, optimize: Optimize, out: Path | None) -> None:
    """Measure operators in the emulator and fit a cost model for the board's core.

    Operators are built with TVM and the C compiler as exported models are. A calibration that was stopped goes on where it was.
    """
    from codegen.boards import load_board
    from codegen.errors import UserError
    from cost_models import save
    from cost_models.calibration import calibrate
    from nas.calibration import sample_networks, unordered_map
    from nas.progress import make_progress
    from nas.ray_executor import RayExecutor

    where = load_board(board)
    path = Path(f"{where.core}-{optimize}.json") if out is None else out
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise UserError(f"--out {path}: cannot be written there; give another file")
    with RayExecutor(workers) as executor, make_progress() as progress:
        model = calibrate(
            where,
            optimize=optimize,
            samples=samples,
            seed=seed,
            networks=sample_networks(NETWORKS, seed),
            held_out=sample_networks(HELD_OUT, seed + 1_000_000),
            map=unordered_map(executor),
            progress=progress.counter("programs to build and run"),
        )
    save(model, path)
    click.echo(f"written to {path}\n\n{model.card.render()}")
