"""``nas verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codegen.errors import UserError
from nas.cli.options import debug_option, json_option

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = click.Path(path_type=Path)


@click.command(
    epilog="""\b
Examples:
  nas verify runs/digits-1/winner
  nas verify digits-c --inputs x.npy --expect y.npy --json
  nas verify digits-c --core cortex-m0plus
  nas verify runs/keywords-1 --raw yes.wav
  nas verify runs/keywords-1 --stream evening.wav
"""
)
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--inputs",
    type=FILE,
    metavar="X.npy",
    help="Inputs (n, ...), int8 or float32, or sounds (n, samples), int16. [default: the project's own]",
)
@click.option("--expect", type=FILE, metavar="Y.npy", help="Outputs to compare with. [default: the Python reference's]")
@click.option(
    "--raw",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="A recording (.wav), where the project takes sound, or an input as plain bytes; may be repeated.",
)
@click.option(
    "--stream",
    type=FILE,
    metavar="FILE",
    help="A long recording (.wav, of series .csv), pushed in pieces of odd sizes; every decision is compared.",
)
@click.option("--core", metavar="CORE", help="Build for and run on another core than the project was exported for.")
@json_option
@debug_option
def command(
    directory: Path,
    inputs: Path | None,
    expect: Path | None,
    raw: tuple[Path, ...],
    stream: Path | None,
    core: str | None,
    as_json: bool,
) -> int:
    """Build the C project in DIRECTORY (of a run: its winner), run it in the emulator, compare all outputs bit by bit, and measure.

    Only code, constants, arena and stack are mapped: any other access is an error that names the address and the layer. The exit
    status is 1 where an output differs.
    """
    import json

    from codegen.emulator import ExecutionFault, StrayAccess
    from codegen.measurement import render
    from codegen.verify import measure
    from nas.recordings import answers, are_sounds, read_sounds, render_answers

    if inputs is not None and raw:
        raise UserError("--inputs and --raw: give one of them")
    directory = _project(directory)
    if stream is not None:
        if inputs is not None or expect is not None or raw:
            raise UserError("--stream: give no --inputs, --expect or --raw with it")
        return _stream(directory, stream, core, as_json)
    heard = bool(raw) and are_sounds(raw)
    given = (read_sounds(directory, raw) if heard else _raw(raw)) if raw else None if inputs is None else _array(inputs, "--inputs")
    wanted = None if expect is None else _array(expect, "--expect")
    try:
        result = measure(directory, inputs=given, expect=wanted, core=core)
    except (StrayAccess, ExecutionFault) as error:
        click.echo(f"nas: {directory}: {error}", err=True)
        return 1
    said = answers(directory, raw, result) if heard else []
    if as_json:
        content = result.to_json() | ({"answers": [answer.to_json() for answer in said]} if said else {})
        click.echo(json.dumps(content, indent=2))
    else:
        click.echo("\n\n".join([*([render_answers(said)] if said else []), render(result)]))
    return 0 if result.bit_exact else 1


def _stream(directory: Path, path: Path, core: str | None, as_json: bool) -> int:
    """Push the recording at ``path``; the exit status."""
    import json

    from codegen.emulator import ExecutionFault
    from codegen.streaming.verify import verify_stream
    from nas.streaming.recordings import read_stream, render_stream

    try:
        result = verify_stream(directory, read_stream(directory, path), core=core)
    except ExecutionFault as error:
        click.echo(f"nas: {directory}: {error}", err=True)
        return 1
    click.echo(json.dumps(result.to_json(), indent=2) if as_json else render_stream(path, result))
    return 0 if result.bit_exact else 1


def _project(path: Path) -> Path:
    """The directory of the project that ``path`` is, or that the run there has made."""
    from nas.run_directory import SETTINGS, RunDirectory

    if not (path / SETTINGS).is_file():
        return path
    run = RunDirectory.open(path)
    run.read_report()
    return run.winner


def _array(path: Path, option: str) -> NDArray[Any]:
    import numpy as np

    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{option} {path}: no such file") from None
    except (ValueError, EOFError) as error:
        raise UserError(f"{option} {path}: not a .npy array ({str(error).splitlines()[0]})") from None
    if not isinstance(array, np.ndarray):
        raise UserError(f"{option} {path}: an archive of several arrays; give one array (.npy)")
    return array


def _raw(paths: tuple[Path, ...]) -> NDArray[Any]:
    import numpy as np

    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise UserError(f"--raw {missing[0]}: no such file")
    contents = [np.frombuffer(path.read_bytes(), dtype=np.int8) for path in paths]
    if len({content.size for content in contents}) != 1:
        raise UserError(f"--raw: the files are of different sizes ({', '.join(str(content.size) for content in contents)} bytes)")
    return np.stack(contents)
