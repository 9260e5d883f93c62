"""Random pooling and reductions."""

from __future__ import annotations

import math
from typing import Any

from codegen.fuzzing.sketch import Sketch, Unsuitable, float32
from codegen.fuzzing.weighted import note_window, window_padding, window_strides
from codegen.ir import (
    FIXED_OUTPUTS,
    ArgMax,
    AveragePool2D,
    MaxPool2D,
    Mean,
    Quantization,
    ReduceMax,
    Reduction,
    Softmax,
    Sum,
    Tensor,
)


def average_pool2d(s: Sketch) -> None:
    """Average pooling, global one and windows of hundreds of cells included."""
    _pool(s, AveragePool2D)


def max_pool2d(s: Sketch) -> None:
    """Maximum pooling."""
    _pool(s, MaxPool2D)


def _pool(s: Sketch, kind: type[AveragePool2D] | type[MaxPool2D]) -> None:
    x = _wide_input(s) if s.chance(0.1) else s.operand(4)
    if s.chance(0.4):
        window = (x.shape[1], x.shape[2])
        s.note("window: the whole input")
    else:
        window = (s.integer(1, 5), s.integer(1, 5))
    strides = window if s.chance(0.4) else window_strides(s)
    padding = window_padding(s, x, window, strides)
    note_window(s, x, window, strides)
    assert x.quantization is not None
    attributes: dict[str, Any] = {"window": window, "strides": strides, "padding": padding}
    shape = s.shape_of(kind(name="", inputs=(x.name,), output="", **attributes))
    output = s.tensor("out", shape, x.quantization)
    s.append(kind(name=s.next_name, inputs=(x.name,), output=output, clamp=s.clamp(x.quantization), **attributes))


def _wide_input(s: Sketch) -> Tensor:
    s.note("pooling: more than 361 cells")
    return s.input((1, *s.choice(((20, 20), (1, 400), (27, 14), (370, 1))), s.choice((1, 4, 5))))


def mean(s: Sketch) -> None:
    """Arithmetic mean over any axes."""
    _reduction(s, Mean)


def total(s: Sketch) -> None:
    """Sum over any axes."""
    _reduction(s, Sum)


def reduce_max(s: Sketch) -> None:
    """Maximum over any axes."""
    _reduction(s, ReduceMax)


def _reduction(s: Sketch, kind: type[Reduction]) -> None:
    x = s.operand(4) if s.chance(0.7) else s.operand()
    rank = len(x.shape)
    if rank == 4 and s.chance(0.5):
        axes: tuple[int, ...] = (1, 2)
    else:
        axes = tuple(sorted({s.integer(0, rank - 1) for _ in range(s.integer(1, rank))}))
    keep = s.chance(0.5)
    if 0 in axes and not keep:
        s.note("reduction: no batch axis left")
    assert x.quantization is not None
    attributes: dict[str, Any] = {"axes": axes, "keep_dims": keep}
    shape = s.shape_of(kind(name="", inputs=(x.name,), output="", **attributes))
    quantization = x.quantization
    if kind is not ReduceMax and s.chance(0.6):
        cells = math.prod(x.shape[a] for a in axes) if kind is Sum else 1
        quantization = Quantization((float32(x.scale * cells * 2.0 ** s.rng.uniform(-2, 2)),), s.zero_point())
    output = s.tensor("out", shape, quantization)
    s.append(kind(name=s.next_name, inputs=(x.name,), output=output, **attributes))


def softmax(s: Sketch) -> None:
    """Softmax, at times of thousands of elements."""
    if s.chance(0.05):
        s.note("softmax: long rows")
        x = s.input((1, s.choice((700, 1500, 2900))))
    else:
        x = s.operand()
    beta = 1.0 if s.chance(0.8) else float32(2.0 ** s.rng.uniform(-2, 2))
    s.append(Softmax(name=s.next_name, inputs=(x.name,), output=s.tensor("out", x.shape, FIXED_OUTPUTS[Softmax]), beta=beta))


def arg_max(s: Sketch) -> None:
    """Index of the greatest element."""
    x = s.operand()
    if len(x.shape) < 2:
        raise Unsuitable("one element")
    s.append(ArgMax(name=s.next_name, inputs=(x.name,), output=s.tensor("out", x.shape[:-1], dtype="int32")))
