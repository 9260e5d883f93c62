"""``nas explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nas.cli import candidates
from nas.cli.options import debug_option, json_option, limit_options

if TYPE_CHECKING:
    from cost_models.limits import Limits
    from nas.run_directory import RunDirectory
    from nas.study.explanation import Explanation


@click.command(
    epilog="""\b
Examples:
  nas explain runs/digits-1
  nas explain runs/digits-1:7 --budget 2KB
"""
)
@click.argument("source", metavar="RUN[:TRIAL]", shell_complete=candidates.files)
@limit_options
@json_option
@debug_option
def command(source: str, budget: int | None, flash: int | None, latency: float | None, macs: int | None, as_json: bool) -> int:
    """Say why a trial fits or does not: each limit, the layers to blame, and the nearest changes that would fit.

    Without a number it is the winner, or the best trial so far. Limits are the run's; those given by hand go first, which answers
    what would have to change for a smaller board. The exit status is 1 where a limit is broken.
    """
    import json

    from codegen.errors import UserError
    from nas.limits import given_limits
    from nas.sources import find_source, read_study
    from nas.study.explanation_text import explanation_text
    from nas.study.study_source import rejections

    found = find_source(source)
    if found.run is None:
        raise UserError(f"{source}: not a run; 'nas predict {source}' says what a model file needs")
    given = given_limits(budget=budget, flash=flash, latency=latency, macs=macs)
    name, explanation = explain_trial(found.run, found.number, given)
    counts = rejections(read_study(found.run))
    candidates = counts.pop("candidates", 0)
    if as_json:
        rejected = {"candidates": candidates, "by_limit": dict(sorted(counts.items()))}
        click.echo(json.dumps({"trial": name, **explanation.to_json(), "rejected": rejected}, indent=2))
    else:
        click.echo(explanation_text(explanation, name))
        by_limit = ", ".join(f"{limit} {count:,}" for limit, count in counts.most_common())
        click.echo(f"\nthe search rejected {candidates:,} candidates before training{f': {by_limit}' if by_limit else ''}")
    return 0 if explanation.fits else 1


def explain_trial(run: RunDirectory, number: int | None, given: Limits | None = None) -> tuple[str, Explanation]:
    """What there is to say of a trial of ``run`` (None: the winner, or the best trial so far), and what it is called.

    :raises UserError: if there is no such trial, or the run or its data cannot be read.
    """
    import dataclasses

    from cost_models.limits import Limits
    from nas.datasets import load_train
    from nas.sources import best_trial, read_trial
    from nas.study.explanation import explain
    from nas.study.finalists import read_finalist
    from nas.study.preparation import feasibility_for
    from nas.study.settings import read_run_settings

    settings = read_run_settings(run)
    if given is not None:
        pairs = zip(dataclasses.astuple(given), dataclasses.astuple(settings.limits), strict=True)
        settings = dataclasses.replace(settings, limits=Limits(*(own if new is None else new for new, own in pairs)))
    trial = best_trial(run) if number is None else read_trial(run, number)
    data = load_train(settings.data, settings.reading)
    fits = feasibility_for(settings, data, run.model if run.model.is_file() else None)
    architecture = fits.space.from_params(trial.params)
    finalist = read_finalist(run, architecture.id)
    return f"trial {trial.number}", explain(fits, architecture, None if finalist is None else finalist.built)
