"""``nas search``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nas.cli.options import (
    DURATION,
    board_option,
    debug_option,
    limit_options,
    make_limits,
    model_option,
    optimize_option,
    reading_options,
)
from nas.metrics import METRICS
from nas.study.strategy import SAMPLERS

if TYPE_CHECKING:
    from nas.study.settings import SearchSettings

DATA = "digits"
"""What is learnt: scikit-learn's digits."""
TRIALS = 16
UNLIMITED = 1_000_000
"""Trials where only the time is limited."""


def _read_config(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    """Makes the file's options the defaults of the command line's; eager, so that this comes before any other option."""
    if value is not None:
        from nas.files import read_toml
        from nas.study.settings import read_options

        options = dict(read_options(read_toml(value), f"--config {value}"))
        if "board" in options:
            options["board"] = [options["board"]]
        ctx.default_map = {**(ctx.default_map or {}), **options}
    return value


@click.command(
    epilog="""\b
Examples:
  nas search --budget 256KB
  nas search --data recordings/ --budget 64KB
  nas search --budget 3KB --flash 16KB --latency 2ms
  nas search --config runs/digits-1/search.toml --seed 1
"""
)
@click.option(
    "--data",
    default=DATA,
    metavar="PATH",
    help="Folder or file to learn ('nas data PATH' describes it). [default: scikit-learn's digits]",
)
@reading_options
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    help="What networks are judged by. [default: auroc for anomalies, balanced_accuracy of very unbalanced classes, else accuracy]",
)
@board_option
@limit_options
@click.option(
    "--trials", type=click.IntRange(1), help=f"Networks to train in the search. [default: {TRIALS}, or no limit with --time]"
)
@click.option("--time", type=DURATION, metavar="TIME", help="Begin no trial after this time, like 10m.")
@click.option(
    "--sampler",
    type=click.Choice(list(SAMPLERS)),
    default="evolution",
    show_default=True,
    help="How networks are proposed: " + ", ".join(f"{name} ({what})" for name, what in SAMPLERS.items()) + ".",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 0.999),
    default=0.95,
    show_default=True,
    help="A candidate fits if the upper end of the prediction's interval at this confidence does.",
)
@click.option("--workers", type=click.IntRange(1), help="Trainings at a time. [default: all cores]")
@click.option("--ray-address", metavar="ADDRESS", help="Train on this Ray cluster (host:port, or auto) instead of this machine.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Equal seeds give equal results.")
@optimize_option
@model_option
@click.option(
    "--finalists",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Best trials to train fully, quantise, build and measure.",
)
@click.option(
    "--baselines/--no-baselines",
    default=True,
    show_default=True,
    help="Run a random search of as many trials and the largest network that fits, for comparison.",
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
@debug_option
def command(config: Path | None, out: Path | None, **options: Any) -> int:
    """Find the most accurate network that fits, and leave it as a C project.

    Candidates that break a limit are rejected before they are trained. The best are trained fully, quantised to int8, compiled and
    measured; the winner is the most accurate whose built program keeps every limit.
    """
    from nas.cli.running import drive
    from nas.datasets import name_of
    from nas.files import check_new_directory
    from nas.run_directory import RunDirectory
    from nas.study.preparation import prepare

    settings = _settings(config, options)
    path = RunDirectory.next_free(Path("runs"), name_of(settings.data)) if out is None else out
    check_new_directory(path, "--out")
    preparation = prepare(settings)
    settings = settings.of_data(preparation.train_set)
    run = RunDirectory.create(path, settings.to_toml(), None if settings.model is None else Path(settings.model))
    return drive(run, settings, preparation)


def _all_cores(address: str | None) -> int:
    if address is None:
        return os.cpu_count() or 1
    from nas.ray_executor import cluster_cores

    return cluster_cores(address)


def _settings(config: Path | None, options: dict[str, Any]) -> SearchSettings:
    from codegen.boards import load_board
    from nas.datasets import Reading, check_data, is_path
    from nas.files import read_toml
    from nas.study.settings import READING, SearchSettings, read_recipe

    document = {} if config is None else read_toml(config)
    check_data(options["data"])
    board = load_board(options["board"])
    # A board file is found again from any directory.
    board_name = os.path.abspath(options["board"]) if options["board"].endswith(".toml") else options["board"]
    limits = make_limits(board, budget=options["budget"], flash=options["flash"], latency=options["latency"], macs=options["macs"])
    from nas.study.recipes import FINISHING, QUANTIZATION, SCREENING

    where = f"--config {config}"
    return SearchSettings(
        data=os.path.abspath(options["data"]) if is_path(options["data"]) else options["data"],
        reading=Reading(**{key: options[key] for key in READING}),
        split="",
        metric=options["metric"],
        board=board_name,
        limits=limits,
        trials=options["trials"] or (TRIALS if options["time"] is None else UNLIMITED),
        time=options["time"],
        sampler=options["sampler"],
        confidence=options["confidence"],
        workers=options["workers"] or _all_cores(options["ray_address"]),
        ray_address=options["ray_address"],
        seed=options["seed"],
        optimize=options["optimize"],
        model=None if options["model"] is None else os.path.abspath(options["model"]),
        finalists=options["finalists"],
        baselines=options["baselines"],
        screening=read_recipe(document, "screening", SCREENING, where),
        finishing=read_recipe(document, "finishing", FINISHING, where),
        quantization=read_recipe(document, "quantization", QUANTIZATION, where),
    )
