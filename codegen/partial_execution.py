"""Which operators are worth computing in strips of rows, for the smallest arena at bounded extra work.

For every range of operators and height of strips the bytes alive are estimated; then, for a target, dynamic programming finds the
ranges that together keep every operator below it with the fewest repeated multiply-accumulates. The lowest targets that can be met
are planned in full, and the plan decides.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from codegen.ir import Graph, macs
from codegen.memory_plan import Demand, least_bytes
from codegen.strips import Rows, RowWindow, Strips, activation_inputs, heights, row_bytes, row_window, rows_needed
from codegen.views import find_views

MOST_EXTRA_WORK = 0.15
"""Part of the network's multiply-accumulates that may be repeated where only the arena's size is asked for."""
LEAST_GAIN = 0.1
LEAST_BYTES = 1024
"""Part of the arena, and bytes, that must be saved to be worth the code of the strips."""
_MOST_STRIPS = 32
_LONGEST_RANGE = 12
_PLANNED = 6
_TARGET_STEP = 1.03


class _Option(NamedTuple):
    strips: Strips
    peak: int
    extra_macs: int


class Partition(NamedTuple):
    """Disjoint ranges in order, and the multiply-accumulates that they repeat."""

    ranges: tuple[Strips, ...]
    extra_macs: int


class Estimator:
    """Bytes and work of a graph whose ranges are computed in strips. ``demands`` are those of the unsplit graph."""

    def __init__(self, graph: Graph, demands: Sequence[Demand]) -> None:
        views = find_views(graph)
        self.graph, self.demands = graph, demands
        self.alive = least_bytes(graph, demands, views)
        self.macs = [macs(op, graph) for op in graph.ops]
        self.windows: dict[str, RowWindow] = {}
        self._defined: dict[str, int] = dict.fromkeys(graph.inputs, -1)
        self._last: dict[str, int] = {}
        for position, op in enumerate(graph.ops):
            window = row_window(op, graph)
            if window is not None:
                self.windows[op.name] = window
            owner = views.places[op.output][0]
            self._defined.setdefault(owner, position)
            for name in activation_inputs(op, graph):
                self._last[views.places[name][0]] = position
        for name in graph.outputs:
            self._last[views.places[name][0]] = len(graph.ops)
        self._owner = {name: owner for name, (owner, _) in views.places.items()}

    def ranges(self) -> list[tuple[int, int]]:
        """First and last operator of every range that can be computed in strips."""
        found = []
        ops = self.graph.ops
        for first in range(len(ops)):
            furthest = -1
            for last in range(first, min(first + _LONGEST_RANGE, len(ops))):
                if ops[last].name not in self.windows:
                    break
                # Of all that is written inside, only the last operator's result may be needed afterwards.
                if last > first:
                    furthest = max(furthest, self._last.get(self._owner[ops[last - 1].output], len(ops)))
                    if furthest <= last:
                        found.append((first, last))
        return found

    def option(self, strips: Strips) -> _Option:
        """What a range in strips would need."""
        graph, ops = self.graph, self.graph.ops[strips.first : strips.last + 1]
        result = graph[ops[-1].output]
        written = {op.output for op in ops}
        read = {name for op in ops for name in activation_inputs(op, graph)} - written
        last_read = {n: i for i, op in enumerate(ops) for n in activation_inputs(op, graph)}
        dying = [n for n in read if self._last[self._owner[n]] <= strips.last]
        through = sum(
            graph[owner].nbytes
            for owner, defined in self._defined.items()
            if defined < strips.first and self._last.get(owner, -1) > strips.last
        )
        parts = heights(result.shape[1], strips.rows)
        peak = extra = 0
        middle = len(parts) - 4  # strips that are like the one before them
        for number, rows in enumerate(parts):
            if 2 <= number < 2 + middle:
                continue
            repeated = 1 + middle if number == 1 and middle > 0 else 1
            needed = rows_needed(ops, self.windows, graph, rows)
            after = rows_needed(ops, self.windows, graph, parts[number + 1]) if number + 1 < len(parts) else None
            held: dict[str, int] = {}
            done = through + rows.begin * row_bytes(result)
            for i, op in enumerate(ops):
                extra += repeated * self._macs(strips.first + i, needed[op.output])
                out = _bytes(graph, op.output, needed[op.output])
                inputs = 0
                for name in dying:
                    if i <= last_read[name]:
                        inputs += _bytes(graph, name, Rows(needed[name].begin, graph[name].shape[1]))
                    elif after is not None:
                        inputs += _bytes(graph, name, Rows(after[name].begin, graph[name].shape[1]))
                demand = self.demands[strips.first + i]
                saved = self._saved(strips.first + i, held, last_read, i, out) if i + 1 < len(ops) else 0
                peak = max(peak, done + inputs + sum(held.values()) + out + demand.scratch - saved)
                held[op.output] = out
                held = {n: size for n, size in held.items() if last_read.get(n, len(ops)) > i}
        return _Option(strips, peak, extra - sum(self.macs[strips.first : strips.last + 1]))

    def _macs(self, position: int, rows: Rows) -> int:
        output = self.graph[self.graph.ops[position].output]
        return self.macs[position] * (rows.end - rows.begin) // output.shape[1]

    def _saved(self, position: int, held: Mapping[str, int], last_read: Mapping[str, int], i: int, out: int) -> int:
        """Bytes that the output of an operator shares with a strip that it reads for the last time, by its kernel's word for the
        whole image."""
        op, demand = self.graph.ops[position], self.demands[position]
        saved = 0
        for name, lead in zip(activation_inputs(op, self.graph), demand.overlap, strict=False):
            if lead is not None and name in held and last_read[name] == i:
                x, y = self.graph[name].nbytes, self.graph[op.output].nbytes
                margin = max(x + max(lead, 0), y) - max(x, y)
                saved = max(saved, min(held[name], out) - margin)
        return saved

    def options(self, floor: int, wanted: int) -> list[_Option]:
        """Every range, with the heights of its strips, that is estimated to need at most ``wanted`` bytes, and less than now where
        that is more than ``floor``."""
        found = []
        for first, last in self.ranges():
            peak = max(self.alive[first : last + 1])
            if peak < floor:
                continue
            height = self.graph[self.graph.ops[last].output].shape[1]
            counts = range(2, min(height, _MOST_STRIPS) + 1)
            if not counts or self.option(Strips(first, last, -(-height // counts[-1]))).peak > wanted:
                continue  # lower strips need less
            for rows in sorted({-(-height // count) for count in counts}, reverse=True):
                option = self.option(Strips(first, last, rows))
                if option.peak < peak:
                    peak = option.peak
                    if peak <= wanted:
                        found.append(option)
        return found

    def cheapest(self, options: Sequence[_Option], target: int) -> Partition | None:
        """The ranges with the least work that keep every operator within ``target`` bytes; None where none do."""
        count = len(self.graph.ops)
        best: list[Partition | None] = [None] * (count + 1)
        best[0] = Partition((), 0)
        by_first: dict[int, list[_Option]] = {}
        for option in options:
            if option.peak <= target:
                by_first.setdefault(option.strips.first, []).append(option)

        def reach(end: int, candidate: Partition) -> None:
            known = best[end]
            if known is None or (candidate.extra_macs, len(candidate.ranges)) < (known.extra_macs, len(known.ranges)):
                best[end] = candidate

        for position in range(count):
            here = best[position]
            if here is None:
                continue
            if self.alive[position] <= target:
                reach(position + 1, here)
            for option in by_first.get(position, ()):
                extra = here.extra_macs + option.extra_macs
                reach(option.strips.last + 1, Partition((*here.ranges, option.strips), extra))
        return best[count]


def _bytes(graph: Graph, name: str, rows: Rows) -> int:
    return (rows.end - rows.begin) * row_bytes(graph[name])


def partitions(estimator: Estimator, arena: int, limit: int | None) -> list[Partition]:
    """What is worth planning, most promising first. ``arena`` is the unsplit graph's; with ``limit`` any work that meets it is
    allowed, and the least is wanted."""
    splittable = {p for first, last in estimator.ranges() for p in range(first, last + 1)}
    floor = max((alive for p, alive in enumerate(estimator.alive) if p not in splittable), default=0)
    wanted = arena - max(LEAST_BYTES, int(arena * LEAST_GAIN)) if limit is None else limit
    if floor > wanted:
        return []
    options = estimator.options(floor, wanted)
    targets = sorted({o.peak for o in options if floor <= o.peak <= wanted} | {a for a in estimator.alive if floor <= a <= wanted})
    most = int(MOST_EXTRA_WORK * sum(estimator.macs)) if limit is None else None

    def feasible(target: int) -> Partition | None:
        found = estimator.cheapest(options, target)
        return found if found is not None and (most is None or found.extra_macs <= most) else None

    begin = bisect_left(targets, True, key=lambda target: feasible(target) is not None)
    chosen: dict[tuple[Strips, ...], Partition] = {}
    reached = 0.0
    for target in targets[begin:] if limit is None else reversed(targets[begin:]):
        far = target >= reached * _TARGET_STEP if limit is None else reached == 0 or target * _TARGET_STEP <= reached
        found = feasible(target) if far else None
        if found is not None and found.ranges not in chosen:
            chosen[found.ranges] = found
            reached = target
        if len(chosen) == _PLANNED:
            break
    return list(chosen.values())
