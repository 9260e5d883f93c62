"""Anomalies: what an autoencoder that was trained on normal examples reconstructs badly; its score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codegen.anomaly import AnomalyDetector, anomaly_detector
from codegen.ir import Graph
from nas.datasets import Dataset

FLOOR = 1e-4
"""Mean squared errors well below this are those of rounding to int8, of inputs with deviation 1."""
SCORE = f"largest of the channels' ln({FLOOR:g} + mean squared error of the reconstruction) less its median over normal examples"
FALSE_ALARMS = 0.01
"""Share of normal validation examples above the threshold of an alarm."""


def channel_errors(inputs: NDArray[np.float32], outputs: NDArray[np.float32], *, channels: bool) -> NDArray[np.float64]:
    """How badly each channel is reconstructed, ln(:data:`FLOOR` + mean squared error): ``inputs`` and ``outputs`` ``(N, H, W, C)``
    → ``(N, C)``. Without ``channels`` the values along ``C`` are one channel."""
    squares = (outputs.astype(np.float64) - inputs) ** 2
    errors: NDArray[np.float64] = np.log(FLOOR + squares.mean(axis=(1, 2) if channels else (1, 2, 3))).reshape(len(inputs), -1)
    return errors


def anomaly_scores(errors: NDArray[np.float64], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """How anomalous examples with these :func:`channel_errors` ``(N, C)`` are, ``(N,)``, see :data:`SCORE`; ``normal`` ``(M, C)``
    are the errors of normal examples. The source is with the integer form, :mod:`codegen.anomaly.detector`."""
    scores: NDArray[np.float64] = (errors - np.median(normal, axis=0)).max(axis=1)
    return scores


def unfitted_detector(graph: Graph, dataset: Dataset) -> AnomalyDetector:
    """The same score of the int8 network for ``dataset``, in integers, before normal examples say what is usual."""
    return anomaly_detector(graph, channels=has_channels(dataset), floor=FLOOR, threshold=0, false_alarms=FALSE_ALARMS)


def has_channels(dataset: Dataset) -> bool:
    """Whether ``C`` counts channels rather than the values of a vector."""
    return dataset.kind != "vector"


def alarm_threshold(scores: NDArray[np.float64]) -> float:
    """The score of one of these normal examples, above which :data:`FALSE_ALARMS` of them lie."""
    return float(np.quantile(scores, 1 - FALSE_ALARMS, method="lower"))
