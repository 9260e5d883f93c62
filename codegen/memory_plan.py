"""Byte offsets of every activation and scratch buffer in one arena, with kernels' permission to overlap used in full.

A buffer holds an activation and all its views (:mod:`codegen.views`). It is cut into pieces that are alive for different
stretches of the operators: rows that are written, or read for the last time, one strip after the other. Two pieces that live at
the same time must be disjoint, except where the kernel of one operator allows its output to run into an input that dies there
(``Kernel.overlap``). The offsets that a placed buffer forbids to another one are taken as one open interval, which is exact where
there are no views, so first fit works on intervals alone. First fit is tried in a few orders, from both ends of the arena, until
the lower bound of the graph is met; the best result is kept. The outcome is a pure function of its arguments.

The search for offsets is native code (``memory_plan.c``), quick enough to plan every candidate of a search.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import NamedTuple

from codegen.ir import Graph
from codegen.native import load_native
from codegen.views import ARENA_ALIGN, Views, bytes_read, find_views

_NO_CHAIN = -2
_NEVER = -(2**63)
"""As a bound or lead: output and input must be disjoint."""


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


class Piece(NamedTuple):
    """Bytes ``begin`` to ``end`` of a buffer, alive from operator ``first`` (-1: before the first one) to operator ``last``, both
    included."""

    begin: int
    end: int
    first: int
    last: int


@dataclass(slots=True)
class Buffer:
    """An activation with its views (``key`` is its name) or an operator's scratch (``key`` is ``scratch of`` its name).

    ``size`` is a multiple of the alignment; ``first`` and ``last`` bound the lifetimes of the pieces.
    """

    key: str
    size: int
    first: int
    last: int
    pieces: tuple[Piece, ...]


class _Overlap(NamedTuple):
    """What a kernel allows at operator ``position``: its output, in buffer ``target``, may run into bytes ``begin`` to ``end`` of
    ``source``, an input's buffer, where it begins at most ``bound`` bytes behind that."""

    source: int
    target: int
    position: int
    begin: int
    end: int
    bound: int


class _Result(NamedTuple):
    """Buffers with their offsets, the arena's size, and the bytes that no plan can do without while each operator runs."""

    buffers: list[Buffer]
    offsets: list[int]
    total: int
    least_bytes: list[int]


def _solve(graph: Graph, demands: Sequence[Demand], views: Views) -> _Result:
    found = list(buffers(graph, demands, views))
    overlaps = _overlaps(graph, demands, views, {b.key: i for i, b in enumerate(found)})
    starts = accumulate((len(b.pieces) for b in found), initial=0)
    rows = [(b.size, b.first, b.last, start, len(b.pieces)) for b, start in zip(found, starts, strict=False)]
    offsets, least = _int64(0 for _ in found), _int64(0 for _ in graph.ops)
    pieces = _int64(chain.from_iterable(piece for b in found for piece in b.pieces))
    total = _native().plan_buffers(
        _int64(chain.from_iterable(rows)), len(found), pieces, _int64(chain.from_iterable(overlaps)), len(overlaps),
        len(graph.ops), offsets, least,
    )  # fmt: skip
    return _Result(found, list(offsets), _checked(total), list(least))


def _overlaps(graph: Graph, demands: Sequence[Demand], views: Views, index: Mapping[str, int]) -> list[_Overlap]:
    overlaps: list[_Overlap] = []
    for position, (op, demand) in enumerate(zip(graph.ops, demands, strict=True)):
        if not demand.overlap:
            continue
        owner, to = views.places[op.output]
        activations = [name for name in op.inputs if not graph[name].constant]
        for name, lead in zip(activations, demand.overlap, strict=False):
            source, offset = views.places[name]
            begin, end = bytes_read(op, name, graph)
            bound = _NEVER if lead is None else offset - to - _align(lead)
            overlaps.append(_Overlap(index[source], index[owner], position, offset + begin, offset + end, bound))
    return overlaps


class LinkDemand(NamedTuple):
    """What one operator of a chain asks of the plan: bytes of its output and of its scratch, and for each activation that it reads
    how many operators ago it was written (1: right before) and how far the output may run into it (None: not at all)."""

    output: int
    scratch: int
    reads: tuple[tuple[int, int | None], ...]

    def packed(self) -> bytes:
        """As :func:`plan_chain` takes it."""
        reads = ((back, _NEVER if lead is None else lead) for back, lead in self.reads)
        return bytes(_int64([self.output, self.scratch, len(self.reads), *chain.from_iterable(reads)]))


def plan_chain(links: bytes, count: int, input_bytes: int, *, skipped: int = 0) -> tuple[int, int]:
    """:func:`plan` where every operator reads what the one before it wrote, maybe earlier results too, and nothing is a view.

    :param links: the packed :class:`LinkDemand` of ``count`` operators, in order, each behind ``skipped`` bytes of something else
        (a multiple of 8).
    :returns: bytes of the arena, and of it those of the chain's input and output.
    :raises ValueError: if a link reads what is not written before it.
    """
    io_bytes = ctypes.c_int64()
    total = _native().plan_chain(links, count, skipped // 8, input_bytes, io_bytes)
    return _checked(total), io_bytes.value


@cache
def _native() -> ctypes.CDLL:
    library = load_native(Path(__file__).with_name("memory_plan.c"))
    numbers, count = ctypes.POINTER(ctypes.c_int64), ctypes.c_int64
    library.plan_buffers.argtypes = (numbers, count, numbers, numbers, count, count, numbers, numbers)
    library.plan_chain.argtypes = (ctypes.c_char_p, count, count, count, numbers)
    library.plan_buffers.restype = library.plan_chain.restype = count
    return library


def _int64(values: Iterable[int]) -> ctypes.Array[ctypes.c_int64]:
    known = list(values)
    return (ctypes.c_int64 * len(known))(*known)


def _checked(total: int) -> int:
    if total == _NO_CHAIN:
        raise ValueError("a link of the chain reads what is not written before it")
    if total < 0:
        raise MemoryError("no memory left to plan the arena")
    return total


def _align(size: int) -> int:
    return -(-size // ARENA_ALIGN) * ARENA_ALIGN


def buffers(graph: Graph, demands: Sequence[Demand], views: Views) -> Iterator[Buffer]:
    """Every buffer of the arena: graph inputs, then activations in the order in which they are written, then scratch."""
    accesses: dict[str, list[tuple[int, int, int]]] = {}  # by owner: first byte, byte behind the last, operator

    def access(name: str, position: int, begin: int, end: int) -> None:
        owner, offset = views.places[name]
        accesses.setdefault(owner, []).append((offset + begin, offset + end, position))

    for name in graph.inputs:
        access(name, -1, 0, graph[name].nbytes)
    for position, op in enumerate(graph.ops):
        if op.name in views.free:
            continue
        access(op.output, position, 0, graph[op.output].nbytes)
        for name in op.inputs:
            if not graph[name].constant:
                access(name, position, *bytes_read(op, name, graph))
    for name in graph.outputs:
        access(name, len(graph.ops), 0, graph[name].nbytes)
    for key, found in accesses.items():
        pieces = _pieces(found)
        size = _align(graph[key].nbytes)
        yield Buffer(key, size, min(p.first for p in pieces), max(p.last for p in pieces), pieces)
    for position, (op, demand) in enumerate(zip(graph.ops, demands, strict=True)):
        if demand.scratch:
            size = _align(demand.scratch)
            yield Buffer("scratch of " + op.name, size, position, position, (Piece(0, size, position, position),))


def _pieces(accesses: Sequence[tuple[int, int, int]]) -> tuple[Piece, ...]:
    """A buffer cut wherever an access begins or ends; bytes that nothing accesses are left out."""
    cuts = sorted({cut for begin, end, _ in accesses for cut in (begin, end)})
    pieces = []
    for begin, end in pairwise(cuts):
        positions = [position for a, b, position in accesses if a <= begin and end <= b]
        if positions:
            # The padding up to the alignment belongs to the last piece.
            pieces.append(Piece(begin, _align(end) if end == cuts[-1] else end, min(positions), max(positions)))
    return tuple(pieces)


def covered(intervals: Iterable[tuple[int, int]]) -> int:
    """Bytes that lie in at least one of the half-open intervals."""
    covered = reached = 0
    for begin, end in sorted(intervals):
        covered += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return covered


def least_bytes(graph: Graph, demands: Sequence[Demand], views: Views) -> list[int]:
    """For each operator the bytes that must be in the arena while it runs; no plan is smaller than any of them."""
    return _solve(graph, demands, views).least_bytes


def plan(graph: Graph, demands: Sequence[Demand], views: Views | None = None) -> MemoryPlan:
    """Plan the arena for ``graph``; ``demands`` has one entry per operator, in order; ``views`` are found where they are not given.

    :returns: offsets for every activation that is read, written or a graph input.

    Works on shape-only graphs. Constants take no arena; a view shares the bytes of what it is a view of.
    """
    views = find_views(graph) if views is None else views
    solved = _solve(graph, demands, views)
    placed = {b.key: offset for b, offset in zip(solved.buffers, solved.offsets, strict=True)}
    at = {name: placed[owner] + offset for name, (owner, offset) in views.places.items() if owner in placed}
    return MemoryPlan(
        arena_bytes=solved.total,
        offsets=at,
        scratch={op.name: placed["scratch of " + op.name] for op, d in zip(graph.ops, demands, strict=True) if d.scratch},
        io_bytes=covered((at[name], at[name] + graph[name].nbytes) for name in (*graph.inputs, *graph.outputs)),
        scratch_bytes=max((d.scratch for d in demands), default=0),
    )
