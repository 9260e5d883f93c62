"""Drives a search in a run directory, for ``nas search`` and ``nas resume``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nas.progress import Progress, Verbosity
    from nas.run_directory import RunDirectory
    from nas.study.running import Search


def drive(search: Search, *, verbosity: Verbosity = "normal", as_json: bool = False) -> int:
    """Search to the end and print the summary, or the report as JSON; returns the exit status.

    Ctrl-C stops at once: every result so far is in the run directory, and the last line says how to go on.
    """
    run = search.run

    def opened(cut: int) -> None:
        from nas.summary import opening

        if verbosity != "quiet":
            click.echo(opening(run, search.settings, search.preparation), err=as_json)
        for warning in search.warnings():
            click.echo(f"nas: {warning}", err=True)
        if cut:
            click.echo(search.torn(cut), err=as_json)

    def progress() -> Progress:
        from nas.progress import make_progress

        return make_progress(verbosity, sys.stderr if as_json else sys.stdout)

    try:  # the first thing that takes seconds is an import
        from nas.study.driver import NothingFitsError
        from nas.study.explanation_text import explanation_text
        from nas.study.trial_explanation import explain_trial

        report = search.carry_out(progress, opened)
    except KeyboardInterrupt:
        click.echo(f"\nstopped; 'nas resume {run.path}' goes on", err=True)
        return 130
    except NothingFitsError as error:
        explained = explain_trial(run, None)
        if as_json:
            about = [{"trial": name, **explanation.to_json()} for name, explanation in explained]
            click.echo(json.dumps({"run": str(run.path), "winner": None, "why": str(error), "explanations": about}, indent=2))
        else:
            click.echo("".join(f"\n{explanation_text(explanation, name)}\n" for name, explanation in explained), nl=False)
        click.echo(f"nas: {error}", err=True)
        return 1
    if not as_json and verbosity != "quiet":
        click.echo()
    return tell(run, report, as_json)


def tell(run: RunDirectory, report: Mapping[str, Any], as_json: bool) -> int:
    """Print what came of a search that has ended; returns the exit status, 1 where a board has no winner."""
    from nas.summary import summary

    click.echo(json.dumps({"run": str(run.path), **report}, indent=2) if as_json else summary(run, report))
    for board, reason in report.get("without_winner", {}).items():
        click.echo(f"nas: {board}: {reason}", err=True)
    return 1 if report.get("without_winner") else 0
