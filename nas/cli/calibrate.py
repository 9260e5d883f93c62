"""``nas calibrate``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nas.cli.options import board_option, debug_option, optimize_option

if TYPE_CHECKING:
    from codegen.ir import Graph
    from codegen.optimize import Optimize


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
) -> None:
    """Measure operators in the emulator and fit a cost model for the board's core.

    Operators are built with TVM and the C compiler as exported models are. A calibration that was stopped goes on where it was.
    With --serial a real board counts the cycles; docs/calibration.md says how to prepare it.
    """
    from codegen.boards import load_board
    from codegen.errors import UserError
    from codegen.harness import Device, write_firmware
    from cost_models import save
    from cost_models.calibration import calibrate, program_bytes
    from nas.calibration import DEPTHWISE_KERNELS, HELD_OUT, HELD_OUT_SPACES, NETWORKS, sample_networks, unordered_map
    from nas.progress import make_progress
    from nas.ray_executor import RayExecutor

    where = load_board(board)
    if uart is not None and firmware is None:
        raise UserError("--uart: is for --firmware; give --firmware DIR as well")
    if firmware is not None:
        if serial is not None:
            raise UserError("--firmware: writes the harness only; flash it, then run again with --serial")
        program, image = write_firmware(where, firmware, uart=uart)
        address = f"{where.flash.address:#010x}"
        click.echo(
            f"written to {firmware}: flash {program.name}, or {image.name} at {address}; then run this again with --serial PORT"
        )
        return
    path = Path(f"{where.core}-{optimize}.json") if out is None else out
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise UserError(f"--out {path}: cannot be written there; give another file")
    settings: dict[str, Any] = {"optimize": optimize, "samples": samples, "seed": seed, "depthwise_kernels": DEPTHWISE_KERNELS}
    with make_progress() as progress:
        if serial is None:
            with RayExecutor(workers) as executor:
                model = calibrate(
                    where,
                    networks=sample_networks(NETWORKS, seed),
                    held_out=sample_networks(HELD_OUT, seed, HELD_OUT_SPACES),
                    map=unordered_map(executor),
                    progress=progress.counter("programs to build and run"),
                    **settings,
                )
        else:
            with Device.open(serial, where, baud=baud) as device:

                def fits(graph: Graph) -> bool:
                    return program_bytes(graph, where.core, optimize) <= device.hello.ram_bytes

                model = calibrate(
                    where,
                    networks=sample_networks(NETWORKS, seed, fits=fits),
                    held_out=sample_networks(HELD_OUT, seed, HELD_OUT_SPACES, fits=fits),
                    progress=progress.counter("programs to build and run on the board"),
                    device=device,
                    **settings,
                )
    save(model, path)
    click.echo(f"written to {path}\n\n{model.card.render()}")
