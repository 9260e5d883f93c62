"""The order of operators that needs the least memory, where a graph has branches.

All orders are searched level by level: a state is the set of operators that have run, and of the orders that lead to a state only
the one with the lowest peak so far matters. That is exact as long as a level has few states; of many only the best are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from codegen.ir import Graph
from codegen.memory_plan import Demand
from codegen.views import Views, find_views

_STATES = 256
"""States of a level that are kept."""


class _State(NamedTuple):
    """After ``order`` has run, which took ``peak`` bytes at most, ``alive`` bytes are in use."""

    peak: int
    alive: int
    order: tuple[int, ...]


class _Read(NamedTuple):
    """An operator reads ``buffer`` and may let its output replace it, all but ``margin`` bytes (None: it may not)."""

    buffer: str
    margin: int | None


class _Step(NamedTuple):
    """An operator: those that must have run before (a bit each), the buffer it writes, scratch in bytes, what it reads."""

    after: int
    output: str | None
    scratch: int
    reads: tuple[_Read, ...]


def least_memory_order(graph: Graph, demands: Sequence[Demand]) -> Graph:
    """``graph`` with its operators in the order with the lowest estimated peak; ``graph`` itself where none beats its own.

    ``demands`` has one entry per operator. Shapes are enough.
    """
    if all(before.output in op.inputs for before, op in pairwise(graph.ops)):
        return graph
    views = find_views(graph)
    steps = _steps(graph, demands, views)
    search = _Search(graph, steps, views)
    given = search.start
    for index in range(len(steps)):
        given = search.run(given, (1 << index) - 1, index)
    level = {0: search.start}
    for _ in steps:
        following: dict[int, _State] = {}
        for ran, state in level.items():
            for index, step in enumerate(steps):
                if ran >> index & 1 or step.after & ~ran:
                    continue
                reached, now = search.run(state, ran, index), ran | 1 << index
                if now not in following or reached < following[now]:
                    following[now] = reached
        level = dict(sorted(following.items(), key=lambda item: item[1])[:_STATES])
    (best,) = level.values()
    return graph if best.peak >= given.peak else replace(graph, ops=tuple(graph.ops[i] for i in best.order))


class _Search:
    """What is alive between operators, whatever their order."""

    def __init__(self, graph: Graph, steps: Sequence[_Step], views: Views) -> None:
        self._steps = steps
        self._size = {owner: graph[owner].nbytes for owner, _ in views.places.values()}
        self._readers = dict.fromkeys(self._size, 0)
        self._writers = dict.fromkeys(self._size, 0)
        for index, step in enumerate(steps):
            for read in step.reads:
                self._readers[read.buffer] |= 1 << index
            if step.output is not None:
                self._writers[step.output] |= 1 << index
        inputs = {views.places[name][0] for name in graph.inputs}
        self._kept = {views.places[name][0] for name in graph.outputs}
        self._given = inputs
        alive = sum(self._size[owner] for owner in inputs)
        self.start = _State(alive, alive, ())

    def run(self, state: _State, ran: int, index: int) -> _State:
        """The state after one more operator."""
        step, now = self._steps[index], ran | 1 << index
        fresh = dead = saved = 0
        if step.output is not None and step.output not in self._given and not self._writers[step.output] & ran:
            fresh = self._size[step.output]
        for buffer, margin in step.reads:
            if buffer in self._kept or (self._readers[buffer] | self._writers[buffer]) & ~now:
                continue
            dead += self._size[buffer]
            if margin is not None:
                saved = max(saved, min(self._size[buffer], fresh) - margin)
        peak = max(state.peak, state.alive + fresh + step.scratch - saved)
        return _State(peak, state.alive + fresh - dead, (*state.order, index))


def _steps(graph: Graph, demands: Sequence[Demand], views: Views) -> list[_Step]:
    writer: dict[str, int] = {}
    steps = []
    for index, (op, demand) in enumerate(zip(graph.ops, demands, strict=True)):
        activations = [name for name in op.inputs if not graph[name].constant]
        after = 0
        for name in activations:
            if name in writer:
                after |= 1 << writer[name]
        writer[op.output] = index
        if op.name in views.free:
            steps.append(_Step(after, None, 0, ()))
            continue
        y = graph[op.output].nbytes
        leads = dict(zip(activations, demand.overlap, strict=False))
        reads = []
        for name in dict.fromkeys(activations):
            x, lead = graph[name].nbytes, leads.get(name)
            margin = None if lead is None else max(x + max(lead, 0), y) - max(x, y)
            reads.append(_Read(views.places[name][0], margin))
        owners = dict.fromkeys(read.buffer for read in reads)
        unique = tuple(next(read for read in reads if read.buffer == owner) for owner in owners)
        steps.append(_Step(after, views.places[op.output][0], demand.scratch, unique))
    return steps
