"""A network with what brings an endless stream of samples to it: rows of input, decisions, detections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.features import FrontEnd, Preprocessing, RawInput, features
from codegen.ir import Graph
from codegen.streaming.anomaly_detection import AnomalyDetection
from codegen.streaming.classification import MOST_CLASSES, Classification, classification_from_json, gives_probabilities
from codegen.streaming.settings import MOST, StreamSettings, check_range, default_settings, stream_settings_from_json
from codegen.streaming.task import Task

if TYPE_CHECKING:
    from codegen.anomaly import AnomalyDetector

LEAST_ROWS = 2
"""A window of one row leaves nothing to keep from one decision to the next."""


def can_stream(source: Preprocessing | None) -> TypeGuard[FrontEnd | RawInput]:
    """Whether ``source`` makes rows of input of what goes on, sound or one series' windows: :data:`LEAST_ROWS` or more, as many as
    the C code counts, and none that leaves samples out."""
    if isinstance(source, FrontEnd):
        return LEAST_ROWS <= source.frames <= MOST and source.samples >= LEAST_ROWS * source.settings.hop
    if isinstance(source, RawInput):
        return source.form == "window" and source.shape[0] == 1 and LEAST_ROWS <= source.shape[1] <= MOST
    return False


@dataclass(frozen=True, slots=True)
class Stream:
    """What ``<m>_push`` does: ``source`` makes rows of input of sound or of a series' windows, ``task`` and ``settings`` say what
    becomes of the network's outputs; ``rate`` in samples a second, 0 where it is not known.

    :raises UserError: for a window that is too short or too long, input that does not go on, or a threshold that is none of the
        task.
    """

    source: FrontEnd | RawInput
    task: Task
    settings: StreamSettings
    rate: float

    def __post_init__(self) -> None:
        if not can_stream(self.source):
            taken, given = f"windows of {LEAST_ROWS} to {MOST} samples of a series", self.source.noun
            if isinstance(self.source, FrontEnd):
                taken, given = f"spectrograms of {LEAST_ROWS} to {MOST} frames that leave no samples out", "spectrogram"
            raise UserError(f"stream: takes {taken}, no {given} of shape {list(self.source.shape)}")
        check_range("threshold", self.settings.threshold, 0, self.task.most_threshold)

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
    def state_type(self) -> np.dtype[Any]:
        """``<m>_stream``, which the caller keeps, as it lies in memory."""
        task, smoothing = self.task, self.settings.smoothing
        options = [("hop", "<u2"), ("smoothing", "<u2"), ("threshold", task.threshold_type), ("refractory", "<u2")]
        return np.dtype(
            [
                ("features", "<i4", (self.source.state_bytes // 4,)),
                ("sums", "<u4", (task.width,)),
                ("options", np.dtype(options, align=True)),
                ("history", task.value_type, (smoothing * task.width,)),
                *((name, "<u2") for name in ("at", "due", "slot", "kept", "since")),
                ("held", "<i2"),
                ("detected", "<i2"),
                *task.fields,
                ("rows", "i1", (self.rows * self.row_bytes,)),
            ],
            align=True,
        )

    @property
    def state_bytes(self) -> int:
        """Bytes of ``<m>_stream``."""
        return self.state_type.itemsize

    def decided_at(self, count: int, before: int = 0) -> NDArray[np.int64]:
        """Of ``count`` samples from the start, how many were there at each decision that those after ``before`` lead to."""
        made = max(0, (before - self.window_samples) // self.hop_samples + 1)
        return np.arange(self.window_samples + made * self.hop_samples, count + 1, self.hop_samples, dtype=np.int64)

    def input_rows(self, samples: NDArray[Any]) -> NDArray[np.int8]:
        """The rows, int8 ``(n, row_bytes)``, of sound ``(samples,)`` or of a series ``(samples, channels)``."""
        least = self.source.settings.frame if isinstance(self.source, FrontEnd) else 1
        if len(samples) < least:
            return np.empty((0, self.row_bytes), np.int8)
        if isinstance(self.source, RawInput):
            return self.source.of_a_sample(samples).reshape(-1, self.row_bytes)
        return features(self.source.settings, samples[None])[0, ..., 0]

    def windows(self, samples: NDArray[Any]) -> NDArray[np.int8]:
        """What the network sees at each decision while ``samples`` come in, int8 ``(n, rows, row_bytes)``; a view."""
        rows = self.input_rows(samples)
        if len(rows) < self.rows:
            return np.empty((0, self.rows, self.row_bytes), np.int8)
        return np.lib.stride_tricks.sliding_window_view(rows, self.rows, axis=0)[:: self.settings.hop].transpose(0, 2, 1)

    def check(self, graph: Graph) -> None:
        """Check that ``graph`` takes what the source gives, and gives what the task decides by.

        :raises UserError: if not.
        """
        self.source.check(graph)
        self.task.check(graph, self.settings.smoothing)

    def to_json(self) -> dict[str, Any]:
        """What :func:`stream_from_json` reads; what the project has beside, source and detector, is not repeated."""
        return {"settings": self.settings.to_json() | self.task.to_json(), "rate": self.rate}


def stream_from_json(value: Mapping[str, Any], source: Preprocessing | None, detector: AnomalyDetector | None) -> Stream:
    """The stream that :meth:`Stream.to_json` wrote.

    :raises UserError: if it is damaged.
    """
    rate, settings = value.get("rate"), value.get("settings")
    if not isinstance(source, FrontEnd | RawInput) or not isinstance(settings, Mapping) or not isinstance(rate, float):
        raise UserError("stream: settings, a rate and what makes its input are needed; export the project again")
    task = classification_from_json(settings) if detector is None else AnomalyDetection(detector)
    return Stream(source, task, stream_settings_from_json(settings), rate)


def sound_stream(graph: Graph, front_end: FrontEnd, detector: AnomalyDetector | None = None) -> Stream | None:
    """The stream of a network of sounds of which nothing is known but its shapes, and what scores its output, if anything does;
    None where the output is neither scored nor a number for each of several classes, or sounds are too short or too long."""
    task = _classes_of(graph) if detector is None else AnomalyDetection(detector)
    if task is None or not can_stream(front_end):
        return None
    return Stream(front_end, task, default_settings(front_end.frames, task), float(front_end.settings.rate))


def _classes_of(graph: Graph) -> Classification | None:
    """Classes without names."""
    output = graph[graph.outputs[0]]
    several = len(graph.outputs) == 1 and output.dtype == "int8" and 1 < output.size <= MOST_CLASSES
    return Classification(tuple(map(str, range(output.size)))) if several and not gives_probabilities(graph) else None
