"""Why a network fits or does not: how near each limit is, which layers are to blame, which changes would make it fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cost_models.limits import Limits
from cost_models.prediction import Prediction
from nas.layer_shares import LayerShare, layer_shares
from nas.study.changes import Change, nearest_changes
from nas.study.feasibility import Feasibility
from nas.units import format_count, format_size
from search_spaces import Architecture

LARGEST = 3
"""Layers that are named for each figure."""
SHARES = {"ram": "ram", "flash": "flash", "latency": "cycles", "macs": "macs"}
"""The property of a layer's share that a limit is about."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that may be limited. ``predicted`` is the upper end of the prediction's interval, ``built`` what the built program
    needs (None: it was not built), ``bound`` the limit (None: there is none); in bytes, milliseconds or multiply-accumulates."""

    limit: str
    predicted: float
    built: float | None
    bound: float | None

    @property
    def value(self) -> float:
        """What counts: as built where that is known."""
        return self.predicted if self.built is None else self.built

    @property
    def share(self) -> float | None:
        """Of the limit that is used; above 1 it is broken."""
        return None if self.bound is None else self.value / self.bound if self.bound else float("inf")

    @property
    def broken(self) -> bool:
        """Whether the limit is exceeded."""
        return self.bound is not None and self.value > self.bound

    def text(self, value: float) -> str:
        """A value of this figure with its unit."""
        if self.limit in ("ram", "flash"):
            return format_size(value)
        return f"{value:,.3f} ms" if self.limit == "latency" else format_count(value)

    def to_json(self) -> dict[str, float | bool | None]:
        """For ``nas explain --json``."""
        return {"predicted": self.predicted, "built": self.built, "limit": self.bound, "of_limit": self.share}


@dataclass(frozen=True, slots=True)
class Explanation:
    """An architecture's figures, the limit that is exceeded most or nearest first, its ``layers`` in order, and the ``changes``
    that would make it fit (none where it does)."""

    architecture: Architecture
    prediction: Prediction
    figures: tuple[Figure, ...]
    layers: tuple[LayerShare, ...]
    changes: tuple[Change, ...]

    @property
    def fits(self) -> bool:
        """Whether every limit is kept."""
        return not any(figure.broken for figure in self.figures)

    def largest(self, limit: str) -> list[LayerShare]:
        """The layers that take most of what the limit is about, largest first."""
        return largest(self.layers, limit)

    def to_json(self) -> dict[str, Any]:
        """The object that ``nas explain --json`` prints."""
        return {
            "fits": self.fits,
            "board": self.prediction.board,
            "confidence": self.prediction.confidence,
            "architecture": self.architecture.id,
            "params": dict(self.architecture.values),
            "figures": {figure.limit: figure.to_json() for figure in self.figures},
            "binding": self.figures[0].limit if self.figures[0].bound is not None else None,
            "layers": [layer.to_json() for layer in self.layers],
            "changes": [change.to_json() for change in self.changes],
        }


def largest(layers: Sequence[LayerShare], limit: str) -> list[LayerShare]:
    """Of ``layers`` those that take most of what the limit is about, largest first."""
    ordered = sorted(layers, key=lambda layer: -layer_amount(layer, limit))
    return [layer for layer in ordered[:LARGEST] if layer_amount(layer, limit)]


def layer_amount(layer: LayerShare, limit: str) -> int:
    """What ``layer`` takes of what the limit is about: bytes, cycles or multiply-accumulates."""
    amount: int = getattr(layer, SHARES[limit])
    return amount


def explain(fits: Feasibility, architecture: Architecture, built: Mapping[str, Any] | None = None) -> Explanation:
    """Explain ``architecture``, of which ``built`` (as ``nas verify --json`` prints it) is known if it was built."""
    prediction = fits.predict(architecture)
    figures = sorted(_figures(prediction, fits.limits, built), key=lambda figure: -(figure.share or 0.0))
    changes: list[Change] = []
    if any(figure.broken for figure in figures):
        changes = nearest_changes(_as_built(fits, figures), architecture)
    return Explanation(architecture, prediction, tuple(figures), shares(fits, architecture), tuple(changes))


def shares(fits: Feasibility, architecture: Architecture) -> tuple[LayerShare, ...]:
    """What each layer takes; before them, where sounds are made the network's input, what that adds to the network."""
    layers = layer_shares(fits.space.graph(architecture), fits.cost_model, fits.board)
    whole, network = fits.predict(architecture), fits.network(architecture)
    if whole == network:
        return layers
    ram, flash = whole.ram.total - network.ram.total, whole.flash.value - network.flash.value
    cycles = whole.cycles.value - network.cycles.value
    return (LayerShare("features", "front end", 0, ram, round(flash), 0, round(cycles)), *layers)


def _figures(prediction: Prediction, limits: Limits, built: Mapping[str, Any] | None) -> Iterator[Figure]:
    measured: Mapping[str, float] = {}
    if built is not None:
        measured = {
            "ram": built["ram"]["total"],
            "flash": built["flash"]["total"],
            "latency": built["latency_ms"],
            "macs": built["macs"],
        }
    for limit, predicted, bound in (
        ("ram", float(prediction.ram.total), limits.ram),
        ("flash", prediction.flash.high, limits.flash),
        ("latency", prediction.latency_ms.high, limits.latency_ms),
        ("macs", float(prediction.macs), limits.macs),
    ):
        yield Figure(limit, predicted, measured.get(limit), bound)


def _as_built(fits: Feasibility, figures: list[Figure]) -> Feasibility:
    """With limits as much tighter as the built program needs more than was predicted: its neighbours will, too."""

    def tighter(limit: str, bound: float | None) -> float | None:
        figure = next(figure for figure in figures if figure.limit == limit)
        if bound is None or figure.built is None or figure.built <= figure.predicted:
            return bound
        return bound * figure.predicted / figure.built

    def whole(limit: str, bound: int | None) -> int | None:
        value = tighter(limit, bound)
        return None if value is None else int(value)

    given = fits.limits
    limits = Limits(
        whole("ram", given.ram), whole("flash", given.flash), tighter("latency", given.latency_ms), whole("macs", given.macs)
    )
    return fits if limits == given else fits.replaced(limits=limits)
