"""How good a cost model is, measured on what it was not fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

EMULATOR = "the emulator"
"""What counts cycles unless a board does."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """``mape``: mean absolute error relative to the measured value (0.01 = 1 %); ``spearman``: rank correlation; ``worst``: largest
    relative error; ``coverage``: share inside the 95 % interval, None where the figure has none; ``n``: how many were compared."""

    n: int
    mape: float
    worst: float
    spearman: float
    coverage: float | None = None

    @staticmethod
    def of(predicted: Sequence[float], measured: Sequence[float], coverage: float | None = None) -> Accuracy:
        """Compare predictions with measurements (all above 0)."""
        p, m = np.asarray(predicted, dtype=np.float64), np.asarray(measured, dtype=np.float64)
        errors = np.abs(p / m - 1)
        return Accuracy(
            n=len(p),
            mape=_short(errors.mean()),
            worst=_short(errors.max()),
            spearman=_short(spearman(p, m)),
            coverage=None if coverage is None else _short(coverage),
        )


@dataclass(frozen=True, slots=True)
class Card:
    """Accuracy by name, for example ``cycles of networks``; ``arena_exact`` says whether every predicted arena was the built one,
    ``stack_gap`` holds the smallest and the largest difference, predicted bound less measured, in bytes. ``measured_by`` says what
    counted the cycles: the emulator, or a board with the memory that it ran from; everything else is the emulator's."""

    figures: Mapping[str, Accuracy]
    arena_exact: bool
    stack_gap: tuple[int, int]
    measured_by: str = EMULATOR

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "figures": {name: asdict(figure) for name, figure in self.figures.items()},
            "arena_exact": self.arena_exact,
            "stack_gap": list(self.stack_gap),
            "measured_by": self.measured_by,
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Card:
        """The inverse of :meth:`to_json`."""
        low, high = content["stack_gap"]
        figures = {name: Accuracy(**figure) for name, figure in content["figures"].items()}
        return Card(figures, content["arena_exact"], (low, high), content.get("measured_by", EMULATOR))  # older files lack it

    def render(self) -> str:
        """A table for people."""
        width = max(len(name) for name in self.figures)
        lines = [f"{'':{width}}  {'n':>5}  {'MAPE':>7}  {'worst':>7}  {'Spearman':>8}  {'in 95 % interval':>16}"]
        for name, f in self.figures.items():
            covered = "" if f.coverage is None else f"{100 * f.coverage:.1f} %"
            lines.append(
                f"{name:{width}}  {f.n:>5}  {100 * f.mape:>5.2f} %  {100 * f.worst:>5.1f} %  {f.spearman:>8.4f}  {covered:>16}"
            )
        lines.append(f"arena: {'exact on every network' if self.arena_exact else 'NOT exact'}")
        lines.append(f"stack: bound above measured by {self.stack_gap[0]} to {self.stack_gap[1]} bytes")
        lines.append(f"cycles: counted by {self.measured_by}")
        return "\n".join(lines)


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Rank correlation, ties sharing their mean rank; 1.0 where either side is constant and so has no order to get wrong."""
    ranks = [_ranks(a), _ranks(b)]
    if any(np.ptp(r) == 0 for r in ranks):
        return 1.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], dtype=np.float64)


def _short(value: float) -> float:
    return float(f"{value:.5g}")
