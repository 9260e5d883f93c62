"""A project, or a run's winner, built and compared with the network it came from, on a person's arrays and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codegen.measurement import Verification
    from codegen.stream_emulation import StreamVerification
    from codegen.streaming import Stream
    from nas.inputs.recordings import Answer, FolderTest


@dataclass(frozen=True, slots=True)
class Verified:
    """What was measured of the project in ``directory``, and where recordings were given, what the program said of them, or of a
    folder of labelled ones, how many it got right."""

    directory: Path
    measured: Verification
    answers: tuple[Answer, ...] = ()
    test: FolderTest | None = None

    def said(self) -> dict[str, Any]:
        """What ``nas verify --json`` prints beside the measurement."""
        answers = {"answers": [answer.to_json() for answer in self.answers]} if self.answers else {}
        return answers | ({} if self.test is None else {"test": self.test.to_json()})

    def render(self) -> list[str]:
        """The same in words, a text each."""
        from nas.inputs.recordings import render_answers

        answers = [render_answers(self.directory, self.answers)] if self.answers else []
        return answers + ([] if self.test is None else [self.test.render()])


def verify_project(
    path: Path,
    *,
    inputs: NDArray[Any] | Path | None = None,
    expect: NDArray[Any] | Path | None = None,
    raw: Sequence[Path] = (),
    core: str | None = None,
    board: str | None = None,
) -> Verified:
    """Build, run and compare the project at ``path``, or the winner of the run there.

    :param inputs: an array as :func:`codegen.verify.measure` takes it, or the ``.npy`` file that holds it; ``expect`` likewise.
    :param raw: recordings (``.wav``, ``.csv``, ``.png``, ...), a folder of labelled ones, or inputs as plain bytes; instead of
        ``inputs``.
    :param core: another core to build for and run on than the project was exported for.
    :param board: of a run for several boards, the one whose winner is meant.
    :raises UserError: if there is no project, or a file or an array does not fit it.
    :raises codegen.emulator.ExecutionFault: as :func:`codegen.verify.measure`.
    """
    from codegen.verify import measure
    from nas.inputs import recordings
    from nas.inputs.raw_files import read_folder

    if inputs is not None and raw:
        raise UserError("--inputs and --raw: give one of them")
    directory = project_directory(path, board)
    wanted = _array(expect, "--expect")
    if recordings.is_folder(raw):
        if wanted is not None:
            raise UserError(f"--expect: the expected classes of --raw {raw[0]} are its folders' names; leave it out")
        folder = read_folder(directory, raw[0])
        result = measure(directory, raw=recordings.to_emulate(folder), core=core)
        return Verified(directory, result, test=recordings.test_folder(directory, folder, result))
    form = recordings.common_form(raw) if raw else None
    if form is not None:
        examples = recordings.read_files(directory, raw, form)
        result = measure(directory, raw=recordings.stacked(examples), expect=wanted, core=core)
        return Verified(directory, result, tuple(recordings.answers(directory, examples, result)))
    given = _raw(raw) if raw else _array(inputs, "--inputs")
    return Verified(directory, measure(directory, inputs=given, expect=wanted, core=core))


def verify_project_stream(
    path: Path, recording: NDArray[Any] | Path, *, core: str | None = None, board: str | None = None
) -> StreamVerification:
    """Push a long recording (``.wav``, of series ``.csv``, or samples as :func:`check_samples` takes them) through the project at
    ``path``, or the winner of the run there, and compare every decision; ``core`` and ``board`` as for :func:`verify_project`.

    :raises UserError: if there is no project, it takes no stream, or the recording does not suit it.
    :raises codegen.emulator.ExecutionFault: as :func:`codegen.verify.measure`.
    """
    from codegen.project import read_project, stream_of
    from codegen.stream_emulation import verify_stream
    from nas.streaming.recordings import read_stream

    directory = project_directory(path, board)
    stream = stream_of(directory, read_project(directory))
    if isinstance(recording, Path):
        samples = read_stream(directory, stream, recording)
    else:
        samples = check_samples(stream, recording, "--stream")
    return verify_stream(directory, samples, core=core)


def check_samples(stream: Stream, samples: NDArray[Any], what: str) -> NDArray[Any]:
    """``samples``, int16 ``(n,)`` of sound, ``(n, channels)`` of a series, in the stream's own type.

    :param what: names them in messages.
    :raises UserError: if they are of another shape, or of a type that does not go into it.
    """
    import numpy as np

    given, wanted = np.asarray(samples), stream.sample_type
    if given.ndim != 1 + len(stream.sample_shape) or given.shape[1:] != stream.sample_shape:
        expected = "(n,)" if not stream.sample_shape else f"(n, {stream.sample_shape[0]})"
        raise UserError(f"{what}: of shape {given.shape}; the stream takes {expected}")
    if not np.can_cast(given.dtype, wanted, "same_kind" if given.dtype.kind == "f" else "safe"):
        raise UserError(f"{what}: of type {given.dtype}; the stream takes {wanted}")
    return given.astype(wanted)


def project_directory(path: Path, board: str | None = None) -> Path:
    """The directory of the project that ``path`` is, or that the run there has made, for the ``board`` where it has several.

    :raises UserError: if it is a run that has not ended or has no winner for the board, or a board is named for a project.
    """
    from nas.run_directory import SETTINGS, RunDirectory
    from nas.study.board_report import pick_board, read_report_on
    from nas.study.settings import read_run_settings

    if not (path / SETTINGS).is_file():
        if board is not None:
            raise UserError(f"--board {board}: is for a run; {path} is built for the board that it was exported for, or for --core")
        return path
    run = RunDirectory.open(path)
    settings = read_run_settings(run)
    name = pick_board(run, settings, board)
    read_report_on(run, name)
    return settings.directory(run, name).winner


def _array(given: NDArray[Any] | Path | None, option: str) -> Any:
    import numpy as np

    if not isinstance(given, Path):
        return given
    try:
        array: NDArray[Any] = np.load(given, allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{option} {given}: no such file") from None
    except (ValueError, EOFError) as error:
        raise UserError(f"{option} {given}: not a .npy array ({str(error).splitlines()[0]})") from None
    if not isinstance(array, np.ndarray):
        raise UserError(f"{option} {given}: an archive of several arrays; give one array (.npy)")
    return array


def _raw(paths: Sequence[Path]) -> NDArray[Any]:
    import numpy as np

    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise UserError(f"--raw {missing[0]}: no such file")
    contents = [np.frombuffer(path.read_bytes(), dtype=np.int8) for path in paths]
    if len({content.size for content in contents}) != 1:
        raise UserError(f"--raw: the files are of different sizes ({', '.join(str(content.size) for content in contents)} bytes)")
    return np.stack(contents)
