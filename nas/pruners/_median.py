"""The median rule."""

from __future__ import annotations

from nas.pruners._base import RungPruner


class MedianPruner(RungPruner):
    """A median stopping rule, after that of Google Vizier (Golovin et al. 2017, https://doi.org/10.1145/3097983.3098043, section
    3.2.2): a trial goes on where it is no worse than the median of all earlier trials at the same step.

    Trials that were stopped before the rung count as worse than those that reached it, so that half of all go on, not half of a
    half.
    """

    def place(self, begun: int, reached: int) -> int:
        """In the better half of all."""
        return (begun + 1) // 2
