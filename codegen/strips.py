"""Partial execution: a range of operators computed strip by strip, a few rows of its result at a time.

The input of the range is read through views of its rows and the strips of the result are views too (:mod:`codegen.views`), so only
the tensors between them exist in parts. Rows at the border of two strips that both need are computed twice, or kept: then each
row has an address of its own, and the plan lets go of it after its last use. Every strip's operator gets the padding that its rows
see: the results equal those of the whole range bit by bit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
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
    """A range of operators, ``first`` to ``last`` (both included), and the rows of its result that are computed at a time.

    With ``keep`` rows that two strips need are kept, in tensors that are no larger than what the range reads or its result.
    """

    first: int
    last: int
    rows: int
    keep: bool = False


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


def kept(ops: Sequence[RowOperator], graph: Graph) -> frozenset[str]:
    """The tensors between operators whose rows are worth keeping from one strip to the next: not too large, and read again."""
    written = {op.output for op in ops[:-1]}
    read = {name for op in ops for name in op.inputs} - written
    largest = max(sum(graph[name].nbytes for name in read), graph[ops[-1].output].nbytes)
    again = {name for op in ops for name in op.inputs if op.window.reach > op.window.stride}
    return frozenset(name for name in written & again if graph[name].nbytes <= largest)


def rows_needed(ops: Sequence[RowOperator], rows: Rows, done: Mapping[str, int]) -> dict[str, Rows]:
    """For ``rows`` of the last operator's output: the rows of every tensor that the operators must write or read.

    ``done`` tells how many rows of a tensor that keeps them have been written before.
    """
    needed = {ops[-1].output: rows}
    for op in reversed(ops):
        written = rows_written(op.output, needed, done)
        if written is not None:
            wanted = op.window.needs(written)
            for name in op.inputs:
                known = needed.get(name, wanted)
                needed[name] = Rows(min(known.begin, wanted.begin), max(known.end, wanted.end))
    return needed


def rows_written(name: str, needed: Mapping[str, Rows], done: Mapping[str, int]) -> Rows | None:
    """Of the rows that are needed of a tensor, those that must be computed; None where there are none."""
    if name not in needed:
        return None
    begin, end = done.get(name, needed[name].begin), needed[name].end
    return Rows(begin, end) if begin < end else None


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


class _Image(NamedTuple):
    """A tensor that holds ``rows`` of an image."""

    tensor: str
    rows: Rows


class _Writer:
    """The operators of a range in strips, as they are made, and the graph's tensors with theirs."""

    def __init__(self, graph: Graph, range_name: str) -> None:
        self._graph, self._range = graph, range_name
        self.tensors = dict(graph.tensors)
        self.ops: list[Op] = []
        self.aligned = True
        """Whether every image begins at an aligned address and has rows."""

    def tensor(self, image: str, name: str, rows: Rows) -> str:
        """A new tensor for some rows of an image."""
        whole = self._graph[image]
        self.aligned &= rows.begin * row_bytes(whole) % ARENA_ALIGN == 0 and rows.end > rows.begin
        self.tensors[name] = dataclasses.replace(whole, name=name, shape=(1, rows.end - rows.begin, *whole.shape[2:]))
        return name

    def take(self, image: str, source: _Image, rows: Rows, number: int) -> str:
        """``rows`` of an image as a tensor: ``source`` if it holds just these, else a view of it."""
        if rows == source.rows:
            return source.tensor
        name = f"{image} rows {rows.begin} to {rows.end - 1} for {self._range} strip {number}"
        if name not in self.tensors:
            self.tensor(image, name, rows)
            skipped = rows.begin - source.rows.begin
            self.aligned &= skipped * row_bytes(self._graph[image]) % ARENA_ALIGN == 0
            size, begin = self.tensors[name].shape, (0, skipped, 0, 0)
            take = Slice(name=f"take {name}", inputs=(source.tensor,), output=name, begin=begin, size=size, strides=(1, 1, 1, 1))
            self.ops.append(take)
        return name

    def append(self, image: str, above: _Image, below: _Image, number: int) -> _Image:
        """Two adjoining parts of an image as one."""
        rows = Rows(above.rows.begin, below.rows.end)
        name = self.tensor(image, f"{image} up to strip {number}", rows)
        inputs = (above.tensor, below.tensor)
        self.ops.append(Concatenation(name=f"append {name}", inputs=inputs, output=name, axis=1))
        return _Image(name, rows)


def _split(graph: Graph, strips: Strips) -> tuple[Graph, dict[str, str]] | None:
    ops = graph.ops[strips.first : strips.last + 1]
    on_rows = [found for op in ops if (found := row_operator(op, graph)) is not None]
    result = graph[ops[-1].output]
    writer = _Writer(graph, result.name)
    done = dict.fromkeys(kept(on_rows, graph) if strips.keep else (), 0)
    held = {name: _Image(name, Rows(0, graph[name].shape[1])) for op in on_rows for name in op.inputs}
    parts: list[str] = []
    origins: dict[str, str] = {}
    for number, rows in enumerate(heights(result.shape[1], strips.rows)):
        needed = rows_needed(on_rows, rows, done)
        for op, (output, names, window) in zip(ops, on_rows, strict=True):
            written = rows_written(output, needed, done)
            if written is None:
                continue
            taken = {name: writer.take(name, held[name], window.needs(written), number) for name in names}
            strip = dataclasses.replace(
                op,
                name=f"{op.name} strip {number}",
                inputs=tuple(taken.get(name, name) for name in op.inputs),
                output=writer.tensor(output, f"{output} strip {number}", written),
            )
            if isinstance(strip, Conv2D | DepthwiseConv2D | Pool2D):
                top, bottom = window.padding(written)
                strip = dataclasses.replace(strip, padding=Padding(top, bottom, strip.padding.left, strip.padding.right))
            writer.ops.append(strip)
            origins[strip.name] = op.name
            image = _Image(strip.output, written)
            held[output] = writer.append(output, held[output], image, number) if done.get(output) else image
            if output in done:
                done[output] = written.end
        parts.append(held[result.name].tensor)
    if not writer.aligned:
        return None
    for op in ops[:-1]:
        del writer.tensors[op.output]
    joined = Concatenation(name=ops[-1].name, inputs=tuple(parts), output=result.name, axis=1)
    rewritten = (*graph.ops[: strips.first], *writer.ops, joined, *graph.ops[strips.last + 1 :])
    return dataclasses.replace(graph, tensors=writer.tensors, ops=rewritten), origins
