"""Projects that listen all the time: their decisions while samples come in."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.errors import UserError
from nas.api._arguments import AnyPath, naming_arguments
from nas.api._export import Export
from nas.api._run import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    import codegen.streaming
    from codegen.ir import Graph
    from codegen.stream_emulation import StreamRunner, StreamVerification


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


class Stream:
    """A stream of :func:`open_stream`, in the Python reference or in the program on an emulated core: equal to the bit.

    The reference keeps the scores of all its decisions until :meth:`restart`.
    """

    def __init__(
        self,
        stream: codegen.streaming.Stream,
        graph: Graph,
        runner: StreamRunner | None = None,
        program: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        self._stream, self._graph, self._runner = stream, graph, runner
        self._program = program  # the runner's folder lives as long as the stream
        self.restart()

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
        import numpy as np

        from codegen.streaming.reference import network_scores

        self._count = 0
        self._rest = np.empty((0, *self._stream.sample_shape), self._stream.sample_type)
        self._scores = network_scores(self._stream, self._graph, self._stream.windows(self._rest))
        if self._runner is not None:
            self._runner.restart()

    def push(self, samples: NDArray[Any]) -> tuple[Decision, ...]:
        """The decisions that these further samples lead to: int16 ``(n,)`` of sound, ``(n, channels)`` of a series in units
        of the data.

        :raises UserError: if they are of another shape or type.
        :raises codegen.emulator.ExecutionFault: as :func:`codegen.verify.measure`, where the stream is emulated.
        """
        import numpy as np

        taken = check_samples(self._stream, samples)
        before, self._count = self._count, self._count + len(taken)
        at = self._stream.decided_at(self._count)
        at = at[at > before]
        return (
            self._emulated(taken, at, before)
            if self._runner is not None
            else self._computed(np.concatenate([self._rest, taken]), at)
        )

    def _computed(self, samples: NDArray[Any], at: NDArray[np.int64]) -> tuple[Decision, ...]:
        """By the reference; ``samples`` begin with the window of the next decision."""
        import numpy as np

        from codegen.streaming.reference import decided, network_scores

        first = len(self._scores)
        fresh = network_scores(self._stream, self._graph, self._stream.windows(samples)) if len(at) else self._scores[:0]
        self._rest = samples[len(at) * self.hop :]
        self._scores = np.concatenate([self._scores, fresh])
        means, detected = decided(self._stream, self._graph, self._scores)
        return self._told(at, self._stream.task.known(fresh, means[first:]), detected[first:])

    def _emulated(self, samples: NDArray[Any], at: NDArray[np.int64], before: int) -> tuple[Decision, ...]:
        """By the program, in pieces that each end with a decision."""
        import numpy as np

        assert self._runner is not None
        ends = [*(at - before).tolist(), len(samples)]
        records = self._runner.push(samples, np.diff([0, *ends]).tolist() if len(samples) else [])[: len(at)]
        return self._told(at, records, records["detected"])

    def _told(self, at: NDArray[np.int64], known: NDArray[Any], detected: NDArray[Any]) -> tuple[Decision, ...]:
        task = self._stream.task
        likeliest, values, scores = task.said(known)
        columns = (at, likeliest, task.real(values), detected, scores)
        return tuple(
            Decision(
                int(when), self.names[top], float(value), self.names[found] if found >= 0 else None, tuple(map(int, of_window))
            )
            for when, top, value, found, of_window in zip(*columns, strict=True)
        )


@naming_arguments
def open_stream(project: AnyPath | Run | Export, *, emulated: bool = False, core: str | None = None) -> Stream:
    """Listen with a project of a search over sound or series: push samples as they come, get decisions.

    :param project: as for :func:`nas.verify`.
    :param emulated: in the built program on an emulated core, instead of the Python reference, which is faster and gives the same.
    :param core: of an emulated one, another than the project was exported for.
    :raises UserError: if there is no project, or it takes no stream.
    """
    from codegen.cores import find_core
    from codegen.project import read_project
    from codegen.verify import read_graph

    if core is not None and not emulated:
        raise UserError(f"core {core}: is for an emulated stream; add emulated=True")
    directory = _directory(project)
    found = read_project(directory)
    stream = _stream_of(directory)
    graph = read_graph(directory, found)
    if not emulated:
        return Stream(stream, graph)
    from codegen.stream_emulation import StreamRunner

    program = tempfile.TemporaryDirectory(prefix="stream-")
    runner = StreamRunner(directory, found, stream, find_core(core or found.core), Path(program.name))
    return Stream(stream, graph, runner, program)


@naming_arguments
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
    from codegen.stream_emulation import verify_stream as pushed
    from nas.streaming.recordings import read_stream

    directory = _directory(project)
    if isinstance(recording, (str, os.PathLike)):
        samples = read_stream(directory, Path(recording))
    else:
        samples = check_samples(_stream_of(directory), recording)
    try:
        return pushed(directory, samples, core=core)
    except ExecutionFault as error:
        raise UserError(f"{directory}: {error}") from error


def check_samples(stream: codegen.streaming.Stream, samples: NDArray[Any]) -> NDArray[Any]:
    """``samples`` in the stream's own type.

    :raises UserError: if they are of another shape, or of a type that does not go into it.
    """
    import numpy as np

    given, wanted = np.asarray(samples), stream.sample_type
    if given.ndim != 1 + len(stream.sample_shape) or given.shape[1:] != stream.sample_shape:
        expected = "(n,)" if not stream.sample_shape else f"(n, {stream.sample_shape[0]})"
        raise UserError(f"samples: of shape {given.shape}; the stream takes {expected}")
    if not np.can_cast(given.dtype, wanted, "same_kind" if given.dtype.kind == "f" else "safe"):
        raise UserError(f"samples: of type {given.dtype}; the stream takes {wanted}")
    return given.astype(wanted)


def _directory(project: AnyPath | Run | Export) -> Path:
    from nas.verification import project_directory

    path = project.path if isinstance(project, (Run, Export)) else Path(project)
    return project_directory(path, project.board if isinstance(project, Run) else None)


def _stream_of(directory: Path) -> codegen.streaming.Stream:
    from codegen.project import read_project

    stream = read_project(directory).stream
    if stream is None:
        raise UserError(f"{directory}: the project takes no stream; those of searches over sound or series do")
    return stream
