"""Partial execution: a range of operators computed strip by strip, a few rows of its result at a time.

The input of the range is read through views of its rows and the strips of the result are views too (:mod:`codegen.views`), so only
the tensors between them exist in parts. Rows at the border of two strips that both need are computed twice. Every strip's operator
gets the padding that its rows see: the results equal those of the whole range bit by bit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from codegen.ir import (
    ITEMSIZE,
    Add,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    Graph,
    HardSwish,
    LeakyRelu,
    Logistic,
    Maximum,
    Minimum,
    Mul,
    Op,
    Padding,
    Pool2D,
    Quantize,
    Relu,
    Relu6,
    Slice,
    Sub,
    Tanh,
    Tensor,
)
from codegen.views import ARENA_ALIGN

_ELEMENTWISE = (Add, Sub, Mul, Maximum, Minimum, Relu, Relu6, LeakyRelu, HardSwish, Logistic, Tanh, Quantize)


class Rows(NamedTuple):
    """Rows ``begin`` to ``end`` (exclusive) of an image."""

    begin: int
    end: int


class RowWindow(NamedTuple):
    """How output rows depend on input rows: row ``y`` reads ``reach`` rows from ``stride * y - pad`` on; ``height`` rows exist."""

    stride: int
    reach: int
    pad: int
    height: int

    def needs(self, rows: Rows) -> Rows:
        """The input rows that exist and are read for these output rows."""
        begin = rows.begin * self.stride - self.pad
        end = (rows.end - 1) * self.stride - self.pad + self.reach
        return Rows(max(begin, 0), min(end, self.height))

    def padding(self, rows: Rows) -> tuple[int, int]:
        """Rows outside the input, above and below, that these output rows read."""
        begin = rows.begin * self.stride - self.pad
        end = (rows.end - 1) * self.stride - self.pad + self.reach
        return max(0, -begin), max(0, end - self.height)


class Strips(NamedTuple):
    """A range of operators, ``first`` to ``last`` (both included), and the rows of its result that are computed at a time."""

    first: int
    last: int
    rows: int


def row_window(op: Op, graph: Graph) -> RowWindow | None:
    """How ``op`` works on rows of images; None where a strip of its output takes other than a strip of each activation it reads."""
    y, x = graph[op.output].shape, graph[op.inputs[0]].shape
    if len(y) != 4 or len(x) != 4 or y[0] != 1:
        return None
    match op:
        case Conv2D() | DepthwiseConv2D():
            reach = (graph[op.weight].shape[1] - 1) * op.dilation[0] + 1
            return RowWindow(op.strides[0], reach, op.padding.top, x[1])
        case Pool2D():
            return RowWindow(op.strides[0], op.window[0], op.padding.top, x[1])
        case _ if isinstance(op, _ELEMENTWISE):
            operands = [graph[name] for name in op.inputs]
            if all(t.shape == y if not t.constant else len(t.shape) < 3 or t.shape[-3] == 1 for t in operands):
                return RowWindow(1, 1, 0, y[1])
            return None
        case _:
            return None


class RowOperator(NamedTuple):
    """An operator on rows: the tensor that it writes, those that it reads, and which of their rows."""

    output: str
    inputs: tuple[str, ...]
    window: RowWindow


def row_operator(op: Op, graph: Graph) -> RowOperator | None:
    """``op`` as an operator on rows, if it is one."""
    window = row_window(op, graph)
    return None if window is None else RowOperator(op.output, activation_inputs(op, graph), window)


def activation_inputs(op: Op, graph: Graph) -> tuple[str, ...]:
    """The inputs of ``op`` that are no constants, each once."""
    return tuple(dict.fromkeys(name for name in op.inputs if not graph[name].constant))


def heights(total: int, rows: int) -> list[Rows]:
    """``total`` rows in strips of ``rows``, the last one what is left."""
    return [Rows(begin, min(begin + rows, total)) for begin in range(0, total, rows)]


def rows_needed(ops: Sequence[RowOperator], rows: Rows) -> dict[str, Rows]:
    """For ``rows`` of the last operator's output: the rows of every tensor that the operators must write or read."""
    needed = {ops[-1].output: rows}
    for op in reversed(ops):
        wanted = op.window.needs(needed[op.output])
        for name in op.inputs:
            known = needed.get(name, wanted)
            needed[name] = Rows(min(known.begin, wanted.begin), max(known.end, wanted.end))
    return needed


def row_bytes(tensor: Tensor) -> int:
    """Bytes of one row of an image."""
    return tensor.shape[2] * tensor.shape[3] * ITEMSIZE[tensor.dtype]


def in_strips(graph: Graph, ranges: Iterable[Strips]) -> tuple[Graph, dict[str, str]]:
    """``graph`` with disjoint ranges of operators in strips, and for each operator of a strip the one it is a part of.

    All operators of a range must have a :func:`row_window`, and of their outputs only the last one's may be read elsewhere. A
    range stays whole where its strips would not begin at aligned addresses, or one would read nothing but padding.
    """
    origins: dict[str, str] = {}
    for strips in sorted(ranges, reverse=True):
        split = _split(graph, strips)
        if split is not None:
            graph = split[0]
            origins.update(split[1])
    return graph.validate(), origins


def _split(graph: Graph, strips: Strips) -> tuple[Graph, dict[str, str]] | None:
    ops = graph.ops[strips.first : strips.last + 1]
    on_rows = [found for op in ops if (found := row_operator(op, graph)) is not None]
    tensors = dict(graph.tensors)
    added: list[Op] = []
    parts: list[str] = []
    origins: dict[str, str] = {}
    written = {op.output for op in ops}
    result = graph[ops[-1].output]

    def take(name: str, whole: Rows, rows: Rows, source: str, number: int) -> str | None:
        """Rows of ``source``, which holds rows ``whole`` of the image ``name``."""
        if rows == whole:
            return source
        tensor = graph[name]
        skipped = rows.begin - whole.begin
        if skipped * row_bytes(tensor) % ARENA_ALIGN or rows.end <= rows.begin:
            return None
        part = f"{name} rows {rows.begin} to {rows.end - 1} for {result.name} strip {number}"
        if part not in tensors:
            size = (1, rows.end - rows.begin, *tensor.shape[2:])
            tensors[part] = dataclasses.replace(tensor, name=part, shape=size)
            added.append(
                Slice(name=f"take {part}", inputs=(source,), output=part, begin=(0, skipped, 0, 0), size=size, strides=(1, 1, 1, 1))
            )
        return part

    for number, rows in enumerate(heights(result.shape[1], strips.rows)):
        if rows.begin * row_bytes(result) % ARENA_ALIGN:
            return None
        needed = rows_needed(on_rows, rows)
        held: dict[str, str] = {}
        for op, (_, names, window) in zip(ops, on_rows, strict=True):
            wanted = needed[op.output]
            inputs = {}
            for name in names:
                source = held.get(name, name)
                whole = needed[name] if name in written else Rows(0, graph[name].shape[1])
                part = take(name, whole, window.needs(wanted), source, number)
                if part is None:
                    return None
                inputs[name] = part
            output = f"{op.output} strip {number}"
            size = (1, wanted.end - wanted.begin, *graph[op.output].shape[2:])
            tensors[output] = dataclasses.replace(graph[op.output], name=output, shape=size)
            held[op.output] = output
            strip = dataclasses.replace(
                op, name=f"{op.name} strip {number}", inputs=tuple(inputs.get(name, name) for name in op.inputs), output=output
            )
            if isinstance(strip, Conv2D | DepthwiseConv2D | Pool2D):
                top, bottom = window.padding(wanted)
                padding = Padding(top, bottom, strip.padding.left, strip.padding.right)
                strip = dataclasses.replace(strip, padding=padding)
            added.append(strip)
            origins[strip.name] = op.name
        parts.append(held[result.name])
    joined = Concatenation(name=ops[-1].name, inputs=tuple(parts), output=result.name, axis=1)
    for name in written - {result.name}:
        del tensors[name]
    ops = (*graph.ops[: strips.first], *added, joined, *graph.ops[strips.last + 1 :])
    return dataclasses.replace(graph, tensors=tensors, ops=ops), origins
