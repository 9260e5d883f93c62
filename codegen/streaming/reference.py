"""Decisions and detections in exact integers: the specification that the C code equals to the bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Graph
from codegen.streaming.settings import ONE, StreamSettings
from codegen.streaming.stream import Stream

_AT_ONCE = 256
"""Windows that the network is run on together."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """What a stream says, decision by decision: ``at`` (how many samples there were), the network's ``scores`` int8 ``(n,
    classes)``, the smoothed ``probabilities`` Q15 ``(n, classes)``, the likeliest class ``top``, and the class that is
    ``detected``, or -1."""

    at: NDArray[np.int64]
    scores: NDArray[np.int8]
    probabilities: NDArray[np.int64]
    top: NDArray[np.int64]
    detected: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.at)


def decisions(stream: Stream, graph: Graph, samples: NDArray[Any]) -> Decisions:
    """What ``<m>_push`` decides while ``samples`` come in: ``(n,)`` of sound, ``(n, channels)`` of a series, of the
    stream's ``sample_type``."""
    scores = network_scores(stream, graph, samples)
    smooth = smoothed(probabilities(scores, graph[graph.outputs[0]].scale), stream.settings.smoothing)
    top = smooth.argmax(axis=1) if len(smooth) else np.empty(0, np.int64)
    return Decisions(stream.decided_at(len(samples)), scores, smooth, top, detections(smooth, stream.settings))


def network_scores(stream: Stream, graph: Graph, samples: NDArray[Any]) -> NDArray[np.int8]:
    """The network's outputs, int8 ``(n, classes)``, on the window of each decision."""
    from codegen.reference import run

    rows = stream.input_rows(samples)
    name, classes = graph.inputs[0], len(stream.settings.classes)
    begins = np.arange(0, len(rows) - stream.rows + 1, stream.settings.hop)
    found = [np.empty((0, classes), np.int8)]
    for start in range(0, len(begins), _AT_ONCE):
        windows = np.stack([rows[begin : begin + stream.rows] for begin in begins[start : start + _AT_ONCE]])
        outputs = run(graph, {name: windows.reshape(-1, *graph[name].shape[1:])})[graph.outputs[0]]
        found.append(outputs.reshape(-1, classes))
    return np.concatenate(found)


def powers(scale: float) -> NDArray[np.int64]:
    """``exp(-d * scale)`` in Q15 for differences ``d`` of two outputs, up to the last one that is not 0."""
    values = np.floor(np.exp(-np.arange(256) * float(scale)) * ONE + 0.5).astype(np.int64)
    positive: NDArray[np.int64] = values[values > 0]
    return positive


def probabilities(scores: NDArray[np.int8], scale: float) -> NDArray[np.int64]:
    """The softmax of int8 ``scores`` ``(n, classes)`` with this scale, in Q15, rounded down."""
    table = np.zeros(256, np.int64)
    known = powers(scale)
    table[: len(known)] = known
    wide = scores.astype(np.int64)
    power = table[wide.max(axis=1, keepdims=True, initial=-128) - wide]
    likely: NDArray[np.int64] = (power << 15) // power.sum(axis=1, keepdims=True)
    return likely


def smoothed(values: NDArray[np.int64], smoothing: int) -> NDArray[np.int64]:
    """Means over the last ``smoothing`` of ``values`` ``(n, classes)``, or over as many as there are, rounded down."""
    sums = np.cumsum(values, axis=0)
    sums[smoothing:] -= sums[:-smoothing].copy()
    return sums // np.minimum(np.arange(1, len(values) + 1), smoothing)[:, None]


def detections(smooth: NDArray[np.int64], settings: StreamSettings) -> NDArray[np.int64]:
    """The class detected at each decision, or -1, by the smoothed probabilities ``(n, classes)``."""
    found = np.full(len(smooth), -1, np.int64)
    if not len(smooth):
        return found
    tops, most = smooth.argmax(axis=1), smooth.max(axis=1)
    certain = (most >= settings.threshold) & np.array(settings.is_event())[tops]
    held, since = -1, settings.refractory
    for at, (top, sure) in enumerate(zip(tops.tolist(), certain.tolist(), strict=True)):
        since = min(since + 1, settings.refractory)
        if not sure or held != top:
            held = -1
        if sure and held < 0 and since == settings.refractory:
            found[at] = held = top
            since = 0
    return found
