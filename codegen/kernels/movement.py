"""Operators that move bytes without changing them: Pad, Concatenation, Slice, Transpose, ResizeNearestNeighbor.

Each is a list of boxes of the output. A box is filled with one value, or copied from an input along strides; its innermost run is
one micro-kernel call where it is contiguous on both sides. Boxes are copied before any is filled, in the order of the input, so
that the output may overwrite an input from behind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Concatenation, Graph, Op, Pad, ResizeNearestNeighbor, Slice, Transpose
from codegen.kernels._base import Constant, Kernel
from codegen.reference.movement import nearest

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Box:
    """A block of the output: loops of ``extents``, outermost first, then a run of ``run`` bytes.

    ``to`` and ``start`` are the first bytes in the output and in the input, ``out_strides`` and ``in_strides`` the loops' steps.
    ``source`` is the position of the input, None for a box that is filled with ``value``.
    """

    source: int | None
    value: int
    to: int
    start: int
    extents: tuple[int, ...]
    out_strides: tuple[int, ...]
    in_strides: tuple[int, ...]
    run: int

    @property
    def runs(self) -> int:
        """Number of runs."""
        return math.prod(self.extents)

    def offsets(self, start: int, strides: Sequence[int]) -> Int64:
        """First byte of every run, in order."""
        at = np.array([start], np.int64)
        for extent, stride in zip(self.extents, strides, strict=True):
            at = (at[:, None] + np.arange(extent, dtype=np.int64) * stride).ravel()
        return at


@dataclass(frozen=True, slots=True)
class MovementSpec:
    """``sources`` are the sizes of the inputs in bytes, with whether each is constant."""

    sources: tuple[tuple[int, bool], ...]
    size: int
    boxes: tuple[Box, ...]


class MovementKernel(Kernel[MovementSpec]):
    """See the module."""

    name = "movement"
    micro_kernels = ("movement",)

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> MovementSpec | None:
        if graph[op.output].dtype != "int8":
            return None
        match op:
            case Pad():
                boxes = _pad(op, graph)
            case Concatenation():
                boxes = _concatenation(op, graph)
            case Slice():
                boxes = _slice(op, graph)
            case Transpose():
                boxes = _transpose(op, graph)
            case ResizeNearestNeighbor():
                boxes = _resize(op, graph)
            case _:
                return None
        sources = tuple((graph[name].nbytes, graph[name].constant) for name in op.inputs)
        return MovementSpec(sources, graph[op.output].nbytes, tuple(boxes))

    def constant_bytes(self, spec: MovementSpec) -> int:
        return sum(size for size, constant in spec.sources if constant)

    def pack(self, op: Op, graph: Graph, spec: MovementSpec) -> tuple[Constant, ...]:
        constants = []
        for number, name in enumerate(op.inputs):
            if graph[name].constant:
                data = graph[name].data
                assert data is not None, "only a graph with data is packed"
                constants.append(Constant(f"part{number}", data.ravel()))
        return tuple(constants)

    def overlap(self, spec: MovementSpec) -> tuple[int | None, ...]:
        return _leads(spec)

    def work(self, spec: MovementSpec) -> Mapping[str, int]:
        """Features: runs that are copied, with their words and single bytes; lone bytes; the same of runs that are filled."""
        features = {"calls": 1, "runs": 0, "words": 0, "rest": 0, "bytes": 0, "fills": 0, "filled": 0}
        for box in spec.boxes:
            if box.source is None:
                features["fills"] += box.runs
                features["filled"] += box.runs * box.run
            elif box.run == 1:
                features["bytes"] += box.runs
            else:
                features["runs"] += box.runs
                features["words"] += box.runs * (box.run // 4)
                features["rest"] += box.runs * (box.run % 4)
        return features

    def prim_func(self, spec: MovementSpec) -> tvm.tirx.PrimFunc:
        from tvm import s_tir
        from tvm.script.ir_builder import IRBuilder
        from tvm.tirx.script import builder as T

        from codegen.tvm_build import annotate

        names = [f"part{i}" if constant else f"x{i}" for i, (_, constant) in enumerate(spec.sources)]
        with IRBuilder() as ib, T.prim_func(s_tir=True):
            T.func_name("main")
            # Activations come before constants.
            order = sorted(range(len(names)), key=lambda i: spec.sources[i][1])
            sources = {i: T.arg(names[i], T.buffer((spec.sources[i][0],), "int8")) for i in order}
            y = T.arg("y", T.buffer((spec.size,), "int8"))
            with T.sblock("root"):
                for number, box in enumerate(spec.boxes):
                    _box(number, box, None if box.source is None else sources[box.source], y)
        constants = [name for name, (_, constant) in zip(names, spec.sources, strict=True) if constant]
        return annotate(s_tir.Schedule(ib.get()).mod["main"], constants)


def _box(number: int, box: Box, x: Any, y: Any) -> None:
    """The loops of one box."""
    from contextlib import nullcontext

    from tvm.tirx.script import builder as T

    from codegen.kernels._tir import call, loops

    extents = {f"axis{i}": extent for i, extent in enumerate(box.extents)}
    with loops(**extents) if extents else nullcontext(()) as variables, T.sblock(f"box_{number}"):
        to, start = box.to, box.start
        for variable, out_stride, in_stride in zip(variables, box.out_strides, box.in_strides, strict=True):
            to, start = to + variable * out_stride, start + variable * in_stride
        T.reads(*([] if x is None else [x[0 : x.shape[0]]]))
        T.writes(y[0 : y.shape[0]])
        if x is None:
            call("fill_run", T.address_of(y[to]), box.value, box.run)
        elif box.run == 1:
            T.buffer_store(y, x[start], [to])
        else:
            call("move_run", T.address_of(y[to]), T.address_of(x[start]), box.run)


@lru_cache(maxsize=4096)
def _leads(spec: MovementSpec) -> tuple[int | None, ...]:
    """A run is read after all runs before it are written, and copied in ascending order."""
    leads: list[int | None] = []
    for source, (size, constant) in enumerate(spec.sources):
        if constant:
            continue
        lead, written = -size, -1
        for box in spec.boxes:
            to = box.offsets(box.to, box.out_strides)
            ends = to + box.run - 1
            if box.source == source:
                start = box.offsets(box.start, box.in_strides)
                before = np.maximum.accumulate(np.concatenate([[written], ends[:-1]]))
                needed = np.where(before >= 0, before - start + 1, -size)
                if box.run > 1:
                    needed = np.maximum(needed, to - start)
                lead = max(lead, int(needed.max()))
            written = max(written, int(ends.max()))
        leads.append(lead)
    return tuple(leads)


def _strides(shape: Sequence[int]) -> list[int]:
    """Steps in bytes of a tensor's axes."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _copied(source: int, to: int, start: int, extents: Sequence[int], out_strides: Sequence[int], in_strides: Sequence[int]) -> Box:
    """A copied box with as few loops as can be: axes of one element go, axes that continue each other become one."""
    merged: list[tuple[int, int, int]] = []
    for extent, out_stride, in_stride in zip(extents, out_strides, in_strides, strict=True):
        if extent == 1:
            continue
        if merged:
            outer, outer_out, outer_in = merged[-1]
            if outer_out == extent * out_stride and outer_in == extent * in_stride:
                merged[-1] = (outer * extent, out_stride, in_stride)
                continue
        merged.append((extent, out_stride, in_stride))
    run = 1
    if merged and merged[-1][1:] == (1, 1):
        run = merged.pop()[0]
    extents, outs, ins = (tuple(axis[i] for axis in merged) for i in range(3))
    return Box(source, 0, to, start, extents, outs, ins, run)


def _filled(value: int, shape: Sequence[int], begin: Sequence[int], size: Sequence[int]) -> Box:
    """A box of the output that is filled."""
    strides = _strides(shape)
    to = sum(b * s for b, s in zip(begin, strides, strict=True))
    box = _copied(0, to, 0, size, strides, strides)
    return Box(None, value, to, 0, box.extents, box.out_strides, box.in_strides, box.run)


def _pad(op: Pad, graph: Graph) -> list[Box]:
    x, y = graph[op.inputs[0]].shape, graph[op.output].shape
    out_strides = _strides(y)
    to = sum(before * stride for (before, _), stride in zip(op.amounts, out_strides, strict=True))
    boxes = [_copied(0, to, 0, x, out_strides, _strides(x))]
    for axis, (before, after) in enumerate(op.amounts):
        # Outer axes inside the input, inner ones whole.
        inside = [pair[0] for pair in op.amounts[:axis]]
        for begin, count in ((0, before), (before + x[axis], after)):
            if count:
                whole = [0] * (len(y) - axis - 1)
                boxes.append(_filled(op.value, y, [*inside, begin, *whole], [*x[:axis], count, *y[axis + 1 :]]))
    return boxes


def _concatenation(op: Concatenation, graph: Graph) -> list[Box]:
    out_strides = _strides(graph[op.output].shape)
    boxes, position = [], 0
    for number, name in enumerate(op.inputs):
        shape = graph[name].shape
        boxes.append(_copied(number, position * out_strides[op.axis], 0, shape, out_strides, _strides(shape)))
        position += shape[op.axis]
    return boxes


def _slice(op: Slice, graph: Graph) -> list[Box]:
    strides = _strides(graph[op.inputs[0]].shape)
    start = sum(begin * stride for begin, stride in zip(op.begin, strides, strict=True))
    steps = [step * stride for step, stride in zip(op.strides, strides, strict=True)]
    return [_copied(0, 0, start, op.size, _strides(op.size), steps)]


def _transpose(op: Transpose, graph: Graph) -> list[Box]:
    strides = _strides(graph[op.inputs[0]].shape)
    shape = graph[op.output].shape
    return [_copied(0, 0, 0, shape, _strides(shape), [strides[axis] for axis in op.permutation])]


def _resize(op: ResizeNearestNeighbor, graph: Graph) -> list[Box]:
    """A box for each stretch of output rows and columns that goes evenly through the input."""
    _, height, width, channels = graph[op.inputs[0]].shape
    _, rows, columns, _ = graph[op.output].shape
    return [
        _copied(
            0,
            (down.position * columns + across.position) * channels,
            (down.first * width + across.first) * channels,
            (down.count, down.repeats, across.count, across.repeats, channels),
            (down.repeats * columns * channels, columns * channels, across.repeats * channels, channels, 1),
            (down.step * width * channels, 0, across.step * channels, 0, 1),
        )
        for down in _stretches(nearest(op, height, rows))
        for across in _stretches(nearest(op, width, columns))
    ]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Output positions from ``position`` on that take ``count`` input positions from ``first`` on in steps of ``step``, each
    ``repeats`` times."""

    position: int
    first: int
    count: int
    repeats: int
    step: int


def _stretches(picked: Int64) -> list[_Stretch]:
    """The input positions that are picked, as even stretches."""
    repeats = int(np.argmax(picked != picked[0])) or len(picked)
    groups = picked[: len(picked) - len(picked) % repeats].reshape(-1, repeats)
    steps = np.diff(groups[:, 0])
    if len(picked) % repeats == 0 and (groups == groups[:, :1]).all() and (steps == steps[:1]).all():
        return [_Stretch(0, int(picked[0]), len(groups), repeats, int(steps[0]) if steps.size else 0)]
    stretches: list[_Stretch] = []
    position = 0
    while position < len(picked):
        rest = np.diff(picked[position:])
        step = int(rest[0]) if rest.size else 0
        count = 1 + (int(np.argmax(rest != step)) or len(rest) if (rest != step).any() else len(rest))
        stretches.append(_Stretch(position, int(picked[position]), count, 1, step))
        position += count
    return stretches
