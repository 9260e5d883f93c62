"""``nas resume``."""

from __future__ import annotations

from pathlib import Path

import click

from nas.cli.options import debug_option


@click.command(epilog="Example: nas resume runs/digits-1")
@click.argument("run", type=click.Path(path_type=Path))
@debug_option
def command(run: Path) -> int:
    """Go on with a search that was stopped, crashed or was killed.

    Only the trainings that were under way begin again; with the same seed and number of trials the result is that of an undisturbed
    run.
    """
    from nas.cli.running import drive
    from nas.run_directory import RunDirectory
    from nas.study.running import reopen
    from nas.study.settings import read_run_settings
    from nas.summary import summary

    directory = RunDirectory.open(run)
    if directory.report.is_file():
        read_run_settings(directory)
        click.echo("this search has ended\n")
        click.echo(summary(directory, directory.read_report()))
        return 0
    return drive(reopen(directory))
