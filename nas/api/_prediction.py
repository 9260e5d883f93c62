"""What a cost model says of a network, with the limits that it is held against."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cost_models
from codegen.measurement import Ram
from cost_models.limits import Limits, violations
from cost_models.prediction import Interval
from nas.api._arguments import AnyPath, BoardLike, Count, Duration, Size, board_name, limits, naming_arguments
from nas.api._sources import AnySource, network_shapes
from nas.study.options import DEFAULTS

if TYPE_CHECKING:
    from codegen.int4 import WeightBits
    from codegen.optimize import Optimize


@dataclass(frozen=True, slots=True, repr=False)
class Prediction(cost_models.Prediction):
    """What a network is predicted to need: bytes of ``ram`` (exact, but for the stack, which is an upper bound) and of ``flash``,
    ``cycles`` and ``latency_ms`` (milliseconds) of an inference, with the two ends of their intervals at ``confidence``; ``macs``.

    ``limits`` are those that were given.
    """

    limits: Limits = field(default_factory=Limits)

    @property
    def fits(self) -> bool:
        """Whether the upper end of every interval keeps every limit that was given."""
        return not violations(self, self.limits)

    def __repr__(self) -> str:
        return (
            f"Prediction({self.board}, ram={self.ram.total}, flash={_interval(self.flash)}, cycles={_interval(self.cycles)}, "
            f"latency_ms={_interval(self.latency_ms)}, macs={self.macs}, confidence={self.confidence})"
        )

    def __str__(self) -> str:
        from nas.summary import prediction_text

        return prediction_text(self.to_json(self.limits), self.limits.to_json())


def prediction_from_json(content: Mapping[str, Any], limits: Limits) -> Prediction:
    """What :meth:`to_json` gave; the layers are not in it."""
    sizes = {key: value for key, value in content["ram"].items() if key != "total"}
    fields: dict[str, Any] = {key: content[key] for key in ("board", "core", "confidence", "macs")}
    fields |= {key: Interval(**content[key]) for key in ("flash", "cycles", "latency_ms")}
    return Prediction(**fields, ram=Ram(**sizes), layers=(), limits=limits)


@naming_arguments()
def predict(
    source: AnySource,
    calibration_data: object = None,
    board: BoardLike = DEFAULTS["board"],
    *,
    budget: Size | None = None,
    flash: Size | None = None,
    latency: Duration | None = None,
    macs: Count | None = None,
    optimize: Optimize = DEFAULTS["optimize"],
    weight_bits: WeightBits = DEFAULTS["weight_bits"],
    confidence: float = DEFAULTS["confidence"],
    model: AnyPath | None = None,
) -> Prediction:
    """Predict RAM, flash, cycles and latency of a network on a board. Nothing is built, and no weights matter.

    :param source: as for :func:`nas.export`.
    :param calibration_data: a torch module's inputs, as for :func:`nas.export`; their shape alone counts.
    :param board: a name of the catalogue, or the path of a board file.
    :param budget: most RAM in bytes, or like ``"64KB"``; with it, operators are computed in strips where that is needed.
    :param flash: most flash, like ``budget``.
    :param latency: longest inference in seconds, or like ``"50ms"``.
    :param macs: most multiply-accumulates, like ``"2.7M"``.
    :param optimize: what the C compiler optimises for.
    :param weight_bits: of a torch module's wide layers, as for :func:`nas.export`.
    :param confidence: of the intervals, 0.5 to 0.999.
    :param model: a cost model that ``nas calibrate`` wrote; by default what comes for the board's core.
    :raises UserError: if the source, the board or the cost model cannot be used.
    """
    from codegen.boards import load_board
    from cost_models import find_cost_model
    from nas.limits import given_limits
    from nas.study.front_end_charge import with_front_end
    from nas.study.options import check_choices

    check_choices({"optimize": optimize, "weight_bits": weight_bits, "confidence": confidence})
    where = load_board(board_name(board))
    given = given_limits(**limits(budget, flash, latency, macs))
    network = network_shapes(source, calibration_data, board_name(board), weight_bits)
    cost_model = find_cost_model(where, optimize, None if model is None else Path(model))
    alone = cost_model.predict(network.graph, where, confidence=confidence, ram_limit=given.ram)
    whole = with_front_end(alone, network.front_end, where, cost_model.optimize)
    fields = {field.name: getattr(whole, field.name) for field in dataclasses.fields(whole)}
    return Prediction(**fields, limits=given)


def _interval(interval: Interval) -> str:
    return f"{interval.value:.6g} ({interval.low:.6g} to {interval.high:.6g})"
