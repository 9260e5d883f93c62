"""Whether something is wrong: the smoothed score of a reconstruction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codegen.anomaly import AnomalyDetector
from codegen.errors import UserError
from codegen.ir import Graph
from codegen.streaming.task import Field, Task
from codegen.streaming.templates import render

ALARM = "alarm"
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class AnomalyDetection(Task):
    """There is an alarm where the mean of the ``detector``'s integer scores is above the threshold."""

    detector: AnomalyDetector

    value_type: ClassVar[str] = "uint32"
    threshold_type: ClassVar[str] = "int32"

    @property
    def names(self) -> tuple[str, ...]:
        return (ALARM,)

    @property
    def width(self) -> int:
        return 1

    @property
    def most_threshold(self) -> int:
        return _MOST

    @property
    def usual_threshold(self) -> int:
        """That of single windows, which means pass more rarely."""
        return self.detector.threshold

    def usual_smoothing(self, window: int) -> int:
        """As many as a window: what is wrong lasts, and what is right varies less in the mean."""
        return window

    def check(self, graph: Graph, smoothing: int) -> None:
        values = self.detector.channels * self.detector.places
        if [graph[name].size for name in (*graph.inputs, *graph.outputs)] != [values, values]:
            raise UserError(f"stream: the detector scores reconstructions of {values} values, which the network does not make")
        if smoothing * self.detector.most >= 2**32:
            raise UserError(f"stream: sums of {smoothing} scores of {self.detector.channels} channels exceed 32 bits; smooth less")

    def scores(self, inputs: NDArray[np.int8], outputs: NDArray[np.int8]) -> NDArray[np.int64]:
        """The detector's, ``(n, 1)``."""
        return self.detector(inputs, outputs)[:, None]

    def values(self, graph: Graph, scores: NDArray[Any]) -> NDArray[np.int64]:
        """The scores as they are."""
        return scores

    def certain(self, means: NDArray[np.int64], threshold: int) -> NDArray[np.int64]:
        return np.where(means[:, 0] > threshold, 0, -1)

    def real(self, values: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.detector.real(values)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The score of the last window alone, and the mean."""
        return ("score", "<i4"), ("mean", "<i4")

    def known(self, scores: NDArray[Any], means: NDArray[np.int64]) -> NDArray[Any]:
        records = np.zeros(len(scores), list(self.fields))
        records["score"], records["mean"] = scores[:, 0], means[:, 0]
        return records

    def said(self, known: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        score, mean = (known[name].astype(np.int64) for name in ("score", "mean"))
        return np.zeros_like(mean), mean, score[:, None]

    def c_texts(self, graph: Graph, name: str) -> Mapping[str, object]:
        return {
            "width": "NN_STREAM_VALUES",
            "include": f'#include "{name}_anomaly.h"\n',
            "began": "an alarm began, at a score of stream.mean",
            "about": f"What a score is {name}_anomaly.h tells.",
            "constants": "#define NN_STREAM_VALUES 1\n",
            "options": render("anomaly_detection_options.h"),
            "fields": render("anomaly_detection_fields.h"),
            "functions": "",
            "no_threshold": "options->threshold < 0",
            "decide": render("anomaly_detection.c"),
        }

    def to_json(self) -> dict[str, Any]:
        """Nothing: a project has its detector beside."""
        return {}
