"""A labelled data set in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nas.metrics import Metric
from nas.metrics.confusion import confusion_matrix, score
from nas.metrics.detection import auroc

Kind = Literal["image", "series", "audio", "vector"]
Task = Literal["classification", "anomaly detection"]


@dataclass(frozen=True, eq=False)
class Normalization:
    """How stored numbers become a network's input, channel by channel: ``(stored - offset) * scale`` in float32.

    ``offset`` and ``scale`` are float32 ``(C,)``, or ``(1,)`` where they are the same for all channels.
    """

    offset: NDArray[np.float32]
    scale: NDArray[np.float32]

    def __call__(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """``stored`` ``(..., C)`` → float32 of the same shape."""
        x: NDArray[np.float32] = (stored.astype(np.float32) - self.offset) * self.scale
        return x

    def to_json(self) -> dict[str, list[float]]:
        """``offset`` and ``scale`` as lists."""
        return {"offset": [float(value) for value in self.offset], "scale": [float(value) for value in self.scale]}


@dataclass(frozen=True, eq=False)
class Groups:
    """What examples must not be torn apart by a split, such as the speaker: ``names[of[i]]`` is the group of example ``i``."""

    kind: str
    names: tuple[str, ...]
    of: NDArray[np.int64]

    def subset(self, indices: NDArray[np.intp]) -> Groups:
        """The groups of the examples at ``indices``."""
        return replace(self, of=self.of[indices])


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples with their classes.

    ``stored`` ``(N, H, W, C)`` holds uint8, int16 or float32 numbers that ``normalization`` turns into the network's input (None:
    they are it already); int8 ones are that input quantised, and ``normalization`` is its grid. A series or a sound lies along W,
    ``(N, 1, samples, channels)``; a vector along C, ``(N, 1, 1, values)``. ``y`` int64 ``(N,)``, indices into ``classes``. ``rate``
    in samples a second; ``step`` in samples from one window of a recording to the next (None: there are no others). ``validation``
    marks the examples that a given split sets aside for validation; ``variants`` ``(K, N, H, W, C)`` are the examples varied K
    times, for trainings that augment. ``split`` says in words how the data was divided. ``hash`` identifies the content of the
    files. ``metric`` is what networks are judged by. For anomaly detection ``normal`` is the class to train on.
    """

    name: str
    kind: Kind
    input_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    stored: NDArray[Any]
    y: NDArray[np.int64]
    normalization: Normalization | None = None
    groups: Groups | None = None
    validation: NDArray[np.bool_] | None = None
    variants: NDArray[Any] | None = None
    channels: tuple[str, ...] = ()
    rate: float | None = None
    step: int | None = None
    split: str = ""
    hash: str | None = None
    metric: Metric = "accuracy"
    normal: int | None = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def x(self) -> NDArray[np.float32]:
        """The network's inputs, float32 ``(N, H, W, C)``; images in 0..1. Computed anew at each access."""
        return self.stored if self.normalization is None else self.normalization(self.stored)

    @property
    def task(self) -> Task:
        """What is learnt: anomaly detection where a class is :attr:`normal`."""
        return "classification" if self.normal is None else "anomaly detection"

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """Which examples ``(N,)`` are not of the :attr:`normal` class."""
        anomalous: NDArray[np.bool_] = self.y != self.normal
        return anomalous

    def normal_examples(self) -> Dataset:
        """Those of the :attr:`normal` class."""
        return self.subset(np.flatnonzero(~self.anomalous))

    def score(self, answers: NDArray[Any]) -> float:
        """The :attr:`metric` (0..1) of a network's answers ``(N,)``: for each example its class, or how anomalous it is."""
        if self.metric == "auroc":
            return auroc(self.anomalous, answers)
        return float(score(self.metric, confusion_matrix(self.y, answers, len(self.classes))))

    @property
    def grid(self) -> tuple[float, float] | None:
        """The least and the largest number that int8 examples, or the bytes of images, stand for; None for others, whose range the
        data shows."""
        norm, bytes_ = self.normalization, self.kind == "image" and self.stored.dtype == np.uint8
        if norm is None or not (bytes_ or self.stored.dtype == np.int8):
            return None
        ends = (0, 255) if bytes_ else (-128, 127)
        low, high = norm(np.array(ends, self.stored.dtype)[:, None]).ravel().tolist()
        return low, high

    def about_input(self) -> dict[str, Any]:
        """What firmware has to know to make inputs and to read outputs: ``normalization`` of raw numbers, channel by channel in the
        order of ``channels`` (None: they are taken as they are, as samples of sound), ``rate`` in samples a second, ``step`` in
        samples from one window of a recording to the next (None: not cut into windows), ``classes`` in the order of the outputs,
        ``normal`` the class that an autoencoder learnt from."""
        return {
            "kind": self.kind,
            "input_shape": list(self.input_shape),
            "classes": list(self.classes),
            "normal": None if self.normal is None else self.classes[self.normal],
            "channels": list(self.channels),
            "rate": self.rate,
            "step": self.step,
            "normalization": None if self.normalization is None or self.kind == "audio" else self.normalization.to_json(),
        }

    def subset(self, indices: NDArray[np.intp]) -> Dataset:
        """The examples at ``indices``, in that order."""
        return replace(
            self,
            stored=self.stored[indices],
            y=self.y[indices],
            groups=None if self.groups is None else self.groups.subset(indices),
            validation=None if self.validation is None else self.validation[indices],
            variants=None if self.variants is None else self.variants[:, indices],
        )

    def joined(self, other: Dataset) -> Dataset:
        """These examples and behind them those of ``other``, another part of the same data."""
        groups = None
        if self.groups is not None and other.groups is not None:
            groups = replace(self.groups, of=np.concatenate([self.groups.of, other.groups.of]))
        return replace(
            self,
            stored=np.concatenate([self.stored, other.stored]),
            y=np.concatenate([self.y, other.y]),
            groups=groups,
            validation=None,
            variants=None,
        )
