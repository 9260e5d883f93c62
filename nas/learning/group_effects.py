"""How people, recordings or devices differ in the amplitude and the level of their series. Training examples are varied as far as
that: those whom a network will serve differ from those whom it learnt from as these do from one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.datasets import Dataset

LEAST_DEVIATION = 0.01
"""Of a window, where channels have deviation 1: below it, nothing happens that could have an amplitude."""


@dataclass(frozen=True)
class GroupAugmentation:
    """Windows as another group might have given them: each is brought to another amplitude, about its own mean, and another level.

    What is changed is drawn from a normal distribution with the covariance of the groups' effects (:func:`group_effects`), so that
    channels which are strong together stay so.
    """

    factor: tuple[tuple[float, ...], ...]
    """What standard normal numbers are multiplied by to give, for each channel, what is added to the logarithm of its amplitude and
    then, for each channel, to its level."""
    kind: str = "group"
    """What groups are: ``record``."""

    @classmethod
    def of(cls, data: Dataset) -> GroupAugmentation | None:
        """As the groups of a series differ; None where it has none or nothing says that they do."""
        if data.groups is None:
            return None
        effects = group_effects(data)
        if not effects.any():
            return None
        # The triangle of a QR decomposition has the same covariance, however many groups there are.
        factor = np.linalg.qr(effects.astype(np.float64), mode="r") / (len(effects) - 1) ** 0.5
        return cls(tuple(map(tuple, factor.tolist())), data.groups.kind)

    @property
    def words(self) -> str:
        """What it does, for reports."""
        return f"of another amplitude and level, as far as {self.kind}s differ in them, afresh for every batch"

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """``x`` float32 ``(N, C, 1, W)`` → the same shape; draws come from ``generator`` (on the CPU)."""
        n, channels = x.shape[:2]
        factor = torch.tensor(self.factor)
        drawn = (torch.randn(n, len(factor), generator=generator) @ factor)[:, :, None, None].to(x.device)
        level = x.mean(3, keepdim=True)
        varied: Tensor = (x - level) * torch.exp(drawn[:, :channels]) + level + drawn[:, channels:]
        return varied


def group_effects(data: Dataset) -> NDArray[np.float32]:
    """Of each group of a series, ``(groups, 2 C)``: how far the logarithm of each channel's amplitude (the deviation within a
    window) and each channel's level (the mean of a window) are off those of the other groups in windows of the same classes.

    Amplitude and level may tell classes, so classes are compared with themselves alone: a class that comes from one group says
    nothing. What groups differ by chance, their windows being few, is taken off by the ratio of variances, as in an analysis of
    variance: where that is all, effects are zero.
    """
    assert data.groups is not None
    x = data.x[:, 0]
    features = np.concatenate([np.log(np.maximum(x.std(1), LEAST_DEVIATION)), x.mean(1)], axis=1).astype(np.float64)
    groups, of = np.unique(data.groups.of, return_inverse=True)
    for label in np.unique(data.y):
        own = data.y == label
        features[own] -= _means(features[own], np.unique(of[own], return_inverse=True)[1]).mean(0)
    means, counts = _means(features, of), np.bincount(of)
    if len(groups) < 2 or len(data) == len(groups):
        return np.zeros_like(means, np.float32)
    within = ((features - means[of]) ** 2).sum(0) / (len(data) - len(groups))
    chance = within * (1 / counts).mean()
    real = np.clip(1 - chance / np.maximum(means.var(0, ddof=1), np.finfo(np.float64).tiny), 0, 1)
    effects: NDArray[np.float32] = ((means - means.mean(0)) * np.sqrt(real)).astype(np.float32)
    return effects


def _means(values: NDArray[np.float64], of: NDArray[np.intp]) -> NDArray[np.float64]:
    """The mean of the rows of each of the groups 0, 1, …"""
    sums = np.zeros((of.max() + 1, values.shape[1]))
    np.add.at(sums, of, values)
    means: NDArray[np.float64] = sums / np.bincount(of)[:, None]
    return means
