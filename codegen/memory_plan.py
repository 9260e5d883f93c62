"""Byte offsets of every activation and scratch buffer in one arena, with kernels' permission to overlap used in full.

Two buffers that live at the same time must be disjoint, except the input and the output of one operator where the kernel allows
its output to run into an input that dies there (``Kernel.overlap``). Either way the offsets that a placed buffer forbids to another
one are a single open interval, so first fit works on intervals alone. First fit is tried in a few orders, from both ends of the
arena, until the lower bound of the graph is met; the best result is kept. The outcome is a pure function of its arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from codegen.ir import Graph, Reshape

ARENA_ALIGN = 4
"""Alignment in bytes of the arena and of every offset in it: what LDRD and LDM need."""
_PROMOTIONS = 24


@dataclass(frozen=True, slots=True)
class Demand:
    """What one operator's kernel asks of the plan: bytes of scratch, and per input how far the output may run into it."""

    scratch: int = 0
    overlap: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Where everything lies.

    ``arena_bytes`` is the size of the arena; ``offsets`` maps each activation to its byte offset, ``scratch`` each operator that
    asked for scratch to its buffer's; ``io_bytes`` counts the bytes that hold graph inputs or outputs (a byte that holds both
    counts once), ``scratch_bytes`` is the largest scratch; both are parts of the arena.
    """

    arena_bytes: int
    offsets: Mapping[str, int]
    scratch: Mapping[str, int]
    io_bytes: int
    scratch_bytes: int


@dataclass(slots=True)
class _Buffer:
    """A stretch of memory (its size a multiple of the alignment) with a lifetime, in operator indices, both ends included."""

    key: str
    size: int
    first: int
    last: int
    order: int


class _Problem:
    """Buffers of a graph and, for each pair that is alive together, the offsets one forbids the other."""

    def __init__(self, graph: Graph, demands: Sequence[Demand]) -> None:
        self.root = _roots(graph)
        self.buffers = list(_buffers(graph, demands, self.root))
        index = {b.key: i for i, b in enumerate(self.buffers)}
        leads: dict[tuple[int, int], int] = {}
        for position, (op, demand) in enumerate(zip(graph.ops, demands, strict=True)):
            target = index.get(self.root[op.output])
            if target is None or isinstance(op, Reshape):
                continue
            refused: set[int] = set()
            for name, lead in zip(op.inputs, demand.overlap, strict=False):
                if graph[name].constant:
                    continue
                source = index[self.root[name]]
                if lead is None:
                    refused.add(source)
                elif source != target and self.buffers[source].last == position and self.buffers[target].first == position:
                    leads[source, target] = max(_align(lead), leads.get((source, target), _align(lead)))
            for source in refused:
                leads.pop((source, target), None)
        # conflicts[i] holds (j, below, above): with j at offset J, i may start at I <= J - below or at I >= J + above.
        self.conflicts: list[list[tuple[int, int, int]]] = [[] for _ in self.buffers]
        for i, a in enumerate(self.buffers):
            for j, b in enumerate(self.buffers):
                if i == j or a.last < b.first or b.last < a.first:
                    continue
                below, above = a.size, b.size
                if (j, i) in leads:  # j is the input, i the output
                    below = min(below, leads[j, i])
                if (i, j) in leads:  # i is the input, j the output
                    above = min(above, leads[i, j])
                self.conflicts[i].append((j, below, above))
        self.lower_bound = self._lower_bound(graph, leads)

    def _lower_bound(self, graph: Graph, leads: Mapping[tuple[int, int], int]) -> int:
        """No plan is smaller: at each operator, all that is alive, less the most that its overlaps can save."""
        bound = max((b.size for b in self.buffers), default=0)
        for position in range(len(graph.ops)):
            alive = [i for i, b in enumerate(self.buffers) if b.first <= position <= b.last]
            total = sum(self.buffers[i].size for i in alive)
            for (source, target), lead in leads.items():
                if self.buffers[target].first == position:
                    a, b = self.buffers[source].size, self.buffers[target].size
                    # Their union spans at least max(a + lead, b) where the output starts `lead` before the input.
                    total -= max(0, a + b - max(a + max(lead, 0), b, a))
            bound = max(bound, total)
        return bound

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


def _roots(graph: Graph) -> dict[str, str]:
    """Each activation's buffer: a Reshape's output is its input's bytes."""
    root = {t.name: t.name for t in graph.activations()}
    for op in graph.ops:
        if isinstance(op, Reshape):
            root[op.output] = root[op.inputs[0]]
    return root


def _buffers(graph: Graph, demands: Sequence[Demand], root: Mapping[str, str]) -> Iterator[_Buffer]:
    first: dict[str, int] = {root[name]: 0 for name in graph.inputs}
    last: dict[str, int] = dict.fromkeys(first, 0)
    for position, op in enumerate(graph.ops):
        first.setdefault(root[op.output], position)
        for name in (*op.inputs, op.output):
            if name in root:
                last[root[name]] = position
    for name in graph.outputs:
        last[root[name]] = len(graph.ops)
    order = 0
    for key, begin in first.items():
        yield _Buffer(key, _align(graph[key].nbytes), begin, last[key], order)
        order += 1
    for position, (op, demand) in enumerate(zip(graph.ops, demands, strict=True)):
        if demand.scratch:
            yield _Buffer("scratch of " + op.name, _align(demand.scratch), position, position, order)
            order += 1


def _orders(buffers: Sequence[_Buffer]) -> Iterator[list[int]]:
    indices = range(len(buffers))
    yield sorted(indices, key=lambda i: (-buffers[i].size, buffers[i].order))
    yield sorted(indices, key=lambda i: (-buffers[i].last, -buffers[i].first, -buffers[i].size, buffers[i].order))
    yield sorted(indices, key=lambda i: (buffers[i].first, buffers[i].last, -buffers[i].size, buffers[i].order))


def _at_far_end(buffers: Sequence[_Buffer], attempt: tuple[int, list[int]], mirrored: bool) -> int:
    """The buffer that reaches farthest from where first fit began."""
    total, offsets = attempt
    return max(range(len(buffers)), key=lambda i: total - offsets[i] if mirrored else offsets[i] + buffers[i].size)


def _covered(intervals: Iterable[tuple[int, int]]) -> int:
    """Bytes that lie in at least one of the half-open intervals."""
    covered = reached = 0
    for begin, end in sorted(intervals):
        covered += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return covered


def plan(graph: Graph, demands: Sequence[Demand]) -> MemoryPlan:
    """Plan the arena for ``graph``; ``demands`` has one entry per operator, in order.

    :returns: offsets for every activation that is read, written or a graph input.

    Works on shape-only graphs. Constants take no arena; a Reshape's output shares its input's bytes.
    """
    problem = _Problem(graph, demands)
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
    placed = {b.key: offset for b, offset in zip(problem.buffers, offsets, strict=True)}
    at = {t.name: placed[problem.root[t.name]] for t in graph.activations() if problem.root[t.name] in placed}
    return MemoryPlan(
        arena_bytes=total,
        offsets=at,
        scratch={op.name: placed["scratch of " + op.name] for op, d in zip(graph.ops, demands, strict=True) if d.scratch},
        io_bytes=_covered((at[name], at[name] + graph[name].nbytes) for name in (*graph.inputs, *graph.outputs)),
        scratch_bytes=max((d.scratch for d in demands), default=0),
    )
