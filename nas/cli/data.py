"""``nas data``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nas.cli.options import debug_option, json_option, reading_options


@click.command(
    epilog="""\b
Examples:
  nas data recordings/ --html recordings.html
  nas data measurements.csv --json
"""
)
@click.argument("path", type=click.Path())
@json_option
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write a page with samples per class."
)
@reading_options
@debug_option
def command(path: str, as_json: bool, html: Path | None, **options: Any) -> None:
    """Say what is in the data at PATH: classes, counts, rates, lengths, what is damaged, and how it would be divided.

    PATH is a folder with one folder per class of images, WAV or CSV files, one CSV with a column of labels, an .npz, or a .ts or
    .tsv file of the UCR archive. Nothing is changed there.
    """
    import json

    from codegen.errors import UserError
    from nas.datasets import Reading
    from nas.datasets.collection import open_collection
    from nas.datasets.description import as_text, describe
    from nas.files import write_atomically

    if html is not None and not html.absolute().parent.is_dir():
        raise UserError(f"--html {html}: there is no folder {html.absolute().parent}")
    collection = open_collection(path, Reading(**options))
    about = describe(collection)
    click.echo(json.dumps(about, indent=2) if as_json else as_text(about))
    if html is not None:
        from nas.datasets.page import page

        write_atomically(html, page(collection, about))
        if not as_json:
            click.echo(f"\nsamples   {html}")
