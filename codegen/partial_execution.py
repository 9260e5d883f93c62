"""Which operators are worth computing in strips of rows, for the smallest arena at bounded extra work.

For every range of operators and height of strips the bytes alive are estimated; then, for a target, dynamic programming finds the
ranges that together keep every operator below it with the fewest repeated multiply-accumulates. The lowest targets that can be met
are planned in full, and the plan decides.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from codegen.ir import Graph, macs
from codegen.memory_plan import Demand, least_bytes
from codegen.strips import Rows, Strips, activation_inputs, heights, kept, row_bytes, row_operator, rows_needed, rows_written
from codegen.views import find_views

MOST_EXTRA_WORK = 0.15
"""Part of the network's multiply-accumulates that may be repeated where only the arena's size is asked for."""
LEAST_GAIN = 0.1
LEAST_BYTES = 1024
"""Part of the arena, and bytes, that must be saved to be worth the code of the strips."""
CALL_BYTES = 32
"""Code of one more call, about; it counts as much as the arena's bytes."""
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
        self.on_rows = [row_operator(op, graph) for op in graph.ops]
        self.defined: dict[str, int] = dict.fromkeys(graph.inputs, -1)
        self._last: dict[str, int] = {}
        for position, op in enumerate(graph.ops):
            self.defined.setdefault(views.places[op.output][0], position)
            for name in activation_inputs(op, graph):
                self._last[views.places[name][0]] = position
        for name in graph.outputs:
            self._last[views.places[name][0]] = len(graph.ops)
        self._owner = {name: owner for name, (owner, _) in views.places.items()}

    def last_use(self, name: str) -> int:
        """The last operator that reads any of the bytes of a tensor; behind the last operator for an output."""
        return self._last.get(self._owner[name], -1)

    def ranges(self) -> list[tuple[int, int]]:
        """First and last operator of every range that can be computed in strips."""
        found = []
        for first in range(len(self.on_rows)):
            furthest = -1
            for last in range(first, min(first + _LONGEST_RANGE, len(self.on_rows))):
                if self.on_rows[last] is None:
                    break
                # Of all that is written inside, only the last operator's result may be needed afterwards.
                if last > first:
                    furthest = max(furthest, self.last_use(self.graph.ops[last - 1].output))
                    if furthest <= last:
                        found.append((first, last))
        return found

    def options(self, wanted: int) -> list[_Option]:
        """Every range, with the heights of its strips, that is estimated to need at most ``wanted`` bytes and may help."""
        ranges = [_Range(self, first, last) for first, last in self.ranges()]
        within = list(self.alive)
        for r in ranges:
            for position in range(r.first, r.last + 1):
                within[position] = min(within[position], r.least)
        floor = max(within)  # no choice of ranges needs less
        if floor > wanted:
            return []
        found = []
        for r in ranges:
            peak = max(self.alive[r.first : r.last + 1])
            counts = range(2, min(r.height, _MOST_STRIPS) + 1)
            if peak <= floor or r.least > wanted or not counts:
                continue
            for keep in (False, True) if r.kept else (False,):
                if r.option(-(-r.height // counts[-1]), keep).peak > wanted:
                    continue  # higher strips need more
                best = peak
                for rows in sorted({-(-r.height // count) for count in counts}, reverse=True):
                    option = r.option(rows, keep)
                    if option.peak < best:
                        best = option.peak
                        if best <= wanted:
                            found.append(option)
                    if best <= floor:
                        break
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


class _Range:
    """Operators ``first`` to ``last`` of a graph, to be computed in strips. ``least`` bytes are needed however low these are."""

    def __init__(self, estimator: Estimator, first: int, last: int) -> None:
        graph = estimator.graph
        self._estimator, self.first, self.last = estimator, first, last
        self._ops = [op for op in estimator.on_rows[first : last + 1] if op is not None]
        self._row_bytes = {n: row_bytes(graph[n]) for op in self._ops for n in (op.output, *op.inputs)}
        self._last_read = {name: i for i, op in enumerate(self._ops) for name in op.inputs}
        self._result = self._ops[-1].output
        self.height = graph[self._result].shape[1]
        written = {op.output for op in self._ops}
        self._dying = {n: graph[n].shape[1] for n in self._last_read if n not in written and estimator.last_use(n) <= last}
        self._through = sum(
            graph[owner].nbytes
            for owner, defined in estimator.defined.items()
            if defined < first and estimator.last_use(owner) > last
        )
        dying = sum(graph[name].nbytes for name in self._dying)
        self.least = self._through + max(dying, graph[self._result].nbytes)
        self.kept = kept(self._ops, graph)
        self._margins = [self._margin(position) for position in range(first, last + 1)]

    def _margin(self, position: int) -> dict[str, int]:
        """For each input that an operator may write over: by how much both together exceed the larger one."""
        graph, demand = self._estimator.graph, self._estimator.demands[position]
        op = graph.ops[position]
        y = graph[op.output].nbytes
        return {
            name: max(graph[name].nbytes + max(lead, 0), y) - max(graph[name].nbytes, y)
            for name, lead in zip(activation_inputs(op, graph), demand.overlap, strict=False)
            if lead is not None
        }

    def option(self, rows: int, keep: bool) -> _Option:
        """What the range needs in strips of so many rows."""
        parts = heights(self.height, rows)
        plain = cache(lambda number: rows_needed(self._ops, parts[number], {}))
        keeping = self.kept if keep else frozenset()
        peak = extra = 0
        alike = max(0, len(parts) - 4)  # strips that are like the second one
        for number in (n for n in range(len(parts)) if not 2 <= n < 2 + alike):
            # However many rows are kept, a strip needs the last ones up to the same. One that reads padding alone needs none.
            before = plain(number - 1) if number else {}
            done = {name: before[name].end if name in before else 0 for name in keeping}
            needed = rows_needed(self._ops, parts[number], done)
            peak = max(peak, self._peak(needed, plain(number + 1) if number + 1 < len(parts) else None, done))
            extra += self._macs(needed, done) * (1 + alike if number == 1 else 1)
        whole = sum(self._estimator.macs[self.first : self.last + 1])
        return _Option(Strips(self.first, self.last, rows, keep), peak, extra - whole)

    def _peak(self, needed: Mapping[str, Rows], following: Mapping[str, Rows] | None, done: Mapping[str, int]) -> int:
        """Most bytes alive during a strip, given the rows that it needs, those that the next one will, and those that are kept."""
        demands = self._estimator.demands
        peak = 0
        held: dict[str, int] = {}
        ready = {**self._dying, **done}  # rows of the images that strips share
        before = self._through + needed[self._result].begin * self._row_bytes[self._result]
        for i, op in enumerate(self._ops):
            written = rows_written(op.output, needed, done)
            if written is None:
                continue
            out = (written.end - written.begin) * self._row_bytes[op.output]
            saved = 0
            if op.output != self._result and op.output not in done:
                for name, margin in self._margins[i].items():
                    if name in held and self._last_read[name] == i:
                        saved = max(saved, min(held[name], out) - margin)
            there = before + sum(held.values())
            for name, end in ready.items():
                current = needed if i <= self._last_read[name] else following
                if current is not None and name in current:
                    there += max(0, end - current[name].begin) * self._row_bytes[name]
            peak = max(peak, there + out + demands[self.first + i].scratch - saved)
            if op.output in done:
                ready[op.output] = written.end
            else:
                held[op.output] = out
            for name in op.inputs:
                if self._last_read[name] == i:
                    held.pop(name, None)
        return peak

    def _macs(self, needed: Mapping[str, Rows], done: Mapping[str, int]) -> int:
        graph, work = self._estimator.graph, self._estimator.macs
        total = 0
        for i, op in enumerate(self._ops):
            written = rows_written(op.output, needed, done)
            if written is not None:
                total += work[self.first + i] * (written.end - written.begin) // graph[op.output].shape[1]
        return total


def partitions(estimator: Estimator, arena: int, limit: int | None) -> list[Partition]:
    """What is worth planning, most promising first. ``arena`` is the unsplit graph's; with ``limit`` any work that meets it is
    allowed, and the least is wanted."""
    wanted = arena - max(LEAST_BYTES, int(arena * LEAST_GAIN)) if limit is None else limit
    options = estimator.options(wanted)
    targets = sorted({o.peak for o in options} | {a for a in estimator.alive if a <= wanted})
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
