"""``nas resume``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nas.cli.options import debug_option, json_option, verbosity_options

if TYPE_CHECKING:
    from nas.progress import Verbosity


@click.command(epilog="Example: nas resume runs/digits-1")
@click.argument("run", type=click.Path(path_type=Path))
@verbosity_options
@json_option
@debug_option
def command(run: Path, verbosity: Verbosity, as_json: bool) -> int:
    """Go on with a search that was stopped, crashed or was killed.

    Only the trainings that were under way begin again; with the same seed and number of trials the result is that of an undisturbed
    run.
    """
    from nas.cli.running import drive, tell
    from nas.run_directory import RunDirectory
    from nas.study.running import reopen
    from nas.study.settings import read_run_settings

    directory = RunDirectory.open(run)
    if directory.report.is_file():
        read_run_settings(directory)
        if not as_json and verbosity != "quiet":
            click.echo("this search has ended\n")
        return tell(directory, directory.read_report(), as_json)
    return drive(reopen(directory), verbosity=verbosity, as_json=as_json)
