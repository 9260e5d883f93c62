"""Networks that people draw by hand: a published shape, made narrower until it fits.

All layers become narrower alike, by the width multiplier of MobileNet (https://arxiv.org/abs/1704.04861, section 3.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PublishedNetwork:
    """A network that was published for the data of a family, in the parameters of its space.

    ``widths`` are those of the layers as published, ``values`` all other parameters, ``source`` says where. A space that has not
    quite what was published takes what is nearest.
    """

    name: str
    source: str
    widths: Mapping[str, int]
    values: Mapping[str, int | str]

    def multipliers(self, choices: Mapping[str, Sequence[int | str]]) -> list[float]:
        """The width multipliers at which a layer has one of its ``choices``, largest first.

        The largest is 1, or where the space has not such wide layers, what brings all of them into its range.
        """
        options = {name: [int(option) for option in choices[name]] for name in self.widths if name in choices}
        most = min([1.0, *(options[name][-1] / self.widths[name] for name in options)])
        exact = {option / self.widths[name] for name in options for option in options[name]}
        return sorted({most, *(multiplier for multiplier in exact if multiplier < most)}, reverse=True)

    def params(self, choices: Mapping[str, Sequence[int | str]], multiplier: float = 1.0) -> dict[str, int | str]:
        """The parameters at this multiplier, of those that are in ``choices``."""
        scaled = {name: multiplier * width for name, width in self.widths.items()}
        wanted: dict[str, float | str] = {**self.values, **scaled}
        return {name: _nearest(choices[name], value) for name, value in wanted.items() if name in choices}


def _nearest(options: Sequence[int | str], wanted: float | str) -> int | str:
    """The number nearest to the one that is wanted, of two the larger, as MobileNet rounds; a word is what it is."""
    if isinstance(wanted, str):
        return wanted
    return min((int(option) for option in options), key=lambda option: (abs(option - wanted), -option))
