"""Drives a search in a run directory, for ``nas search`` and ``nas resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nas.run_directory import RunDirectory
    from nas.study.preparation import Preparation
    from nas.study.settings import SearchSettings


def drive(run: RunDirectory, settings: SearchSettings, preparation: Preparation) -> int:
    """Search to the end and print the summary; returns the exit status.

    Ctrl-C stops at once: every result so far is in the run directory, and the last line says how to go on.
    """
    from nas.cli.explain import explain_trial
    from nas.progress import make_progress
    from nas.ray_executor import RayExecutor
    from nas.study.driver import NothingFitsError, run_search
    from nas.study.explanation_text import explanation_text
    from nas.summary import opening, summary

    try:
        with run.locked():
            cut = run.repair()
            click.echo(opening(run, settings, preparation))
            if (warning := preparation.feasibility.cost_model.warning) is not None:
                click.echo(f"nas: {warning}", err=True)
            if cut:
                click.echo(f"the last line of {run.journal} was torn ({cut} bytes); it is cut off")
            with RayExecutor(settings.workers, settings.ray_address) as executor, make_progress() as progress:
                report = run_search(run, settings, preparation, executor, progress)
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
