"""``nas verify``."""

from __future__ import annotations

from pathlib import Path

import click

from codegen.errors import UserError
from nas.cli import candidates
from nas.cli.options import debug_option, json_option, run_board_option

FILE = click.Path(path_type=Path)


@click.command(
    epilog="""\b
Examples:
  nas verify runs/digits-1/winner
  nas verify digits-c --inputs x.npy --expect y.npy --json
  nas verify digits-c --core cortex-m0plus
  nas verify runs/keywords-1 --raw yes.wav
  nas verify runs/motion-1 --raw walk.csv
  nas verify runs/motion-1 --raw recordings/test
  nas verify runs/keywords-1 --stream evening.wav
"""
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--inputs",
    type=FILE,
    metavar="X.npy",
    help="Inputs (n, ...), int8 or float32, or raw ones of another dtype, such as sounds. [default: the project's own]",
)
@click.option("--expect", type=FILE, metavar="Y.npy", help="Outputs to compare with. [default: the Python reference's]")
@click.option(
    "--raw",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="A recording (.wav, .csv, .png, ...), or an input as plain bytes; may be repeated. Or a folder of labelled recordings.",
)
@click.option(
    "--stream",
    "recording",
    type=FILE,
    metavar="FILE",
    help="A long recording (.wav, of series .csv), pushed in pieces of odd sizes; every decision is compared.",
)
@click.option(
    "--core",
    metavar="CORE",
    shell_complete=candidates.names(candidates.cores),
    help="Build for and run on another core than the project was exported for.",
)
@run_board_option
@json_option
@debug_option
def command(
    directory: Path,
    inputs: Path | None,
    expect: Path | None,
    raw: tuple[Path, ...],
    recording: Path | None,
    core: str | None,
    board: str | None,
    as_json: bool,
) -> int:
    """Build the C project in DIRECTORY (of a run: its winner), run it in the emulator, compare all outputs bit by bit, and measure.

    Only code, constants, arena and stack are mapped: any other access is an error that names the address and the layer. The exit
    status is 1 where an output differs.
    """
    import json

    from codegen.emulator import ExecutionFault, StrayAccess
    from codegen.measurement import render
    from nas.programs.verification import verify_project

    if recording is not None:
        if inputs is not None or expect is not None or raw:
            raise UserError("--stream: give no --inputs, --expect or --raw with it")
        return _stream(directory, recording, core, board, as_json)
    try:
        verified = verify_project(directory, inputs=inputs, expect=expect, raw=raw, core=core, board=board)
    except (StrayAccess, ExecutionFault) as error:
        click.echo(f"nas: {directory}: {error}", err=True)
        return 1
    result = verified.measured
    if as_json:
        click.echo(json.dumps(result.to_json() | verified.said(), indent=2))
    else:
        click.echo("\n\n".join([*verified.render(), render(result)]))
    return 0 if result.bit_exact else 1


def _stream(directory: Path, recording: Path, core: str | None, board: str | None, as_json: bool) -> int:
    """Push the recording; the exit status."""
    import json

    from codegen.emulator import ExecutionFault
    from nas.programs.verification import verify_project_stream
    from nas.streaming.recordings import render_stream

    try:
        result = verify_project_stream(directory, recording, core=core, board=board)
    except ExecutionFault as error:
        click.echo(f"nas: {directory}: {error}", err=True)
        return 1
    click.echo(json.dumps(result.to_json(), indent=2) if as_json else render_stream(recording, result))
    return 0 if result.bit_exact else 1
