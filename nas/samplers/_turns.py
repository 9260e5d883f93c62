"""Several samplers of one study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.samplers._base import FeasibleSampler, NoFeasibleArchitectureError, Proposal, ProposingSampler

if TYPE_CHECKING:
    from optuna import Study


class TurnsSampler(ProposingSampler):
    """Samplers that take turns: trial *k* is the proposal of number *k* modulo their number, or where that finds nothing, the next.

    Each has limits of its own, and sees the results of all trials that keep them, whoever proposed them; so every set of limits
    gets its share of the trials, also where another one leaves more room.

    :param samplers: of one space and one lag.
    """

    def __init__(self, samplers: Sequence[FeasibleSampler]) -> None:
        self.space, self.lag = samplers[0].space, samplers[0].lag
        self._samplers = tuple(samplers)
        self._last: Proposal | None = None

    @property
    def title(self) -> str:
        """That of the samplers."""
        return self._samplers[0].title

    def propose(self, study: Study, number: int) -> Proposal:
        """The proposal of the sampler whose turn it is.

        :raises NoFeasibleArchitectureError: if none of them finds anything.
        """
        if self._last is not None and self._last.number == number:
            return self._last
        self._last = self._first(study, number, number % len(self._samplers))
        return self._last

    def _first(self, study: Study, number: int, turn: int, tried: int = 1) -> Proposal:
        try:
            return self._samplers[turn].propose(study, number)
        except NoFeasibleArchitectureError:
            if tried == len(self._samplers):
                raise
            return self._first(study, number, (turn + 1) % len(self._samplers), tried + 1)
