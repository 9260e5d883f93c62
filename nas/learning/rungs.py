"""Rungs of a training: epochs after which it is stopped where it is hopeless."""

from __future__ import annotations

from collections.abc import Mapping

Thresholds = Mapping[int, float]
"""By epoch, what a training must have reached then to go on."""


def rungs_of(epochs: int) -> tuple[int, ...]:
    """A quarter and a half of a training of so many epochs, where these are whole ones."""
    return tuple(sorted({epochs // 4, epochs // 2} - {0}))


def misses(thresholds: Thresholds, epoch: int, value: float) -> bool:
    """Whether a training that has come to ``value`` after ``epoch`` ends there; NaN is no value that reaches anything."""
    return epoch in thresholds and not value >= thresholds[epoch]
