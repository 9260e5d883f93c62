"""``nas export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nas.cli.options import (
    board_option,
    debug_option,
    json_option,
    limit_options,
    optimize_option,
    source_argument,
    verbosity_options,
)

if TYPE_CHECKING:
    from codegen.optimize import Optimize
    from nas.programs.exports import Exported
    from nas.programs.interchange import Format
    from nas.progress import Verbosity


@click.command(
    epilog="""\b
Examples:
  nas export runs/digits-1 --board nrf52840-dk --out digits-nrf
  nas export runs/digits-1:7 --board nucleo-l4r5zi --out trial-7 --optimize size
  nas export model.tflite --board rpi-pico --out model-c --budget 64KB
  nas export model.tflite --board nucleo-l4r5zi --out model-c --optimize speed --tune
  nas export runs/digits-1 --front --out front-c
  nas export runs/digits-1 --out digits.tflite
  nas export runs/digits-1:7 --out digits.onnx
"""
)
@source_argument
@board_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PATH",
    help="Directory of the C project (new or empty), or new file.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["c", "tflite", "onnx"]),
    help="C project, or the network alone for other tools: int8 .tflite, ONNX in QDQ form. [default: as --out ends, else c]",
)
@limit_options
@optimize_option
@click.option("--tune", is_flag=True, help="Measure the schedules of every layer in the emulator; take the best.")
@click.option("--force", is_flag=True, help="Write the project although it breaks a limit.")
@click.option(
    "--front", is_flag=True, help="Write every finalist of the run that none of the others beats, each into a folder of --out."
)
@verbosity_options
@json_option
@debug_option
@click.pass_context
def command(
    context: click.Context,
    source: str,
    board: str,
    out: Path,
    form: str | None,
    budget: int | None,
    flash: int | None,
    latency: float | None,
    macs: int | None,
    optimize: Optimize,
    tune: bool,
    force: bool,
    front: bool,
    verbosity: Verbosity,
    as_json: bool,
) -> int:
    """Write SOURCE as a C project, or as a file for other tools: a run (its winner), RUN:TRIAL, or an int8 .tflite file.

    The project is built and measured first. What breaks a limit is not written (exit status 1) unless forced; a trial that was no
    finalist is trained fully and quantised before. A .tflite or .onnx file is for no board: it takes neither limits nor --board.
    """
    import json
    import sys
    from contextlib import nullcontext

    from codegen.boards import load_board
    from codegen.new_directory import check_new_directory
    from nas.limits import make_limits
    from nas.programs.exports import export_network, front_sources
    from nas.programs.interchange import interchange_format
    from nas.programs.sources import find_source, trained
    from nas.progress import make_progress

    interchange = interchange_format(form, out)
    if interchange is not None:
        return _interchange(context, source, interchange, out, as_json)
    where = load_board(board)
    limits = make_limits(where, budget=budget, flash=flash, latency=latency, macs=macs)
    found = find_source(source)
    check_new_directory(out, "--out")
    places = [(found, out)]
    if front:
        places = [(network, out / f"trial-{network.number}") for network in front_sources(found, board)]
    verified, written = [], True
    # Standard output is the measurement's alone: with --json it is parsed.
    with make_progress(verbosity, sys.stderr) if tune else nullcontext() as tuning:
        for network, directory in places:
            exported = export_network(
                trained(network, board),
                where,
                limits,
                name=found.name,
                optimize=optimize,
                directory=directory,
                tuning=tuning,
                force=force,
            )
            verified.append(exported.build.verification.to_json())
            _told(exported, directory, quiet=as_json)
            written = written and exported.build.written
    if as_json:
        click.echo(json.dumps(verified if front else verified[0], indent=2))
    return 0 if written else 1


def _told(exported: Exported, directory: Path, *, quiet: bool) -> None:
    """Say what became of a network; what is wrong with it even where ``quiet``."""
    from codegen.measurement import render
    from nas.programs.exports import violation_text

    build = exported.build
    if exported.no_prediction is not None:
        click.echo(f"nas: no prediction: {exported.no_prediction}", err=True)
    if not quiet:
        click.echo(f"{render(build.verification)}\n\n{build.memory_map}")
    for broken in build.broken:
        click.echo(f"nas: {violation_text(broken)}", err=True)
    if not build.written:
        remedy = "; --force writes it all the same" if build.broken else ""
        click.echo(f"nas: {directory} is not written{remedy}", err=True)
    elif not quiet:
        click.echo(f"\nwritten to {directory}")


def _interchange(context: click.Context, source: str, form: Format, out: Path, as_json: bool) -> int:
    """Write a file that is of no board."""
    import json

    from click.core import ParameterSource

    from codegen.errors import UserError
    from nas.files import check_new_file
    from nas.programs.interchange import exporter, interchange_text, write_interchange
    from nas.programs.sources import find_source, trained
    from nas.study.settings import read_run_settings

    given = {option for option in context.params if context.get_parameter_source(option) is ParameterSource.COMMANDLINE}
    found = find_source(source)
    board: str | None = None
    if found.run is not None and found.number is None and len(read_run_settings(found.run).boards) > 1 and "board" in given:
        board = context.params["board"]  # which winner is meant
        given.remove("board")
    for name in ("board", "budget", "flash", "latency", "macs", "optimize", "tune", "force", "front"):
        if name in given:
            raise UserError(f"--{name} is for a C project; a .{form} file is of no board: leave it out, or give --format c")
    check_new_file(out, "--out")
    exporter(form)  # before a trial is trained for it
    about = write_interchange(trained(found, board), form, out)
    click.echo(json.dumps(about, indent=2) if as_json else interchange_text(about))
    return 0
