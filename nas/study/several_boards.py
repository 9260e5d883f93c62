"""Several boards of one search: a network is of use if it fits on one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cost_models.prediction import Prediction
from nas.study.feasibility import Feasibility
from search_spaces import Architecture

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class SeveralBoards:
    """What :class:`~nas.study.feasibility.Feasibility` says of one board, said of several; ``boards`` have one space."""

    def __init__(self, boards: Sequence[Feasibility]) -> None:
        self.boards = tuple(boards)
        self.space = boards[0].space

    def __call__(self, architecture: Architecture) -> tuple[str, ...]:
        broken = [fits(architecture) for fits in self.boards]
        return () if not all(broken) else tuple(dict.fromkeys(limit for limits in broken for limit in limits))

    def fitting(self, architecture: Architecture) -> tuple[Feasibility, ...]:
        """The boards on which ``architecture`` fits."""
        return tuple(fits for fits in self.boards if not fits(architecture))

    def predict(self, architecture: Architecture) -> Prediction:
        """The prediction for the first board on which it fits, or where it fits on none, for the first."""
        return next(iter(self.fitting(architecture)), self.boards[0]).predict(architecture)

    def costs(self, architecture: Architecture) -> tuple[float, ...]:
        """Those on the first board: how accurate a network is does not depend on the board."""
        return self.boards[0].costs(architecture)

    def margins(self, architecture: Architecture) -> dict[str, float]:
        """One constraint, which is kept (up to 0) where every limit of some board is."""
        exceeded = (max(fits.margins(architecture).values(), default=-1.0) for fits in self.boards)
        return {"boards": min(exceeded)}

    def figures(self, architecture: Architecture) -> dict[str, Any]:
        """For a trial's user attributes: MACs, and under :func:`attribute` of each board the other figures and whether it fits."""
        found: dict[str, Any] = {}
        for fits in self.boards:
            figures = fits.figures(architecture)
            found["macs"] = figures.pop("macs")
            found[attribute(fits.board.name)] = {"fits": not fits(architecture), **figures}
        return found


def attribute(board: str) -> str:
    """The name of a trial's user attribute with its figures on the board of this name."""
    return f"on {board}"


def figures_on(trial: FrozenTrial, board: str) -> Mapping[str, Any] | None:
    """The figures that were predicted of a trial on a board of its run; None where it does not fit there."""
    found = trial.user_attrs.get(attribute(board))
    if found is None:
        return trial.user_attrs  # of a run with one board, where every trial fits
    return {**found, "macs": trial.user_attrs["macs"]} if found["fits"] else None
