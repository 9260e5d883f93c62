"""``nas predict``."""

from __future__ import annotations

from pathlib import Path

import click

from nas.cli.options import board_option, debug_option, json_option, limit_options, model_option, optimize_option, source_argument
from nas.study.options import DEFAULTS, RANGES


@click.command(
    epilog="""\b
Examples:
  nas predict runs/digits-1:7 --board nucleo-l4r5zi
  nas predict model.tflite --board nrf52840-dk --budget 64KB --json
"""
)
@source_argument
@board_option
@limit_options
@optimize_option
@model_option
@click.option(
    "--confidence",
    type=click.FloatRange(*RANGES["confidence"]),
    default=DEFAULTS["confidence"],
    show_default=True,
    help="Of the intervals.",
)
@click.option("--card", is_flag=True, help="Also show how good the cost model is.")
@json_option
@debug_option
def command(
    source: str,
    board: str,
    budget: int | None,
    flash: int | None,
    latency: float | None,
    macs: int | None,
    optimize: str,
    model: Path | None,
    confidence: float,
    card: bool,
    as_json: bool,
) -> int:
    """Predict RAM, flash, cycles and latency of SOURCE: a run (its winner), RUN:TRIAL, or an int8 .tflite file.

    Nothing is built. The exit status is 1 where a limit that is given is broken.
    """
    import json

    from codegen.boards import load_board
    from cost_models import find_cost_model, violations
    from nas.limits import given_limits
    from nas.programs.sources import find_source, shapes
    from nas.study.front_end_charge import promise, with_front_end
    from nas.summary import prediction_text

    where = load_board(board)
    limits = given_limits(budget=budget, flash=flash, latency=latency, macs=macs)
    found = find_source(source)
    cost_model = find_cost_model(where, optimize, model)
    if cost_model.warning is not None:
        click.echo(f"nas: {cost_model.warning}", err=True)
    network = shapes(found, board)
    alone = cost_model.predict(network.graph, where, confidence=confidence, ram_limit=limits.ram)
    prediction = with_front_end(alone, network.front_end, where, cost_model.optimize)
    content = promise(alone, network.front_end, where, cost_model.optimize, limits)
    if as_json:
        click.echo(json.dumps(content | ({"card": cost_model.card.to_json()} if card else {}), indent=2))
    else:
        click.echo(prediction_text(content, limits.to_json()))
        if card:
            click.echo("\n" + cost_model.card.render())
    return 1 if violations(prediction, limits) else 0
