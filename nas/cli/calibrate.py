"""``nas calibrate``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nas.cli.options import board_option, debug_option, json_option, optimize_option, verbosity_options

if TYPE_CHECKING:
    from codegen.boards import Board
    from codegen.ir import Graph
    from codegen.optimize import Optimize
    from cost_models import CostModel
    from nas.progress import Progress, Verbosity


@click.command(
    epilog="""\b
Examples:
  nas calibrate --board nucleo-l4r5zi --out m4.json
  nas calibrate --board rpi-pico --samples 240 --optimize size --out pico.json
  nas calibrate --board nucleo-l4r5zi --firmware harness        write the program to flash, then
  nas calibrate --board nucleo-l4r5zi --serial /dev/ttyACM0 --out l4r5.json
"""
)
@board_option
@click.option("--samples", type=click.IntRange(24), default=1500, show_default=True, help="Operators to build and run.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of the operators drawn.")
@click.option("--workers", type=click.IntRange(1), help="Builds at a time. [default: all cores]")
@optimize_option
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Cost-model file to write. [default: CORE-OPTIMIZE.json]"
)
@click.option("--serial", metavar="PORT", help="Count cycles on the board at this serial port, which runs the harness.")
@click.option("--baud", type=click.IntRange(1200), default=115200, show_default=True, help="Of the serial port.")
@click.option(
    "--firmware",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write and build the harness for the board, and do nothing else.",
)
@click.option(
    "--uart", type=click.Path(path_type=Path), metavar="FILE", help="C file that drives the board's serial line, for --firmware."
)
@verbosity_options
@json_option
@debug_option
def command(
    board: str,
    samples: int,
    seed: int,
    workers: int | None,
    optimize: Optimize,
    out: Path | None,
    serial: str | None,
    baud: int,
    firmware: Path | None,
    uart: Path | None,
    verbosity: Verbosity,
    as_json: bool,
) -> int:
    """Measure operators in the emulator and fit a cost model for the board's core.

    Operators are built with TVM and the C compiler as exported models are. A calibration that was stopped goes on where it was.
    With --serial a real board counts the cycles; docs/calibration.md says how to prepare it.
    """
    import json
    import sys

    from codegen.boards import load_board
    from codegen.errors import UserError
    from cost_models import save
    from nas.calibration import DEPTHWISE_KERNELS
    from nas.progress import make_progress

    where = load_board(board)
    if uart is not None and firmware is None:
        raise UserError("--uart: is for --firmware; give --firmware DIR as well")
    if firmware is not None:
        if serial is not None:
            raise UserError("--firmware: writes the harness only; flash it, then run again with --serial")
        _write_harness(where, firmware, uart, as_json)
        return 0
    path = Path(f"{where.core}-{optimize}.json") if out is None else out
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise UserError(f"--out {path}: cannot be written there; give another file")
    settings: dict[str, Any] = {"optimize": optimize, "samples": samples, "seed": seed, "depthwise_kernels": DEPTHWISE_KERNELS}
    try:
        with make_progress(verbosity, sys.stderr if as_json else sys.stdout) as progress:
            if serial is None:
                model = _in_the_emulator(where, workers, progress, settings)
            else:
                model = _on_the_board(where, serial, baud, progress, settings)
    except KeyboardInterrupt:
        click.echo("\nstopped; the same command goes on where it was", err=True)
        return 130
    save(model, path)
    if as_json:
        click.echo(json.dumps({"file": str(path), "card": model.card.to_json()}, indent=2))
    else:
        click.echo(f"written to {path}\n\n{model.card.render()}")
    return 0


def _write_harness(board: Board, directory: Path, uart: Path | None, as_json: bool) -> None:
    import json

    from codegen.harness import write_firmware

    program, image = write_firmware(board, directory, uart=uart)
    address = f"{board.flash.address:#010x}"
    if as_json:
        click.echo(json.dumps({"program": str(program), "image": str(image), "address": address}, indent=2))
        return
    click.echo(
        f"written to {directory}: flash {program.name}, or {image.name} at {address}; then run this again with --serial PORT"
    )


def _in_the_emulator(board: Board, workers: int | None, progress: Progress, settings: dict[str, Any]) -> CostModel:
    from cost_models.calibration import calibrate
    from nas.calibration import HELD_OUT, HELD_OUT_SPACES, NETWORKS, sample_networks
    from nas.executor import unordered_map
    from nas.ray_executor import RayExecutor

    with RayExecutor(workers) as executor:
        return calibrate(
            board,
            networks=sample_networks(NETWORKS, settings["seed"]),
            held_out=sample_networks(HELD_OUT, settings["seed"], HELD_OUT_SPACES),
            map=unordered_map(executor),
            progress=progress.counter("programs to build and run"),
            **settings,
        )


def _on_the_board(board: Board, serial: str, baud: int, progress: Progress, settings: dict[str, Any]) -> CostModel:
    from codegen.harness import Device
    from cost_models.calibration import calibrate, program_bytes
    from nas.calibration import HELD_OUT, HELD_OUT_SPACES, NETWORKS, sample_networks

    with Device.open(serial, board, baud=baud) as device:

        def fits(graph: Graph) -> bool:
            return program_bytes(graph, board.core, settings["optimize"]) <= device.hello.ram_bytes

        return calibrate(
            board,
            networks=sample_networks(NETWORKS, settings["seed"], fits=fits),
            held_out=sample_networks(HELD_OUT, settings["seed"], HELD_OUT_SPACES, fits=fits),
            progress=progress.counter("programs to build and run on the board"),
            device=device,
            **settings,
        )
