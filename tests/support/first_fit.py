"""The arena's first fit as plain Python: what ``codegen/memory_plan.c`` has to compute, to compare it with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from codegen.ir import Graph
from codegen.memory_plan import Buffer, Demand, Piece, buffers
from codegen.views import ARENA_ALIGN, Views, bytes_read

_PROMOTIONS = 24


class _Overlap(NamedTuple):
    """What a kernel allows at operator ``position``: its output may run into bytes ``begin`` to ``end`` of an input's buffer where
    the output's buffer begins at most ``bound`` bytes behind the input's; None: never."""

    position: int
    begin: int
    end: int
    bound: int | None


class _Problem:
    """Buffers of a graph and, for each pair that is alive together, the offsets one forbids the other."""

    def __init__(self, graph: Graph, demands: Sequence[Demand], views: Views) -> None:
        self.buffers = list(buffers(graph, demands, views))
        index = {b.key: i for i, b in enumerate(self.buffers)}
        overlaps = self._overlaps(graph, demands, views, index)
        # conflicts[i] holds (j, below, above): with j at offset J, i may start at I <= J - below or at I >= J + above.
        self.conflicts: list[list[tuple[int, int, int]]] = [[] for _ in self.buffers]
        alive: list[int] = []
        for i in sorted(range(len(self.buffers)), key=lambda i: self.buffers[i].first):
            a = self.buffers[i]
            alive = [j for j in alive if self.buffers[j].last >= a.first]
            for j in alive:
                into_j, into_i = overlaps.get((j, i)), overlaps.get((i, j))
                b = self.buffers[j]
                if into_j is into_i is None and len(a.pieces) == len(b.pieces) == 1:
                    below, above = a.size, b.size
                else:
                    low, high = _forbidden(b, a, into_j or (), into_i or ())
                    if low == high:
                        continue
                    below, above = _align(-low), _align(high)
                self.conflicts[i].append((j, below, above))
                self.conflicts[j].append((i, above, below))
            alive.append(i)
        self.least_bytes = self._least_bytes(len(graph.ops), overlaps)
        self.lower_bound = max([*self.least_bytes, *(b.size for b in self.buffers)])

    def _overlaps(
        self, graph: Graph, demands: Sequence[Demand], views: Views, index: Mapping[str, int]
    ) -> dict[tuple[int, int], list[_Overlap]]:
        """By input's and output's buffer."""
        overlaps: dict[tuple[int, int], list[_Overlap]] = {}
        for position, (op, demand) in enumerate(zip(graph.ops, demands, strict=True)):
            if not demand.overlap:
                continue
            owner, to = views.places[op.output]
            activations = [name for name in op.inputs if not graph[name].constant]
            for name, lead in zip(activations, demand.overlap, strict=False):
                source, offset = views.places[name]
                begin, end = bytes_read(op, name, graph)
                bound = None if lead is None else offset - to - _align(lead)
                found = _Overlap(position, offset + begin, offset + end, bound)
                overlaps.setdefault((index[source], index[owner]), []).append(found)
        return overlaps

    def _least_bytes(self, positions: int, overlaps: Mapping[tuple[int, int], Sequence[_Overlap]]) -> list[int]:
        """No plan is smaller: for each operator, all that is alive, less the most that its overlaps can save."""
        change = [0] * (positions + 3)
        for buffer in self.buffers:
            for begin, end, first, last in buffer.pieces:
                change[first + 1] += end - begin
                change[last + 2] -= end - begin
        alive = list(accumulate(change))[1 : positions + 1]
        for (i, j), found in overlaps.items():
            source, target = self.buffers[i], self.buffers[j]
            for position, begin, end, bound in found:
                if bound is None:
                    continue
                dying = sum(p.end - p.begin for p in source.pieces if p.last == position and begin <= p.begin < end)
                fresh = sum(p.end - p.begin for p in target.pieces if p.first == position)
                whole = len(source.pieces) == len(target.pieces) == 1
                # The union of two whole buffers spans at least their distance and the input.
                alive[position] -= min(dying, fresh, max(0, fresh + min(bound, 0)) if whole else fresh)
        return alive

    def first_fit(self, order: Sequence[int], mirrored: bool) -> tuple[int, list[int]]:
        """Place buffers in the given order, each as low as it can be (as high, where mirrored); returns (arena size, offsets)."""
        offsets: list[int | None] = [None] * len(self.buffers)
        top = 0
        for i in order:
            size = self.buffers[i].size
            forbidden = []  # open intervals of offsets, ascending
            for j, below, above in self.conflicts[i]:
                base = offsets[j]
                if base is None:
                    continue
                if mirrored:  # offsets count down from the arena's end
                    base += self.buffers[j].size - size
                    forbidden.append((base - above, base + below))
                else:
                    forbidden.append((base - below, base + above))
            at = 0
            for low, high in sorted(forbidden):
                if low < at < high:
                    at = high
            offsets[i] = at
            top = max(top, at + size)
        placed = [o for o in offsets if o is not None]
        if mirrored:
            placed = [top - o - b.size for o, b in zip(placed, self.buffers, strict=True)]
        return top, placed


def _align(size: int) -> int:
    return -(-size // ARENA_ALIGN) * ARENA_ALIGN


def _forbidden(a: Buffer, b: Buffer, into_a: Sequence[_Overlap], into_b: Sequence[_Overlap]) -> tuple[int, int]:
    """Open interval of ``offset of b - offset of a`` in which pieces meet that must not; ``into_a`` are inputs in ``a`` with their
    output in ``b``, ``into_b`` the reverse."""
    lowest, highest = 0, 0
    for p in a.pieces:
        for q in b.pieces:
            if p.last < q.first or q.last < p.first:
                continue
            low, high = p.begin - q.end, p.end - q.begin
            if p.last == q.first:
                low = max(low, _bound(p, into_a, low))
            if q.last == p.first:
                high = min(high, -_bound(q, into_b, -high))
            if low < high:
                lowest, highest = (low, high) if lowest == highest else (min(low, lowest), max(high, highest))
    return lowest, highest


def _bound(piece: Piece, overlaps: Sequence[_Overlap], disjoint: int) -> int:
    """Up to which ``output buffer - input buffer`` the output may run into a piece of the input that dies."""
    bounds = [o.bound for o in overlaps if o.position == piece.last and o.begin <= piece.begin and piece.end <= _align(o.end)]
    return disjoint if not bounds else min(disjoint if bound is None else bound for bound in bounds)


def _orders(buffers: Sequence[Buffer]) -> Iterator[list[int]]:
    indices = range(len(buffers))
    yield sorted(indices, key=lambda i: (-buffers[i].size, i))
    yield sorted(indices, key=lambda i: (-buffers[i].last, -buffers[i].first, -buffers[i].size, i))
    yield sorted(indices, key=lambda i: (buffers[i].first, buffers[i].last, -buffers[i].size, i))


def _at_far_end(buffers: Sequence[Buffer], attempt: tuple[int, list[int]], mirrored: bool) -> int:
    """The buffer that reaches farthest from where first fit began."""
    total, offsets = attempt
    return max(range(len(buffers)), key=lambda i: total - offsets[i] if mirrored else offsets[i] + buffers[i].size)


def expected_plan(graph: Graph, demands: Sequence[Demand], views: Views) -> tuple[int, dict[str, int], list[int]]:
    """Bytes of the arena, the offset of each buffer by its key, and the least bytes of each operator."""
    problem = _Problem(graph, demands, views)
    best: tuple[int, list[int]] | None = None
    for order in _orders(problem.buffers):
        for mirrored in (False, True):
            if best is not None and best[0] <= problem.lower_bound:
                break  # no other order can do better
            attempt = problem.first_fit(order, mirrored)
            # What sticks out at the top was placed too late: give it the first choice and try again.
            for _ in range(_PROMOTIONS):
                if best is None or attempt[0] < best[0]:
                    best = attempt
                if best[0] <= problem.lower_bound:
                    break
                last = _at_far_end(problem.buffers, attempt, mirrored)
                if order[0] == last:
                    break
                order = [last, *(i for i in order if i != last)]
                attempt = problem.first_fit(order, mirrored)
    assert best is not None
    total, offsets = best
    total, offsets = best
    return total, {b.key: offset for b, offset in zip(problem.buffers, offsets, strict=True)}, problem.least_bytes
