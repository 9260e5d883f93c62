"""Anomalies: what an autoencoder that was trained on normal examples reconstructs badly; its score, and some to validate on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
LEAST_PART, MOST_PART = 0.2, 0.8
"""Of an axis, how much an anomaly made here takes."""
GAINS = (0.3, 2.5)
SEED = 20_000


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


def with_anomalies(normal: Dataset, seed: int) -> Dataset:
    """The ``normal`` examples and as many anomalies made of them, for there are none to validate on.

    In a random box of each, and half of its channels, either a box of another example is pasted (as CutPaste does with images, Li
    et al. 2021, https://arxiv.org/abs/2104.04015) or the deviation from the mean is made smaller or larger. Networks are only
    ranked by how well they tell these; the error on normal examples alone ranks them worse, as networks that reconstruct anything
    are best at it.
    """
    assert normal.normal is not None
    rng = np.random.default_rng(SEED + seed)
    made = np.stack([_anomaly(normal.stored, index, rng) for index in range(len(normal))])
    other = next(label for label in range(len(normal.classes)) if label != normal.normal)
    twice = normal.subset(np.concatenate([np.arange(len(normal))] * 2))
    y = np.concatenate([normal.y, np.full(len(normal), other)])
    return replace(twice, stored=np.concatenate([normal.stored, made]), y=y)


def _anomaly(stored: NDArray[Any], index: int, rng: np.random.Generator) -> NDArray[Any]:
    example = stored[index].astype(np.float64)
    sides = [max(1, round(size * rng.uniform(LEAST_PART, MOST_PART))) for size in example.shape[:2]]
    to = tuple(_place(rng, size, side) for size, side in zip(example.shape, sides, strict=False))
    channels = np.flatnonzero(rng.random(example.shape[2]) < 0.5)
    if not len(channels):
        channels = rng.integers(example.shape[2], size=1)
    if rng.random() < 0.5:
        source = tuple(_place(rng, size, side) for size, side in zip(example.shape, sides, strict=False))
        example[(*to, channels)] = stored[rng.integers(len(stored))][(*source, channels)]
    else:
        part = example[(*to, channels)]
        mean = part.mean(axis=(0, 1), keepdims=True)
        example[(*to, channels)] = mean + (part - mean) * rng.choice(GAINS)
    if np.issubdtype(stored.dtype, np.integer):
        limits = np.iinfo(stored.dtype)
        example = np.clip(np.rint(example), limits.min, limits.max)
    made: NDArray[Any] = example.astype(stored.dtype)
    return made


def _place(rng: np.random.Generator, size: int, side: int) -> slice:
    begin = int(rng.integers(size - side + 1))
    return slice(begin, begin + side)


def alarm_threshold(scores: NDArray[np.float64]) -> float:
    """The score of one of these normal examples, above which :data:`FALSE_ALARMS` of them lie."""
    return float(np.quantile(scores, 1 - FALSE_ALARMS, method="lower"))
