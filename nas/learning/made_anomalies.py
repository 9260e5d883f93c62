"""Anomalies made of normal examples: as there are no real ones to validate on, autoencoders are ranked by how well they tell these.

So do Goswami et al., *Unsupervised model selection for time-series anomaly detection*, ICLR 2023, https://arxiv.org/abs/2210.01078.
They rank, and only that. The error on normal examples alone ranks worse, as networks that reconstruct anything are best at it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.datasets import Dataset
from nas.datasets._base import Kind

SEED = 20_000
LEAST_PART, MOST_PART = 0.2, 0.8
"""Of an axis, how much a box takes."""
GAINS = (0.3, 2.5)
LEAST_SHIFT, MOST_SHIFT = 0.1, 1.0
"""Of the deviation of normal levels, how far a level is shifted: from what only the other channels can tell to what is rare."""
LEAST_SHARE, MOST_SHARE = 0.3, 0.7
"""Of another example in a mixture."""


@dataclass(frozen=True)
class NormalExamples:
    """What anomalies are made of: ``stored`` ``(N, H, W, C)``."""

    stored: NDArray[Any]

    def __getitem__(self, index: int) -> NDArray[np.float64]:
        """A copy of an example, ``(H, W, C)``."""
        example: NDArray[np.float64] = self.stored[index].astype(np.float64)
        return example

    @cached_property
    def level_deviation(self) -> NDArray[np.float64]:
        """How much the mean of a channel differs from example to example, ``(C,)``, at least its standard error within an example:
        examples that were brought to one level do not differ."""
        values = self.stored.astype(np.float64)
        standard_error = values.std(axis=(1, 2)).mean(axis=0) / np.sqrt(values[0, ..., 0].size)
        deviation: NDArray[np.float64] = np.maximum(values.mean(axis=(1, 2)).std(axis=0), standard_error)
        return deviation


Maker = Callable[[NormalExamples, int, np.random.Generator], NDArray[np.float64]]
"""An anomaly ``(H, W, C)`` made of the example at an index."""


def with_anomalies(normal: Dataset, seed: int, makers: tuple[Maker, ...] | None = None) -> Dataset:
    """The ``normal`` examples and as many anomalies made of them, each by one of the ``makers``, in turn (None: those that suit the
    kind of data)."""
    assert normal.normal is not None
    examples, rng = NormalExamples(normal.stored), np.random.default_rng(SEED + seed)
    makers = makers or makers_for(normal.kind)
    made = [makers[index % len(makers)](examples, index, rng) for index in range(len(normal))]
    other = next(label for label in range(len(normal.classes)) if label != normal.normal)
    twice = normal.subset(np.concatenate([np.arange(len(normal))] * 2))
    y = np.concatenate([normal.y, np.full(len(normal), other)])
    return replace(twice, stored=np.concatenate([normal.stored, _as_stored(np.stack(made), normal.stored.dtype)]), y=y)


def makers_for(kind: Kind) -> tuple[Maker, ...]:
    """What suits: in images and sounds something is wrong in a place. What is wrong with a machine outlasts a window of its
    sensors, and a box in one has edges that are easier to tell."""
    return (box,) if kind in ("image", "audio") else (shifted_level, mixture)


def shifted_level(examples: NormalExamples, index: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """About half of the channels each get another level, by a part of the deviation that their level has among the examples."""
    made = examples[index]
    channels = _some_channels(made.shape[2], rng)
    part = np.exp(rng.uniform(np.log(LEAST_SHIFT), np.log(MOST_SHIFT)))
    made[..., channels] += part * rng.choice([-1, 1], len(channels)) * examples.level_deviation[channels]
    return made


def mixture(examples: NormalExamples, index: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """About half of the channels are mixed with those of another example, so that they no longer go with the others."""
    made, count = examples[index], len(examples.stored)
    channels = _some_channels(made.shape[2], rng)
    other = examples[(index + int(rng.integers(1, max(2, count)))) % count]
    made[..., channels] += rng.uniform(LEAST_SHARE, MOST_SHARE) * (other - made)[..., channels]
    return made


def box(examples: NormalExamples, index: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """In a random box of about half of the channels either a box of another example is pasted (as CutPaste does with images, Li et
    al. 2021, https://arxiv.org/abs/2104.04015) or the deviation from the mean is made smaller or larger."""
    made = examples[index]
    height, width = (max(1, round(size * rng.uniform(LEAST_PART, MOST_PART))) for size in made.shape[:2])
    rows, columns = _place(rng, made.shape[0], height), _place(rng, made.shape[1], width)
    channels = _some_channels(made.shape[2], rng)
    if rng.random() < 0.5:
        from_rows, from_columns = _place(rng, made.shape[0], height), _place(rng, made.shape[1], width)
        made[rows, columns, channels] = examples[int(rng.integers(len(examples.stored)))][from_rows, from_columns, channels]
    else:
        part = made[rows, columns, channels]
        mean = part.mean(axis=(0, 1), keepdims=True)
        made[rows, columns, channels] = mean + (part - mean) * rng.choice(GAINS)
    return made


def _some_channels(count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    channels = np.flatnonzero(rng.random(count) < 0.5)
    return channels if len(channels) else rng.integers(count, size=1)


def _place(rng: np.random.Generator, size: int, side: int) -> slice:
    begin = int(rng.integers(size - side + 1))
    return slice(begin, begin + side)


def _as_stored(made: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        made = np.clip(np.rint(made), limits.min, limits.max)
    return made.astype(dtype)
