"""Built projects: measured, and asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.errors import UserError
from codegen.measurement import Verification
from nas.api._arguments import AnyPath, as_path, naming_arguments
from nas.api._export import Export
from nas.api._run import Run
from nas.inputs.recordings import Answer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nas.programs.verification import Verified


@naming_arguments()
def verify(
    project: AnyPath | Run | Export,
    *,
    inputs: NDArray[Any] | AnyPath | None = None,
    expect: NDArray[Any] | AnyPath | None = None,
    core: str | None = None,
) -> Verification:
    """Build a C project, run it in the emulator, compare all outputs bit by bit with the Python reference, and measure.

    :param project: the project's directory, a run (its winner), or what :func:`nas.export` returned.
    :param inputs: inputs ``(n, ...)`` with channels last, or a ``.npy`` file of them: int8 or float32, which the project quantises,
        or raw ones of another type, like int16 sounds ``(n, samples)``. By default the project's own.
    :param expect: int8 outputs to compare with; by default the reference's.
    :param core: build for and run on another core, like ``"cortex-m0plus"``, than the project was exported for.
    :raises UserError: if there is no project, an array does not fit it, or its code touches memory that is not its own.
    """
    return _verified(project, inputs=as_path(inputs), expect=as_path(expect), core=core).measured


@naming_arguments(raw="recordings")
def answers(project: AnyPath | Run | Export, recordings: Sequence[AnyPath]) -> tuple[Answer, ...]:
    """What the built program answers to recordings, run in the emulator: its class and every class's score for each sound, image or
    line of a table, of a series for each window.

    :param project: as for :func:`nas.verify`; it must take what was recorded: ``.wav``, ``.csv``, ``.png`` and alike, ``.npy``.
    :raises UserError: if it does not, or a file cannot be read.
    """
    from nas.inputs.raw_files import form_of

    files = tuple(Path(file) for file in recordings)
    if not files:
        raise UserError("recordings: give at least one")
    other = next((file for file in files if file.is_dir() or form_of(file) is None), None)
    if other is not None:
        raise UserError(f"recordings {other}: give recordings (.wav, .csv, .png, ...) of one form, no folders or other files")
    return _verified(project, raw=files).answers


def place_of(project: AnyPath | Run | Export) -> tuple[Path, str | None]:
    """Where a project or a run is, and of a run the board that is meant."""
    path = project.path if isinstance(project, (Run, Export)) else Path(project)
    return path, project.board if isinstance(project, Run) else None


def _verified(project: AnyPath | Run | Export, **given: Any) -> Verified:
    from codegen.emulator import ExecutionFault
    from nas.programs.verification import verify_project

    path, board = place_of(project)
    try:
        return verify_project(path, board=board, **given)
    except ExecutionFault as error:
        raise UserError(f"{path}: {error}") from error
