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
  nas verify runs/motion-1 --raw walk.csv
  nas verify runs/motion-1 --raw recordings/test
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
@click.option("--core", metavar="CORE", help="Build for and run on another core than the project was exported for.")
@json_option
@debug_option
def command(
    directory: Path, inputs: Path | None, expect: Path | None, raw: tuple[Path, ...], core: str | None, as_json: bool
) -> int:
    """Build the C project in DIRECTORY (of a run: its winner), run it in the emulator, compare all outputs bit by bit, and measure.

    Only code, constants, arena and stack are mapped: any other access is an error that names the address and the layer. The exit
    status is 1 where an output differs.
    """
    import json

    from codegen.emulator import ExecutionFault, StrayAccess
    from codegen.measurement import render
    from codegen.verify import measure
    from nas import recordings
    from nas.raw_files import read_folder

    if inputs is not None and raw:
        raise UserError("--inputs and --raw: give one of them")
    directory = _project(directory)
    wanted = None if expect is None else _array(expect, "--expect")
    folder = read_folder(directory, raw[0]) if recordings.is_folder(raw) else None
    if folder is not None and wanted is not None:
        raise UserError(f"--expect: the expected classes of --raw {raw[0]} are its folders' names; leave it out")
    form = None if folder is not None or not raw else recordings.common_form(raw)
    examples = [] if form is None else recordings.read_files(directory, raw, form)
    try:
        if folder is not None:
            result = measure(directory, raw=recordings.to_emulate(folder), core=core)
        elif examples:
            result = measure(directory, raw=recordings.stacked(examples), expect=wanted, core=core)
        else:
            given = _raw(raw) if raw else None if inputs is None else _array(inputs, "--inputs")
            result = measure(directory, inputs=given, expect=wanted, core=core)
    except (StrayAccess, ExecutionFault) as error:
        click.echo(f"nas: {directory}: {error}", err=True)
        return 1
    said = recordings.answers(directory, examples, result) if examples else []
    tested = None if folder is None else recordings.test_folder(directory, folder, result)
    if as_json:
        content = result.to_json() | ({"answers": [answer.to_json() for answer in said]} if said else {})
        click.echo(json.dumps(content if tested is None else content | {"test": tested.to_json()}, indent=2))
    else:
        heads = [recordings.render_answers(directory, said)] if said else [] if tested is None else [tested.render()]
        click.echo("\n\n".join([*heads, render(result)]))
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
