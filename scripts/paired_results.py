"""Two ways of finishing the same networks with the same seeds, compared in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np


class Paired(Protocol):
    """One network with one seed: the name of its ``data``, and ``accuracy`` (0..1) by way of finishing."""

    @property
    def data(self) -> str: ...

    @property
    def accuracy(self) -> Mapping[str, float]: ...


def data_names(results: Sequence[Paired]) -> list[str]:
    """In the order of their first results."""
    return list(dict.fromkeys(result.data for result in results))


def comparison(results: Sequence[Paired], rows: Mapping[str, tuple[str, str]]) -> list[str]:
    """The head of a table and its rows, by data set and over all: of each pair of ways the mean difference in points and its
    standard error over networks and seeds; then how many of these there are."""
    names = data_names(results)
    lines = [f"| points of int8 accuracy | {' | '.join(names)} | all |", "|---" * (len(names) + 2) + "|"]
    for row, (with_it, without) in rows.items():
        cells = [_difference([r for r in results if r.data in only], with_it, without) for only in (*([n] for n in names), names)]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    counts = [sum(r.data == name for r in results) for name in names]
    return [*lines, f"| networks times seeds | {' | '.join(map(str, (*counts, len(results))))} |"]


def _difference(results: Sequence[Paired], with_it: str, without: str) -> str:
    found = 100 * np.array([result.accuracy[with_it] - result.accuracy[without] for result in results])
    error = f" ± {found.std(ddof=1) / np.sqrt(len(found)):.2f}" if len(found) > 1 else ""
    return f"{found.mean():+.2f}{error}"
