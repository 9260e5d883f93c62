"""Drives a search in a run directory, for ``nas search`` and ``nas resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nas.study.running import Search


def drive(search: Search) -> int:
    """Search to the end and print the summary; returns the exit status.

    Ctrl-C stops at once: every result so far is in the run directory, and the last line says how to go on.
    """
    from nas.cli.explain import explain_trial
    from nas.progress import make_progress
    from nas.study.driver import NothingFitsError
    from nas.study.explanation_text import explanation_text
    from nas.summary import opening, summary

    run = search.run

    def opened(cut: int) -> None:
        click.echo(opening(run, search.settings, search.preparation))
        if (warning := search.preparation.feasibility.cost_model.warning) is not None:
            click.echo(f"nas: {warning}", err=True)
        if cut:
            click.echo(f"the last line of {run.journal} was torn ({cut} bytes); it is cut off")

    try:
        report = search.carry_out(make_progress, opened)
    except KeyboardInterrupt:
        click.echo(f"\nstopped; 'nas resume {run.path}' goes on", err=True)
        return 130
    except NothingFitsError as error:
        name, explanation = explain_trial(run, None)
        click.echo("\n" + explanation_text(explanation, name))
        click.echo(f"nas: {error}", err=True)
        return 1
    click.echo("\n" + summary(run, report))
    return 0
