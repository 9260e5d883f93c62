"""``nas export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nas.cli.options import board_option, debug_option, json_option, limit_options, make_limits, optimize_option

if TYPE_CHECKING:
    from codegen.cores import Core
    from codegen.ir import Graph
    from codegen.optimize import Optimize
    from codegen.schedules import Schedules
    from nas.interchange import Format


@click.command(
    epilog="""\b
Examples:
  nas export runs/digits-1 --board nrf52840-dk --out digits-nrf
  nas export runs/digits-1:7 --board nucleo-l4r5zi --out trial-7 --optimize size
  nas export model.tflite --board rpi-pico --out model-c --budget 64KB
  nas export model.tflite --board nucleo-l4r5zi --out model-c --optimize speed --tune
  nas export runs/digits-1 --out digits.tflite
  nas export runs/digits-1:7 --out digits.onnx
"""
)
@click.argument("source")
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
    as_json: bool,
) -> int:
    """Write SOURCE as a C project, or as a file for other tools: a run (its winner), RUN:TRIAL, or an int8 .tflite file.

    The project is built and measured first. What breaks a limit is not written (exit status 1) unless forced; a trial that was no
    finalist is trained fully and quantised before. A .tflite or .onnx file is for no board: it takes neither limits nor --board.
    """
    import json

    from codegen.boards import load_board
    from codegen.cores import find_core
    from codegen.errors import UserError
    from codegen.measurement import render
    from cost_models import load_cost_model
    from nas.build import build_project
    from nas.files import check_new_directory
    from nas.interchange import interchange_format
    from nas.search.feasibility import describe
    from nas.search.front_end_charge import promise
    from nas.sources import find_source, trained

    interchange = interchange_format(form, out)
    if interchange is not None:
        return _interchange(context, source, interchange, out, as_json)
    where = load_board(board)
    limits = make_limits(where, budget=budget, flash=flash, latency=latency, macs=macs)
    found = find_source(source)
    check_new_directory(out, "--out")
    network = trained(found)
    choose = _tuned(network.graph, find_core(where.core), optimize) if tune else None
    try:
        cost_model = load_cost_model(where.core, optimize=optimize)
        alone = cost_model.predict(network.graph, where, choose=choose, ram_limit=limits.ram)
        prediction = promise(alone, network.front_end, where, optimize, limits)
    except UserError as error:  # exporting does not depend on a cost model; not every core has one
        click.echo(f"nas: no prediction: {error}", err=True)
        prediction = None
    build = build_project(
        network.graph,
        where,
        name=found.name,
        optimize=optimize,
        report={"limits": limits.to_json(), "predicted": prediction, **network.about},
        directory=out,
        inputs=network.inputs,
        limits=limits,
        force=force,
        choose=choose,
        front_end=network.front_end,
        stream=network.stream,
    )
    if as_json:
        click.echo(json.dumps(build.verification.to_json(), indent=2))
    else:
        click.echo(f"{render(build.verification)}\n\n{build.memory_map}")
    for excess in build.broken:
        needs = describe(excess.limit, excess.value)
        click.echo(f"nas: needs {needs}, {describe(excess.limit, excess.value - excess.bound)} above the limit", err=True)
    if not build.written:
        click.echo(f"nas: {out} is not written" + ("; --force writes it all the same" if build.broken else ""), err=True)
        return 1
    click.echo(f"\nwritten to {out}" if not as_json else "", nl=not as_json)
    return 0


def _interchange(context: click.Context, source: str, form: Format, out: Path, as_json: bool) -> int:
    """Write a file that is of no board."""
    import json

    from click.core import ParameterSource

    from codegen.errors import UserError
    from nas.files import check_new_file
    from nas.interchange import exporter, interchange_text, write_interchange
    from nas.sources import find_source, trained

    for name in ("board", "budget", "flash", "latency", "macs", "optimize", "tune", "force"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UserError(f"--{name} is for a C project; a .{form} file is of no board: leave it out, or give --format c")
    found = find_source(source)
    check_new_file(out, "--out")
    exporter(form)  # before a trial is trained for it
    about = write_interchange(trained(found), form, out)
    click.echo(json.dumps(about, indent=2) if as_json else interchange_text(about))
    return 0


def _tuned(graph: Graph, core: Core, optimize: Optimize) -> Schedules:
    """The schedules that measurements find best, shown while they run; Ray starts only if a layer was never measured before."""
    import sys
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from nas.calibration import unordered_map
    from nas.progress import PlainProgress
    from nas.ray_executor import RayExecutor
    from nas.tuning import tune

    def on_ray(function: Callable[..., Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        with RayExecutor() as executor:
            yield from unordered_map(executor)(function, items)

    # Standard output is the measurement's alone: with --json it is parsed.
    with PlainProgress(sys.stderr) as progress:
        return tune(graph, core, optimize, on_ray, progress.counter("layers to tune"))
