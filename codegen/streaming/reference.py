"""Decisions and detections in exact integers: the specification that the C code equals to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Graph
from codegen.streaming.records import Decisions, expected_records
from codegen.streaming.stream import Stream

_AT_ONCE = 256
"""Windows that the network is run on together."""


class StreamReference:
    """What ``<m>_push`` does, push by push. Of what came in it keeps what the next decisions need: samples from where their first
    window begins, the last values that means are over, and what was detected last."""

    def __init__(self, stream: Stream, graph: Graph) -> None:
        self._stream, self._graph = stream, graph
        self.restart()

    def restart(self) -> None:
        """Forget what was pushed."""
        stream = self._stream
        self._count = self._begin = 0  # samples that came in, and those before the next window
        self._samples = np.empty((0, *stream.sample_shape), stream.sample_type)
        self._values = np.empty((0, stream.task.width), np.int64)
        self._detecting = _Detecting(stream.settings.refractory)
        self._known = stream.task.unknown

    def push(self, samples: NDArray[Any], lengths: Sequence[int]) -> NDArray[Any]:
        """Push ``samples`` in pieces of these ``lengths``; returns a record for each, as
        :func:`~codegen.streaming.records.record_type` has it."""
        before, known = self._count, self._known
        return expected_records(self._stream, self.decide(samples), lengths, before=before, known=known)

    def decide(self, samples: NDArray[Any]) -> Decisions:
        """The decisions that these further samples lead to: ``(n,)`` of sound, ``(n, channels)`` of a series, of the stream's
        ``sample_type``."""
        stream, task, settings = self._stream, self._stream.task, self._stream.settings
        first = self._count - len(self._samples)
        there = np.concatenate([self._samples, samples])
        ahead = there[self._begin - first :]
        windows = stream.windows(ahead if len(ahead) >= stream.window_samples else ahead[:0])
        at = self._begin + stream.decided_at(len(ahead))
        self._count += len(samples)
        self._begin += len(windows) * stream.hop_samples
        self._samples = there[self._begin - first :].copy()
        scores = network_scores(stream, self._graph, windows)
        values = np.concatenate([self._values, task.values(self._graph, scores)])
        means = smoothed(values, settings.smoothing)[len(self._values) :]
        self._values = values[max(0, len(values) - settings.smoothing + 1) :].copy()
        said = Decisions(at, scores, means, self._detecting(task.certain(means, settings.threshold)))
        if len(said):
            self._known = task.known(scores[-1:], means[-1:]).reshape(())
        return said


def decisions(stream: Stream, graph: Graph, samples: NDArray[Any]) -> Decisions:
    """What ``<m>_push`` decides while ``samples`` come in from the start, as :meth:`StreamReference.decide` takes them."""
    return StreamReference(stream, graph).decide(samples)


def network_scores(stream: Stream, graph: Graph, windows: NDArray[np.int8]) -> NDArray[Any]:
    """The task's scores ``(n, k)`` of ``windows`` ``(n, rows, row_bytes)`` by themselves."""
    from codegen.reference import run

    name, shape = graph.inputs[0], graph[graph.inputs[0]].shape[1:]
    found = [stream.task.scores(np.empty((0, *shape), np.int8), np.empty((0, *graph[graph.outputs[0]].shape[1:]), np.int8))]
    for start in range(0, len(windows), _AT_ONCE):
        inputs = windows[start : start + _AT_ONCE].reshape(-1, *shape)
        found.append(stream.task.scores(inputs, run(graph, {name: inputs})[graph.outputs[0]]))
    return np.concatenate(found)


def smoothed(values: NDArray[np.int64], smoothing: int) -> NDArray[np.int64]:
    """Means over the last ``smoothing`` of ``values`` ``(n, width)``, or over as many as there are, rounded down."""
    sums = np.cumsum(values, axis=0)
    sums[smoothing:] -= sums[:-smoothing].copy()
    return sums // np.minimum(np.arange(1, len(values) + 1), smoothing)[:, None]


def detections(certain: NDArray[np.int64], refractory: int) -> NDArray[np.int64]:
    """What is detected at each decision since the start, or -1, by what is there for certain ``(n,)``, or -1."""
    return _Detecting(refractory)(certain)


class _Detecting:
    """What is ``held``, for it was detected and stays certain, or -1, and how many decisions ago something was detected, up to the
    ``refractory`` ones."""

    def __init__(self, refractory: int) -> None:
        self._refractory = refractory
        self._held, self._since = -1, refractory

    def __call__(self, certain: NDArray[np.int64]) -> NDArray[np.int64]:
        """What is detected at each further decision, or -1."""
        found = np.full(len(certain), -1, np.int64)
        for at, there in enumerate(certain.tolist()):
            self._since = min(self._since + 1, self._refractory)
            if there < 0 or self._held != there:
                self._held = -1
            if there >= 0 and self._held < 0 and self._since == self._refractory:
                found[at] = self._held = there
                self._since = 0
        return found
