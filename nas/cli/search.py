"""``nas search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nas.cli import candidates
from nas.cli.options import (
    DURATION,
    WEIGHT_BITS,
    boards_option,
    debug_option,
    json_option,
    limit_options,
    models_option,
    optimize_option,
    reading_options,
    verbosity_options,
)
from nas.metrics import METRICS
from nas.study.options import DEFAULTS, RANGES, TRIALS
from nas.study.strategy import PRUNERS, SAMPLERS, STARTS

if TYPE_CHECKING:
    from nas.progress import Verbosity


def _read_config(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Makes the file's options the defaults of the command line's; eager, so that this comes before any other option."""
    if value is not None:
        from nas.files import read_toml
        from nas.study.settings import located, read_options

        options = located(read_options(read_toml(value), f"--config {value}"), value.parent)
        ctx.default_map = {**(ctx.default_map or {}), **options}
    return value


@click.command(
    epilog="""\b
Examples:
  nas search --budget 256KB
  nas search --data recordings/ --budget 64KB
  nas search --budget 3KB --flash 16KB --latency 2ms
  nas search --objective accuracy,latency,flash
  nas search --board rpi-pico --board nucleo-l4r5zi
  nas search --config runs/digits-1/search.toml --seed 1
"""
)
@click.option(
    "--data",
    default=DEFAULTS["data"],
    metavar="PATH",
    shell_complete=candidates.files,
    help="Folder or file to learn ('nas data PATH' describes it). [default: scikit-learn's digits]",
)
@reading_options
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    help="What networks are judged by. [default: auroc for anomalies, balanced_accuracy of very unbalanced classes, else accuracy]",
)
@click.option(
    "--objective",
    metavar="LIST",
    help="What is wanted, like accuracy,latency: the metric and any of ram, flash, latency, macs. [default: the metric alone]",
)
@boards_option
@limit_options
@click.option(
    "--trials",
    type=click.IntRange(*RANGES["trials"]),
    help=f"Networks to train in the search. [default: {TRIALS}, or no limit with --time]",
)
@click.option("--time", type=DURATION, metavar="TIME", help="Begin no trial after this time, like 10m.")
@click.option(
    "--sampler",
    type=click.Choice(list(SAMPLERS)),
    default=DEFAULTS["sampler"],
    show_default=True,
    help="How networks are proposed: " + ", ".join(f"{name} ({what})" for name, what in SAMPLERS.items()) + ".",
)
@click.option(
    "--start",
    type=click.Choice(list(STARTS)),
    default=DEFAULTS["start"],
    show_default=True,
    help="The first trial: " + ", ".join(f"{name} ({what})" for name, what in STARTS.items()) + "; not of random search.",
)
@click.option(
    "--pruner",
    type=click.Choice(list(PRUNERS)),
    default=DEFAULTS["pruner"],
    show_default=True,
    help="Which trials are stopped early: " + ", ".join(f"{name} ({what})" for name, what in PRUNERS.items()) + ".",
)
@click.option(
    "--confidence",
    type=click.FloatRange(*RANGES["confidence"]),
    default=DEFAULTS["confidence"],
    show_default=True,
    help="A candidate fits if the upper end of the prediction's interval at this confidence does.",
)
@click.option("--workers", type=click.IntRange(*RANGES["workers"]), help="Trainings at a time. [default: all cores]")
@click.option("--ray-address", metavar="ADDRESS", help="Train on this Ray cluster (host:port, or auto) instead of this machine.")
@click.option(
    "--seed",
    type=click.IntRange(*RANGES["seed"]),
    default=DEFAULTS["seed"],
    show_default=True,
    help="Equal seeds give equal results.",
)
@optimize_option
@models_option
@click.option(
    "--finalists",
    type=click.IntRange(*RANGES["finalists"]),
    default=DEFAULTS["finalists"],
    show_default=True,
    help="Best trials to train fully, quantise, build and measure.",
)
@click.option(
    "--baselines/--no-baselines",
    default=DEFAULTS["baselines"],
    show_default=True,
    help="Run a random search of as many trials, the largest network that fits and a hand-designed one, for comparison.",
)
@click.option(
    "--distill/--no-distill",
    default=DEFAULTS["distill"],
    show_default=True,
    help="Train a larger network first, from which the finalists learn beside the labels; not for anomalies.",
)
@click.option(
    "--refit/--no-refit",
    default=DEFAULTS["refit"],
    show_default=True,
    help="Train finalists once more for what is built, on the validation data, too; not for anomalies.",
)
@click.option(
    "--folds",
    type=click.IntRange(*RANGES["folds"]),
    help="Train every network so many times, each time with another fold to validate on, and what is built on all of them; then no "
    "trial is stopped early. [default: 5 for data of which one part to validate on had fewer than 100 examples, else 1]",
)
@click.option(
    "--weight-bits",
    type=WEIGHT_BITS,
    metavar="8|4",
    default=DEFAULTS["weight_bits"],
    show_default=True,
    help="Bits that weights of wide layers take in flash: where it is short, networks of 4 have nearly twice as many weights, "
    "which are unpacked in RAM.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,
    callback=_read_config,
    metavar="FILE",
    help="Read options from a file like a run's search.toml; options given by hand go first.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="RUN", help="Run directory to make. [default: runs/<data>-<k>]")
@verbosity_options
@json_option
@debug_option
def command(config: Path | None, out: Path | None, verbosity: Verbosity, as_json: bool, **options: Any) -> int:
    """Find the most accurate network that fits, and leave it as a C project.

    Candidates that break a limit are rejected before they are trained. The best are trained fully, quantised to int8, compiled
    and measured; the winner is the most accurate whose built program keeps every limit. With an objective beside the metric,
    finalists are spread over the front, and the winner is the cheapest of those that are as accurate as the best up to a
    standard error. With several boards each has its winner, and a network that fits on some of them is trained once.
    """
    from nas.cli.running import drive
    from nas.files import read_toml
    from nas.study.options import settings_from_options
    from nas.study.running import begin

    settings = settings_from_options(options, {} if config is None else read_toml(config), f"--config {config}")
    return drive(begin(settings, out), verbosity=verbosity, as_json=as_json)
