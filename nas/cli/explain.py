"""``nas explain``."""

from __future__ import annotations

import click

from nas.cli import candidates
from nas.cli.options import debug_option, json_option, limit_options, run_board_option


@click.command(
    epilog="""\b
Examples:
  nas explain runs/digits-1
  nas explain runs/digits-1:7 --budget 2KB
"""
)
@click.argument("source", metavar="RUN[:TRIAL]", shell_complete=candidates.files)
@run_board_option
@limit_options
@json_option
@debug_option
def command(
    source: str, board: str | None, budget: int | None, flash: int | None, latency: float | None, macs: int | None, as_json: bool
) -> int:
    """Say why a trial fits or does not: each limit, the layers to blame, and the nearest changes that would fit.

    Without a number it is the winner, or the best trial so far; of a run for several boards that of each, unless --board is given.
    Limits are the run's; those given by hand go first, which answers what would have to change for a smaller board. The exit status
    is 1 where a limit is broken.
    """
    import json

    from codegen.errors import UserError
    from nas.limits import given_limits
    from nas.programs.sources import find_source
    from nas.study.board_report import pick_board
    from nas.study.explanation_text import explanation_text
    from nas.study.settings import read_run_settings
    from nas.study.stopping import early_stops
    from nas.study.study_source import rejections
    from nas.study.trial_explanation import explain_trial
    from nas.study.trials import read_study
    from nas.summary import saved_text

    found = find_source(source)
    if found.run is None:
        raise UserError(f"{source}: not a run; 'nas predict {source}' says what a model file needs")
    given = given_limits(budget=budget, flash=flash, latency=latency, macs=macs)
    settings = read_run_settings(found.run)
    one = board is not None or len(settings.boards) == 1
    explained = explain_trial(found.run, found.number, given, pick_board(found.run, settings, board) if one else None)
    study = read_study(found.run)
    counts, stops = rejections(study), early_stops(study.get_trials(deepcopy=False), settings.screening.epochs)
    rejected = counts.pop("candidates", 0)
    if as_json:
        by = {"candidates": rejected, "by_limit": dict(sorted(counts.items()))}
        objects = [{"trial": name, **explanation.to_json()} for name, explanation in explained]
        content = objects[0] if one else {"boards": {about["board"]: about for about in objects}}
        click.echo(json.dumps({**content, "rejected": by, "early_stops": stops.to_json()}, indent=2))
    else:
        click.echo("\n\n".join(explanation_text(explanation, name) for name, explanation in explained))
        by_limit = ", ".join(f"{limit} {count:,}" for limit, count in counts.most_common())
        click.echo(f"\nthe search rejected {rejected:,} candidates before training{f': {by_limit}' if by_limit else ''}")
        if stops.stopped:
            saved = saved_text(stops.to_json())
            click.echo(f"it stopped {stops.stopped} of {stops.trials} trials early, which {saved}")
    return 0 if all(explanation.fits for _, explanation in explained) else 1
