"""Intervals from the errors on held-out networks: split conformal prediction with normalised scores.

Each held-out network gives a score, its error divided by the *spread* that the model itself expects for that network; the interval
of a new network is its prediction plus or minus its spread times a quantile of the scores. The rank of the quantile is the one
with a finite-sample guarantee (Lei et al. 2018, https://doi.org/10.1080/01621459.2017.1307116, section 2.2 and 5.2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from cost_models.prediction import Interval


def interval(value: float, half: float) -> Interval:
    """``value`` plus or minus ``half``; never below 0."""
    return Interval(value, max(0.0, value - half), value + half)


@dataclass(frozen=True, slots=True)
class Conformal:
    """``scores``: absolute errors of held-out networks divided by their spread, ascending."""

    scores: tuple[float, ...]

    @staticmethod
    def of(scores: Iterable[float]) -> Conformal:
        """From scores in any order."""
        return Conformal(tuple(sorted(float(f"{s:.5g}") for s in scores)))

    def quantile(self, confidence: float) -> float:
        """Factor for the spread at ``confidence`` (0 to 1, both excluded).

        Where so few networks were held out that no score has the rank, the largest is continued with the tail of a normal
        distribution.

        :raises ValueError: without any score.
        """
        n = len(self.scores)
        if n == 0:
            raise ValueError("an interval needs errors of held-out networks")
        rank = math.ceil((n + 1) * confidence)
        if rank <= n:
            return self.scores[rank - 1]
        reached = NormalDist().inv_cdf((1 + n / (n + 1)) / 2)
        return self.scores[-1] * NormalDist().inv_cdf((1 + confidence) / 2) / reached

    def interval(self, value: float, spread: float, confidence: float) -> Interval:
        """The interval around ``value``; never below 0."""
        return interval(value, spread * self.quantile(confidence))

    def coverage(self, confidence: float) -> float:
        """Share of the networks that are inside the interval which the *other* networks (two or more in all) give."""
        n = len(self.scores)
        others = (Conformal((*self.scores[:i], *self.scores[i + 1 :])) for i in range(n))
        return sum(score <= other.quantile(confidence) for score, other in zip(self.scores, others, strict=True)) / n
