"""Which architectures fit: the cost model's answer, before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.boards import Board
from cost_models import CostModel
from cost_models.limits import Limits, violations
from cost_models.prediction import Prediction
from nas.study.front_end_charge import promise, with_front_end
from nas.units import format_count, format_duration, format_size
from search_spaces import Architecture, SearchSpace

if TYPE_CHECKING:
    from codegen.features import Preprocessing

MOST_KNOWN = 1 << 16
"""Predictions that are remembered; with more, all are forgotten: a sampler may look at a hundred candidates for one trial."""
DESCENT = 300
"""Steps to look for a network that fits where the smallest one does not."""
OPTION = {"ram": "--budget", "flash": "--flash", "latency": "--latency", "macs": "--macs"}


def describe(limit: str, value: float) -> str:
    """A value of a limit with its unit: ``812 bytes (0.8 KB) of RAM``."""
    if limit in ("ram", "flash"):
        size = f"{value:,.0f} bytes" if value < 1024 else f"{value:,.0f} bytes ({format_size(value)})"
        return f"{size} of {'RAM' if limit == 'ram' else 'flash'}"
    if limit == "latency":
        return f"{format_duration(value / 1e3)} an inference"
    return f"{format_count(value)} MACs"


class Feasibility:
    """The ``fits`` callable of the samplers: names of the limits that an architecture's prediction breaks, empty where it fits.

    With ``front_ends``, which make the networks' inputs of raw numbers, predictions are of features and network together.
    """

    def __init__(
        self,
        space: SearchSpace,
        cost_model: CostModel,
        board: Board,
        limits: Limits,
        confidence: float,
        front_ends: Callable[[Any], Preprocessing] | None = None,
    ) -> None:
        self.space = space
        self.front_ends = front_ends
        self.cost_model = cost_model
        self.board = board
        self.limits = limits
        self.confidence = confidence
        self._known: dict[Architecture, Prediction] = {}

    def replaced(self, *, cost_model: CostModel | None = None, limits: Limits | None = None) -> Feasibility:
        """The same with another cost model or other limits."""
        return Feasibility(
            self.space, cost_model or self.cost_model, self.board, limits or self.limits, self.confidence, self.front_ends
        )

    def predict(self, architecture: Architecture) -> Prediction:
        """The cost model's prediction for ``architecture``; remembered."""
        prediction = self._known.get(architecture)
        if prediction is None:
            prediction = self._known[architecture] = self._predict(architecture)
        return prediction

    def _predict(self, architecture: Architecture) -> Prediction:
        return with_front_end(self.network(architecture), self._front_end(architecture), self.board, self.cost_model.optimize)

    def _front_end(self, architecture: Architecture) -> Preprocessing | None:
        return None if self.front_ends is None else self.front_ends(self.space.input(architecture))

    def network(self, architecture: Architecture) -> Prediction:
        """The cost model's prediction for the network alone."""
        return self.cost_model.predict_chain(self.space.chain(architecture), self.board, confidence=self.confidence)

    def __call__(self, architecture: Architecture) -> tuple[str, ...]:
        # Nobody asks for a rejected candidate again, and there may be a million of them: they are not remembered.
        prediction = self._known.get(architecture) or self._predict(architecture)
        broken = violations(prediction, self.limits)
        if not broken:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[architecture] = prediction
        return tuple(violation.limit for violation in broken)

    def promise(self, architecture: Architecture, limits: Limits | None = None) -> dict[str, Any]:
        """What ``nas predict --json`` prints of ``architecture``, with the network alone under ``network`` where it is a part."""
        return promise(self.network(architecture), self._front_end(architecture), self.board, self.cost_model.optimize, limits)

    def figures(self, architecture: Architecture) -> dict[str, Any]:
        """What a trial's user attributes say of ``architecture``: predicted MACs, bytes, cycles and milliseconds."""
        prediction = self.predict(architecture)
        return {
            "macs": prediction.macs,
            "ram": prediction.ram.total,
            "flash": round(prediction.flash.value),
            "cycles": round(prediction.cycles.value),
            "latency_ms": prediction.latency_ms.value,
        }

    def costs(self, architecture: Architecture) -> tuple[float, ...]:
        """Predicted multiply-accumulates, bytes of RAM and of flash, and milliseconds."""
        prediction = self.predict(architecture)
        return prediction.macs, prediction.ram.total, prediction.flash.value, prediction.latency_ms.value

    def modest(self) -> Architecture:
        """A network that fits if the smallest one does or a descent from it finds one, else the closest that it found.

        The network with the fewest weights does not need the least of everything.
        """
        rng = np.random.default_rng(0)
        closest = self.space.smallest()
        excess = self._excess(closest)
        for _ in range(DESCENT):
            if excess <= 0:
                break
            step = self.space.mutate(closest, rng)
            if self._excess(step) < excess:
                closest, excess = step, self._excess(step)
        return closest

    def _excess(self, architecture: Architecture) -> float:
        """By how much the limit is exceeded that is exceeded most, relative to it; 0 where none is."""
        broken = violations(self._predict(architecture), self.limits)
        return max((v.value / v.bound - 1 if v.bound else math.inf for v in broken), default=0.0)

    def margins(self, architecture: Architecture) -> dict[str, float]:
        """For each limit that is set, predicted upper end over the limit less one: Optuna's constraints (feasible up to 0)."""
        prediction = self.predict(architecture)
        values: tuple[tuple[str, float, float | None], ...] = (
            ("ram", prediction.ram.total, self.limits.ram),
            ("flash", prediction.flash.high, self.limits.flash),
            ("latency", prediction.latency_ms.high, self.limits.latency_ms),
            ("macs", prediction.macs, self.limits.macs),
        )
        return {name: value / bound - 1 for name, value, bound in values if bound is not None}
