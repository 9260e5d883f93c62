"""Random operators that move bytes."""

from __future__ import annotations

import math
from typing import Any

from codegen.fuzzing.sketch import MOST_ELEMENTS, Sketch, Unsuitable
from codegen.ir import Concatenation, Pad, Reshape, ResizeNearestNeighbor, Slice, Transpose


def pad(s: Sketch) -> None:
    """Padding of any axis but the batch's; mostly with the zero point, as a convolution that follows could take in."""
    x = s.operand()
    if s.chance(0.1):
        s.note("identity: Pad")
        amounts = tuple((0, 0) for _ in x.shape)
    else:
        axes = range(len(x.shape))
        padded = (1, 2) if len(x.shape) == 4 and s.chance(0.6) else [a for a in axes if a and s.chance(0.5)]
        most = s.choice((1, 1, 3))
        amounts = tuple(
            (min(most, s.choice((0, 1, 1, 3))), min(most, s.choice((0, 1, 1, 2)))) if a in padded else (0, 0) for a in axes
        )
    value = x.zero_point if s.chance(0.5) else s.integer(-128, 127)
    if value != x.zero_point:
        s.note("pad: another value than the zero point")
    shape = s.shape_of(Pad(name="", inputs=(x.name,), output="", amounts=amounts, value=value))
    output = s.tensor("out", shape, x.quantization)
    s.append(Pad(name=s.next_name, inputs=(x.name,), output=output, amounts=amounts, value=value))


def transpose(s: Sketch) -> None:
    """Axes in another order, the batch's in its place."""
    x = s.operand(4) if s.chance(0.7) else s.operand()
    permutation = (0, *(int(a) + 1 for a in s.rng.permutation(len(x.shape) - 1)))
    moved = [a for a in permutation if x.shape[a] > 1]
    if moved == sorted(moved):
        s.note("identity: Transpose")
    shape = tuple(x.shape[a] for a in permutation)
    s.append(Transpose(name=s.next_name, inputs=(x.name,), output=s.tensor("out", shape, x.quantization), permutation=permutation))


def concatenation(s: Sketch) -> None:
    """One to four parts of one quantization: results of operators, new inputs, one tensor twice."""
    x = s.operand()
    axis = s.integer(0 if len(x.shape) == 1 else 1, len(x.shape) - 1)

    def fits(shape: tuple[int, ...]) -> bool:
        return len(shape) == len(x.shape) and all(d == e for a, (d, e) in enumerate(zip(shape, x.shape, strict=True)) if a != axis)

    parts = [x]
    for _ in range(s.integer(0, 3)):
        live = [t for t in s.live() if t.quantization == x.quantization and fits(t.shape)]
        if s.chance(0.6):
            parts.append(s.choice(live))
        else:
            shape = tuple(s.integer(1, 5) if a == axis else d for a, d in enumerate(x.shape))
            parts.append(s.input(shape, x.quantization))
    if len(parts) == 1:
        s.note("identity: Concatenation")
    if len({p.name for p in parts}) < len(parts):
        s.note("concatenation: one tensor twice")
    s.rng.shuffle(parts)
    names = tuple(p.name for p in parts)
    shape = s.shape_of(Concatenation(name="", inputs=names, output="", axis=axis))
    s.append(Concatenation(name=s.next_name, inputs=names, output=s.tensor("out", shape, x.quantization), axis=axis))


def take_slice(s: Sketch) -> None:
    """Elements axis by axis, in steps forwards or backwards; leading rows often, and at times all."""
    x = s.operand()
    begin, size, strides = [0] * len(x.shape), list(x.shape), [1] * len(x.shape)
    if s.chance(0.1):
        s.note("identity: Slice")
    else:
        rows_only = s.chance(0.4)
        for axis, length in enumerate(x.shape):
            if axis == 0 or length == 1 or (rows_only and axis > 1):
                continue
            step = s.choice((1, 1, 1, 2, 3, -1, -2))
            count = s.integer(1, -(-length // abs(step)))
            slack = length - 1 - (count - 1) * abs(step)
            first = s.integer(0, slack)
            begin[axis], size[axis], strides[axis] = first if step > 0 else first + (count - 1) * -step, count, step
        if min(strides) < 0:
            s.note("slice: backwards")
    shape = tuple(size)
    if s.chance(0.2):
        s.note("slice: fewer axes")
        shape = (1, *(d for d in size[1:] if d != 1))
    output = s.tensor("out", shape, x.quantization)
    attributes: dict[str, Any] = {"begin": tuple(begin), "size": tuple(size), "strides": tuple(strides)}
    s.append(Slice(name=s.next_name, inputs=(x.name,), output=output, **attributes))


def resize_nearest_neighbor(s: Sketch) -> None:
    """Any height and width from a single cell to three times as many, in TFLite's three ways."""
    x = s.operand(4)
    _, rows, columns, channels = x.shape
    shape = (1, s.integer(1, 3 * rows), s.integer(1, 3 * columns), channels)
    if math.prod(shape) > MOST_ELEMENTS:
        raise Unsuitable("too large")
    aligned, half = s.choice(((False, False), (True, False), (False, True)))
    output = s.tensor("out", shape, x.quantization)
    op = ResizeNearestNeighbor(name=s.next_name, inputs=(x.name,), output=output, align_corners=aligned, half_pixel_centers=half)
    s.append(op)


def reshape(s: Sketch) -> None:
    """The same bytes: flat, as one row of pixels, split another way, or the same shape."""
    x = s.operand()
    style = s.integer(0, 3)
    if style == 0:
        shape: tuple[int, ...] = (1, x.size)
    elif style == 1:
        shape = (1, 1, x.size // x.shape[-1], x.shape[-1])
    elif style == 2:
        rows = s.choice([d for d in range(1, x.size + 1) if x.size % d == 0])
        shape = (1, rows, 1, x.size // rows)
    else:
        s.note("identity: Reshape")
        shape = x.shape
    s.append(Reshape(name=s.next_name, inputs=(x.name,), output=s.tensor("out", shape, x.quantization)))
