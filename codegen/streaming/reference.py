"""Decisions and detections in exact integers: the specification that the C code equals to the bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Graph
from codegen.streaming.stream import Stream

_AT_ONCE = 256
"""Windows that the network is run on together."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """What a stream says, decision by decision: ``at`` (how many samples there were), the task's ``scores`` of the window alone
    ``(n, k)``, the ``means`` of its values ``(n, width)``, and the number of what was ``detected``, or -1."""

    at: NDArray[np.int64]
    scores: NDArray[Any]
    means: NDArray[np.int64]
    detected: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.at)


def decisions(stream: Stream, graph: Graph, samples: NDArray[Any]) -> Decisions:
    """What ``<m>_push`` decides while ``samples`` come in: ``(n,)`` of sound, ``(n, channels)`` of a series, of the
    stream's ``sample_type``."""
    scores = network_scores(stream, graph, stream.windows(samples))
    return Decisions(stream.decided_at(len(samples)), scores, *decided(stream, graph, scores))


def decided(stream: Stream, graph: Graph, scores: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Smoothed values ``(n, width)``, and the number of what is detected, or -1, by all ``scores`` ``(n, k)`` since the start."""
    task, settings = stream.task, stream.settings
    means = smoothed(task.values(graph, scores), settings.smoothing)
    return means, detections(task.certain(means, settings.threshold), settings.refractory)


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
    """What is detected at each decision, or -1, by what is there for certain ``(n,)``, or -1."""
    found = np.full(len(certain), -1, np.int64)
    held, since = -1, refractory
    for at, there in enumerate(certain.tolist()):
        since = min(since + 1, refractory)
        if there < 0 or held != there:
            held = -1
        if there >= 0 and held < 0 and since == refractory:
            found[at] = held = there
            since = 0
    return found
