"""What a cost model says of a network before it is built."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from codegen.measurement import Ram

if TYPE_CHECKING:
    from cost_models.limits import Limits


class Interval(NamedTuple):
    """An estimate with the two ends of its interval at the prediction's confidence; ``low <= value <= high``."""

    value: float
    low: float
    high: float

    def scaled(self, factor: float) -> Interval:
        """The same interval in another unit."""
        return Interval(self.value * factor, self.low * factor, self.high * factor)

    def __contains__(self, measured: float) -> bool:  # type: ignore[override]
        return self.low <= measured <= self.high

    def to_json(self) -> dict[str, float]:
        """``value``, ``low`` and ``high``, to six significant digits."""
        return {key: float(f"{getattr(self, key):.6g}") for key in ("value", "low", "high")}


@dataclass(frozen=True, slots=True)
class LayerPrediction:
    """One layer's share: cycles, bytes of code (0 where an earlier layer has the same function), constants and stack."""

    name: str
    op: str
    kernel: str
    macs: int
    cycles: float
    code: float
    constants: int
    stack: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """RAM, flash, cycles and latency of one network on one board.

    ``ram.arena`` (with its parts ``io`` and ``scratch``) and ``ram.static`` are exact, ``ram.stack`` is an upper bound.
    ``flash`` is in bytes, ``cycles`` per inference as the emulator counts them, ``latency_ms`` in milliseconds on the board.
    ``layers`` is empty where a chain was predicted.
    """

    board: str
    core: str
    confidence: float
    macs: int
    ram: Ram
    flash: Interval
    cycles: Interval
    latency_ms: Interval
    layers: tuple[LayerPrediction, ...]

    def to_json(self, limits: Limits | None = None) -> dict[str, Any]:
        """The object that ``nas predict --json`` prints; ``fits`` is null where there is no limit."""
        from cost_models.limits import Limits, violations

        limits = limits or Limits()
        broken = {v.limit for v in violations(self, limits)}
        bounds = {"ram": limits.ram, "flash": limits.flash, "latency": limits.latency_ms}
        flash = {"value": round(self.flash.value), "low": math.floor(self.flash.low), "high": math.ceil(self.flash.high)}
        return {
            "board": self.board,
            "core": self.core,
            "confidence": self.confidence,
            "macs": self.macs,
            "ram": self.ram.to_json(),
            "flash": flash,
            "cycles": {key: round(value) for key, value in self.cycles.to_json().items()},
            "latency_ms": self.latency_ms.to_json(),
            "fits": {key: None if bound is None else key not in broken for key, bound in bounds.items()},
        }
