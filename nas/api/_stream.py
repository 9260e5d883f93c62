"""Projects that listen all the time: their decisions while samples come in."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from codegen.errors import UserError
from nas.api._arguments import AnyPath, as_path, naming_arguments
from nas.api._export import Export
from nas.api._run import Run
from nas.api._verify import place_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    import codegen.streaming
    from codegen.stream_emulation import StreamVerification


@dataclass(frozen=True, slots=True)
class Decision:
    """What a stream said when ``at`` samples had come in: the likeliest class as ``label`` and its smoothed probability as
    ``value``, the class that was ``detected`` with this decision, if one was, and the network's int8 outputs as ``scores``.

    Of a detector of anomalies ``label`` is "alarm", ``value`` the smoothed score, and ``scores`` the integer score of the window.
    """

    at: int
    label: str
    value: float
    detected: str | None
    scores: tuple[int, ...]


class Receiver(Protocol):
    """What takes in samples in pieces of given lengths, and says what is known after each of them."""

    def restart(self) -> None:
        """Forget what was pushed."""

    def push(self, samples: NDArray[Any], lengths: Sequence[int], /) -> NDArray[Any]:
        """A record for each piece, as :func:`codegen.streaming.records.record_type` has it."""


class Stream:
    """A stream of :func:`open_stream`, in the Python reference or in the program on an emulated core: equal to the bit."""

    def __init__(
        self, stream: codegen.streaming.Stream, receiver: Receiver, program: tempfile.TemporaryDirectory[str] | None = None
    ) -> None:
        self._stream, self._receiver = stream, receiver
        self._program = program  # the folder of an emulated one lives as long as the stream
        self._count = 0

    @property
    def rate(self) -> float:
        """Samples a second; 0 where the data does not tell."""
        return self._stream.rate

    @property
    def names(self) -> tuple[str, ...]:
        """What can be detected: the classes, or an alarm."""
        return self._stream.task.names

    @property
    def window(self) -> int:
        """Samples that there are at the first decision."""
        return self._stream.window_samples

    @property
    def hop(self) -> int:
        """Samples from one decision to the next."""
        return self._stream.hop_samples

    def restart(self) -> None:
        """Forget all that was pushed."""
        self._count = 0
        self._receiver.restart()

    def push(self, samples: NDArray[Any]) -> tuple[Decision, ...]:
        """The decisions that these further samples lead to: int16 ``(n,)`` of sound, ``(n, channels)`` of a series in units
        of the data.

        :raises UserError: if they are of another shape or type.
        :raises codegen.emulator.ExecutionFault: as :func:`codegen.verify.measure`, where the stream is emulated.
        """
        import numpy as np

        from nas.programs.verification import check_samples

        taken = check_samples(self._stream, samples, "samples")
        before, self._count = self._count, self._count + len(taken)
        at = self._stream.decided_at(self._count, before)
        ends = [*(at - before).tolist(), len(taken)]  # each piece but the last ends with a decision
        records = self._receiver.push(taken, np.diff([0, *ends]).tolist())[: len(at)]
        task = self._stream.task
        likeliest, values, scores = task.said(records)
        columns = (at, likeliest, task.real(values), records["detected"], scores)
        return tuple(
            Decision(
                int(when), self.names[top], float(value), self.names[found] if found >= 0 else None, tuple(map(int, of_window))
            )
            for when, top, value, found, of_window in zip(*columns, strict=True)
        )


@naming_arguments()
def open_stream(project: AnyPath | Run | Export, *, emulated: bool = False, core: str | None = None) -> Stream:
    """Listen with a project of a search over sound or series: push samples as they come, get decisions.

    :param project: as for :func:`nas.verify`.
    :param emulated: in the built program on an emulated core, instead of the Python reference, which is faster and gives the same.
    :param core: of an emulated one, another than the project was exported for.
    :raises UserError: if there is no project, or it takes no stream.
    """
    from codegen.cores import find_core
    from codegen.project import read_project, stream_of
    from codegen.streaming import StreamReference
    from codegen.verify import read_graph
    from nas.programs.verification import project_directory

    if core is not None and not emulated:
        raise UserError(f"core {core}: is for an emulated stream; add emulated=True")
    directory = project_directory(*place_of(project))
    found = read_project(directory)
    stream = stream_of(directory, found)
    graph = read_graph(directory, found)
    if not emulated:
        return Stream(stream, StreamReference(stream, graph))
    from codegen.stream_emulation import StreamRunner

    program = tempfile.TemporaryDirectory(prefix="stream-")
    runner = StreamRunner(directory, found, stream, find_core(core or found.core), Path(program.name))
    return Stream(stream, runner, program)


@naming_arguments(stream="recording")
def verify_stream(
    project: AnyPath | Run | Export, recording: NDArray[Any] | AnyPath, *, core: str | None = None
) -> StreamVerification:
    """Push a long recording through the built program in the emulator, in pieces of odd sizes, and compare every decision.

    :param recording: a WAV file, or of series a CSV file; or samples as :meth:`Stream.push` takes them.
    :param core: another core than the project was exported for.
    :raises UserError: if the project takes no stream, the recording does not suit it, or its code touches memory that is not its
        own.
    """
    from codegen.emulator import ExecutionFault
    from nas.programs.verification import verify_project_stream

    path, board = place_of(project)
    try:
        return verify_project_stream(path, as_path(recording), core=core, board=board)
    except ExecutionFault as error:
        raise UserError(f"{path}: {error}") from error
