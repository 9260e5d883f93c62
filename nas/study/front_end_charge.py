"""Predictions of a network with what makes its input of raw numbers: limits are on both together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codegen.cores import find_core
from cost_models.prediction import Interval, Prediction

if TYPE_CHECKING:
    from codegen.boards import Board
    from codegen.features import Preprocessing
    from codegen.optimize import Optimize
    from cost_models.limits import Limits

FIGURES = ("ram", "flash", "cycles", "latency_ms", "macs")
"""What is stated of a network alone."""


def with_front_end(network: Prediction, front_end: Preprocessing | None, board: Board, optimize: Optimize) -> Prediction:
    """``network`` and its ``front_end``, if it has one, which was measured and is added to both ends of every interval.

    The arena and the front end's part of the flash, cycles and stack are those of the program as it will be built.
    """
    if front_end is None:
        return network
    from codegen.features.front_end_costs import front_end_costs

    costs = front_end_costs(front_end, find_core(board.core), optimize)
    ram, unknown = network.ram, board.stall.uncertainty
    time = board.latency_ms(costs.cycles, costs.flash_reads)
    return replace(
        network,
        ram=replace(
            ram,
            arena=front_end.arena_bytes(ram.arena),
            stack=max(ram.stack + costs.call, costs.stack),
            state=front_end.state_bytes,
        ),
        flash=_sum(network.flash, Interval(*(float(costs.flash.total),) * 3)),
        cycles=_sum(network.cycles, Interval(*(costs.cycles,) * 3)),
        latency_ms=_sum(network.latency_ms, Interval(time, time * (1 - unknown), time * (1 + unknown))),
    )


def _sum(a: Interval, b: Interval) -> Interval:
    return Interval(a.value + b.value, a.low + b.low, a.high + b.high)


def promise(
    network: Prediction, front_end: Preprocessing | None, board: Board, optimize: Optimize, limits: Limits | None = None
) -> dict[str, Any]:
    """What ``nas predict --json`` prints: of the program, with the network alone under ``network`` where that is not all of it."""
    if front_end is None:
        return network.to_json(limits)
    alone = network.to_json()
    return with_front_end(network, front_end, board, optimize).to_json(limits) | {"network": {key: alone[key] for key in FIGURES}}
