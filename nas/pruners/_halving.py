"""Successive halving."""

from __future__ import annotations

from collections.abc import Sequence

from nas.pruners._base import STARTUP, Contest, RungPruner, everybody


class HalvingPruner(RungPruner):
    """Asynchronous successive halving in its stopping form (Li et al. 2020, https://arxiv.org/abs/1810.05934), which Optuna's
    ``SuccessiveHalvingPruner`` is, too: of the trials at a rung the best part goes on.

    :param reduction_factor: one in so many goes on; 2 by default.
    """

    def __init__(
        self,
        rungs: Sequence[int],
        *,
        lag: int = 1,
        contests: Sequence[Contest] = (everybody,),
        startup: int = STARTUP,
        reduction_factor: int = 2,
    ) -> None:
        super().__init__(rungs, lag=lag, contests=contests, startup=startup)
        if reduction_factor < 2:
            raise ValueError("reduction_factor must be at least 2")
        self.reduction_factor = reduction_factor

    def place(self, begun: int, reached: int) -> int:
        """Within the best part of those at the rung, the trial itself among them."""
        return max(1, (reached + 1) // self.reduction_factor)
