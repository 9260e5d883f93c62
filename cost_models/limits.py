"""Limits that a network must keep, and the check of a prediction against them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cost_models.prediction import Prediction

LimitName = Literal["ram", "flash", "latency", "macs"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper limits, each None where there is none: ``ram`` and ``flash`` in bytes, ``latency_ms`` in milliseconds."""

    ram: int | None = None
    flash: int | None = None
    latency_ms: float | None = None
    macs: int | None = None

    def to_json(self) -> dict[str, float | None]:
        """The object that reports hold under ``limits``."""
        return {"ram": self.ram, "flash": self.flash, "latency_ms": self.latency_ms, "macs": self.macs}


@dataclass(frozen=True, slots=True)
class Violation:
    """A limit that is broken: ``value`` (of a prediction the upper end) is above ``bound``, both in the limit's unit."""

    limit: LimitName
    value: float
    bound: float


def violations(prediction: Prediction, limits: Limits) -> tuple[Violation, ...]:
    """Every limit that the upper end of the prediction's interval breaks; empty where the network fits."""
    return _violations(prediction.ram.total, prediction.flash.high, prediction.latency_ms.high, prediction.macs, limits)


def built_violations(built: Mapping[str, Any], limits: Limits) -> tuple[Violation, ...]:
    """Every limit that a built program breaks, given as ``nas verify --json`` prints it."""
    return _violations(built["ram"]["total"], built["flash"]["total"], built["latency_ms"], built["macs"], limits)


def _violations(ram: float, flash: float, latency_ms: float, macs: float, limits: Limits) -> tuple[Violation, ...]:
    checks: tuple[tuple[LimitName, float, float | None], ...] = (
        ("ram", ram, limits.ram),
        ("flash", flash, limits.flash),
        ("latency", latency_ms, limits.latency_ms),
        ("macs", macs, limits.macs),
    )
    return tuple(Violation(name, value, bound) for name, value, bound in checks if bound is not None and value > bound)
