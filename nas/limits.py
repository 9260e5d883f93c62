"""Limits of a network as people give them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegen.boards import Board
    from cost_models.limits import Limits


def make_limits(board: Board, *, budget: int | None, flash: int | None, latency: float | None, macs: int | None) -> Limits:
    """Limits of a run: an option given by hand is taken as it is; otherwise the board's memory less what its file reserves.

    ``budget`` and ``flash`` are in bytes, ``latency`` in seconds.
    """
    return limits_of(board, given_limits(budget=budget, flash=flash, latency=latency, macs=macs))


def given_limits(*, budget: int | None, flash: int | None, latency: float | None, macs: int | None) -> Limits:
    """The limits that are given and no others; units as for :func:`make_limits`."""
    from cost_models.limits import Limits

    return Limits(budget, flash, None if latency is None else 1e3 * latency, macs)


def limits_of(board: Board, given: Limits) -> Limits:
    """The limits that are ``given``; of RAM and flash, where none is, the board's memory less what its file reserves."""
    return replace(
        given,
        ram=board.available_ram if given.ram is None else given.ram,
        flash=board.available_flash if given.flash is None else given.flash,
    )
