"""Activations that are byte ranges of other ones, and the operators that therefore cost nothing.

A Reshape's output is its input's bytes. A Slice whose elements lie side by side (whole leading rows of an image) is a range of
its input. The inputs of a Concatenation along such an axis can be computed where they belong, as ranges of its output; a Slice
that ends in such a Concatenation is copied there, once. Kernels want aligned activations: a range that begins elsewhere is no
view.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from codegen.ir import ITEMSIZE, Concatenation, Graph, Op, Reshape, Slice

ARENA_ALIGN = 4
"""Alignment in bytes of the arena and of every offset in it: what LDRD and LDM need."""


@dataclass(frozen=True, slots=True)
class Views:
    """``places`` maps each activation to the activation that owns its buffer and to its offset in it (bytes); ``free`` names the
    operators that need no code."""

    places: Mapping[str, tuple[str, int]]
    free: frozenset[str]


def find_views(graph: Graph) -> Views:
    """The views of ``graph``. Shapes are enough."""
    parents: dict[str, tuple[str, int]] = {}
    free: set[str] = set()
    joined = {name for op in graph.ops if isinstance(op, Concatenation) and _adjoining(op, graph) for name in op.inputs}

    def place(name: str) -> tuple[str, int]:
        offset = 0
        while name in parents:
            name, further = parents[name]
            offset += further
        return name, offset

    def bind(op: Concatenation) -> bool:
        """Make the inputs ranges of the output, if each of them owns a whole buffer of its own."""
        offset = 0
        bound: dict[str, tuple[str, int]] = {}
        for name in op.inputs:
            owner, start = place(name)
            if start or graph[name].constant or owner in bound or graph[owner].nbytes != graph[name].nbytes or offset % ARENA_ALIGN:
                return False
            bound[owner] = (op.output, offset)
            offset += graph[name].nbytes
        parents.update(bound)
        return True

    for op in graph.ops:
        match op:
            case Reshape():
                parents[op.output] = (op.inputs[0], 0)
                free.add(op.name)
            case Slice() if op.output not in joined and not graph[op.inputs[0]].constant:
                elements = slice_range(op, graph)
                if elements is not None and elements[0] % ARENA_ALIGN == 0:
                    parents[op.output] = (op.inputs[0], elements[0])
                    free.add(op.name)
            case Concatenation() if _adjoining(op, graph) and bind(op):
                free.add(op.name)
            case _:
                pass
    return Views({t.name: place(t.name) for t in graph.activations()}, frozenset(free))


def slice_range(op: Slice, graph: Graph) -> tuple[int, int] | None:
    """First byte and byte behind the last one that a Slice takes of its input; None where others lie between."""
    shape = graph[op.inputs[0]].shape
    cut = next((axis for axis, n in enumerate(op.size) if n > 1), len(shape))
    if cut < len(shape) and (op.strides[cut] != 1 or op.size[cut + 1 :] != shape[cut + 1 :]):
        return None
    itemsize = ITEMSIZE[graph[op.inputs[0]].dtype]
    begin = sum(b * math.prod(shape[axis + 1 :]) for axis, b in enumerate(op.begin)) * itemsize
    return begin, begin + math.prod(op.size) * itemsize


def bytes_read(op: Op, name: str, graph: Graph) -> tuple[int, int]:
    """The range of bytes of its input ``name`` that an operator reads."""
    if isinstance(op, Slice):
        return slice_range(op, graph) or (0, graph[name].nbytes)
    return 0, graph[name].nbytes


def _adjoining(op: Concatenation, graph: Graph) -> bool:
    """Whether the inputs lie one behind the other in the output."""
    return math.prod(graph[op.output].shape[: op.axis]) == 1
