"""Calibration as the product runs it: on networks of its own search spaces, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from codegen.ir import Graph, total_macs
from nas.executor import Executor
from search_spaces import ImageSpace

SHAPES = ((8, 8, 1), (16, 16, 1), (28, 28, 1), (32, 32, 3))
"""Inputs of the networks that calibration draws."""
MOST_MACS = 5_000_000
"""Larger networks are left out: they take long to emulate and tell nothing new of the operators."""


def sample_networks(number: int, seed: int) -> list[Graph]:
    """Shape-only graphs of ``number`` random networks, the shapes in turn."""
    rng = np.random.default_rng(seed)
    spaces = [ImageSpace(shape, 10) for shape in SHAPES]
    graphs: list[Graph] = []
    while len(graphs) < number:
        space = spaces[len(graphs) % len(spaces)]
        graph = space.graph(space.sample(rng))
        if total_macs(graph) <= MOST_MACS:
            graphs.append(graph)
    return graphs


def unordered_map(executor: Executor) -> Callable[[Callable[..., Any], Sequence[Any]], Iterator[tuple[int, Any]]]:
    """A map on the executor's workers that yields ``(index, result)`` as results come.

    :raises RuntimeError: from the iteration, with the error that ended a call.
    """

    def run(function: Callable[..., Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        tickets = {executor.submit(function, item): index for index, item in enumerate(items)}
        while tickets:
            outcome = executor.wait()
            index = tickets.pop(outcome.ticket)
            if outcome.error is not None:
                raise RuntimeError(f"item {index}: {outcome.error}")
            yield index, outcome.value

    return run
