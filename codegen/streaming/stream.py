"""A network with what brings an endless stream of samples to it: rows of input, decisions, detections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.features import FrontEnd, Preprocessing, RawInput, features
from codegen.ir import Graph
from codegen.streaming.settings import MOST, MOST_CLASSES, StreamSettings, default_settings, stream_settings_from_json

LEAST_ROWS = 2
"""A window of one row leaves nothing to keep from one decision to the next."""
_WORD = 4


@dataclass(frozen=True, slots=True)
class Stream:
    """What ``<m>_push`` does: ``source`` makes rows of input of sound or of a series' windows, ``settings`` say what becomes of the
    network's outputs; ``rate`` in samples a second, 0 where it is not known.

    :raises UserError: for a window that is too short or too long, or input that does not go on.
    """

    source: FrontEnd | RawInput
    settings: StreamSettings
    rate: float

    def __post_init__(self) -> None:
        if isinstance(self.source, RawInput) and (self.source.form != "window" or self.source.shape[0] != 1):
            raise UserError(f"stream: takes windows of a series, no {self.source.form} of shape {list(self.source.shape)}")
        if not LEAST_ROWS <= self.rows <= MOST or self.window_samples < LEAST_ROWS * self.row_samples:
            raise UserError(
                f"stream: a window of {self.rows} rows; {LEAST_ROWS} to {MOST} that are apart by no more than they last"
            )

    @property
    def rows(self) -> int:
        """Rows that the network sees at once: columns of a spectrogram, or samples."""
        return self.source.frames if isinstance(self.source, FrontEnd) else self.source.shape[1]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.source.settings.columns if isinstance(self.source, FrontEnd) else self.source.shape[-1]

    @property
    def row_samples(self) -> int:
        """Samples from one row to the next."""
        return self.source.settings.hop if isinstance(self.source, FrontEnd) else 1

    @property
    def window_samples(self) -> int:
        """Samples that the network's input is made of."""
        return self.source.samples if isinstance(self.source, FrontEnd) else self.source.shape[1]

    @property
    def hop_samples(self) -> int:
        """Samples from one decision to the next."""
        return self.settings.hop * self.row_samples

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Of one sample: nothing of sound, ``(channels,)`` of a series."""
        return () if isinstance(self.source, FrontEnd) else (self.source.shape[-1],)

    @property
    def sample_type(self) -> np.dtype[Any]:
        """int16 of sound, of a series that of the recordings."""
        return self.source.raw_type

    @property
    def state_bytes(self) -> int:
        """Bytes of ``<m>_stream``, which the caller keeps."""
        classes, smoothing = len(self.settings.classes), self.settings.smoothing
        counts = 2 * (4 + smoothing * classes + 5 + 4)  # options, history, positions, what was decided
        return -(-(self.source.state_bytes + 4 * classes + counts + classes + self.rows * self.row_bytes) // _WORD) * _WORD

    def decided_at(self, count: int) -> NDArray[np.int64]:
        """Of ``count`` samples from the start, how many were there at each decision that they lead to."""
        return np.arange(self.window_samples, count + 1, self.hop_samples, dtype=np.int64)

    def input_rows(self, samples: NDArray[Any]) -> NDArray[np.int8]:
        """The rows, int8 ``(n, row_bytes)``, of sound ``(samples,)`` or of a series ``(samples, channels)``."""
        least = self.source.settings.frame if isinstance(self.source, FrontEnd) else 1
        if len(samples) < least:
            return np.empty((0, self.row_bytes), np.int8)
        if isinstance(self.source, RawInput):
            return self.source.of_a_sample(samples).reshape(-1, self.row_bytes)
        return features(self.source.settings, samples[None])[0, ..., 0]

    def check(self, graph: Graph) -> None:
        """Check that ``graph`` takes what the source gives, and that its output is a number for each class.

        :raises UserError: if not.
        """
        self.source.check(graph)
        output = graph[graph.outputs[0]]
        if len(graph.outputs) != 1 or output.dtype != "int8" or output.size != len(self.settings.classes):
            raise UserError(f"stream: {len(self.settings.classes)} classes, the network's output is {list(output.shape)}")
        if _gives_probabilities(graph):
            raise UserError("stream: the network ends in a softmax of its own; leave it out, the stream computes one")

    def to_json(self) -> dict[str, Any]:
        """What :func:`stream_from_json` reads; the source is not repeated, which the project has beside."""
        return {"settings": self.settings.to_json(), "rate": self.rate}


def stream_from_json(value: Mapping[str, Any], source: Preprocessing | None) -> Stream:
    """The stream that :meth:`Stream.to_json` wrote.

    :raises UserError: if it is damaged.
    """
    rate = value.get("rate")
    if not isinstance(source, FrontEnd | RawInput) or not isinstance(value.get("settings"), Mapping) or not isinstance(rate, float):
        raise UserError("stream: settings, a rate and what makes its input are needed; export the project again")
    return Stream(source, stream_settings_from_json(value["settings"]), rate)


def sound_stream(graph: Graph, front_end: FrontEnd) -> Stream | None:
    """The stream of a network of sounds of which nothing but its shapes is known; None where its output is no number for each of
    several classes."""
    output = graph[graph.outputs[0]]
    several = len(graph.outputs) == 1 and output.dtype == "int8" and 1 < output.size <= MOST_CLASSES
    short = front_end.frames < LEAST_ROWS or front_end.samples < LEAST_ROWS * front_end.settings.hop
    if not several or _gives_probabilities(graph) or short or front_end.frames > MOST:
        return None
    classes = tuple(str(index) for index in range(output.size))
    return Stream(front_end, default_settings(front_end.frames, classes), float(front_end.settings.rate))


def _gives_probabilities(graph: Graph) -> bool:
    return any(op.kind == "Softmax" and op.output in graph.outputs for op in graph.ops)
