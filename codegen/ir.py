"""Immutable int8 graph: tensors, operators and the graph that ties them together.

Layout and meaning follow TFLite's int8 specification (https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec):
activations are NHWC with a batch axis of 1, weights are symmetric and per output channel, biases are int32.

A graph may be *shape-only*: constants have ``data=None`` and tensors need no quantization. Everything that depends on shapes
alone (memory plan, cost models) works on such a graph; executing or compiling needs the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from codegen.operators import (
    Add,
    ArgMax,
    AveragePool2D,
    Clamped,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    FullyConnected,
    HardSwish,
    LeakyRelu,
    Logistic,
    Maximum,
    MaxPool2D,
    Mean,
    Minimum,
    Mul,
    Op,
    Pad,
    Padding,
    Pool2D,
    Quantize,
    ReduceMax,
    Reduction,
    Relu,
    Relu6,
    Reshape,
    ResizeNearestNeighbor,
    Slice,
    Softmax,
    Sub,
    Sum,
    Tanh,
    Transpose,
    Weighted,
)

__all__ = [
    "FIXED_OUTPUTS",
    "ITEMSIZE",
    "Add",
    "ArgMax",
    "AveragePool2D",
    "Clamped",
    "Concatenation",
    "Conv2D",
    "DType",
    "DepthwiseConv2D",
    "Dequantize",
    "FullyConnected",
    "Graph",
    "GraphError",
    "HardSwish",
    "LeakyRelu",
    "Logistic",
    "MaxPool2D",
    "Maximum",
    "Mean",
    "Minimum",
    "Mul",
    "Op",
    "Pad",
    "Padding",
    "Pool2D",
    "Quantization",
    "Quantize",
    "ReduceMax",
    "Reduction",
    "Relu",
    "Relu6",
    "Reshape",
    "ResizeNearestNeighbor",
    "Slice",
    "Softmax",
    "Sub",
    "Sum",
    "Tanh",
    "Tensor",
    "Transpose",
    "Weighted",
    "macs",
    "output_shape",
    "total_macs",
]

DType = Literal["int4", "int8", "int32", "float32"]
"""``int4`` is of weights alone: bytes in -8..7, which the compiler packs."""
ITEMSIZE: Mapping[str, int] = {"int4": 1, "int8": 1, "int32": 4, "float32": 4}
"""Bytes of an element in memory."""


class GraphError(ValueError):
    """A graph that breaks an invariant; the message names the operator or tensor."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """Affine quantization: ``real = scale * (q - zero_point)``.

    ``scale`` holds float32 values, one for the tensor or one per index of ``axis``; ``zero_point`` is shared (0 for weights).
    """

    scale: tuple[float, ...]
    zero_point: int = 0
    axis: int | None = None

    def __post_init__(self) -> None:
        if not self.scale or not all(0.0 < s < math.inf for s in self.scale):
            raise GraphError(f"a quantization needs positive, finite scales, got {self.scale[:4]}")
        if not -128 <= self.zero_point <= 127:
            raise GraphError(f"zero point {self.zero_point} is outside -128..127")


FIXED_OUTPUTS: Mapping[type[Op], Quantization] = {
    Logistic: Quantization((1 / 256,), -128),
    Softmax: Quantization((1 / 256,), -128),
    Tanh: Quantization((1 / 128,), 0),
}
"""Of outputs whose range is known, as TFLite's specification has it."""


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A named array. ``data`` (read-only) makes it a constant; ``constant`` marks a constant whose data is not known yet."""

    name: str
    shape: tuple[int, ...]
    dtype: DType = "int8"
    quantization: Quantization | None = None
    data: NDArray[Any] | None = None
    constant: bool = False

    def __post_init__(self) -> None:
        if self.data is not None:
            stored = "int8" if self.dtype == "int4" else self.dtype
            if tuple(self.data.shape) != self.shape or self.data.dtype != np.dtype(stored):
                have, declared = f"{self.data.dtype}{list(self.data.shape)}", f"{self.dtype}{list(self.shape)}"
                raise GraphError(f"tensor {self.name!r}: data is {have}, declared {declared}")
            if self.dtype == "int4" and self.data.size and not (self.data.min() >= -8 and self.data.max() <= 7):
                raise GraphError(f"tensor {self.name!r}: declared int4, but has values outside -8..7")
            frozen = self.data.view()
            frozen.flags.writeable = False
            object.__setattr__(self, "data", frozen)
            object.__setattr__(self, "constant", True)

    @property
    def size(self) -> int:
        """Number of elements."""
        n = 1
        for d in self.shape:
            n *= d
        return n

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.size * ITEMSIZE[self.dtype]

    @property
    def scale(self) -> float:
        """The per-tensor scale (float32 value)."""
        if self.quantization is None or len(self.quantization.scale) != 1:
            raise GraphError(f"tensor {self.name!r} has no per-tensor scale")
        return self.quantization.scale[0]

    @property
    def zero_point(self) -> int:
        """The zero point; 0 for a tensor without quantization (shape-only graphs)."""
        return 0 if self.quantization is None else self.quantization.zero_point


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """Operators in execution order over named tensors.

    :raises GraphError: from :meth:`validate`, which importers and passes call on what they make.
    """

    name: str
    tensors: Mapping[str, Tensor]
    ops: tuple[Op, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __getitem__(self, tensor: str) -> Tensor:
        return self.tensors[tensor]

    @property
    def shape_only(self) -> bool:
        """True where a constant has no data, so the graph can be planned and costed but not run."""
        return any(t.constant and t.data is None for t in self.tensors.values())

    def activations(self) -> Iterator[Tensor]:
        """Every tensor that is not a constant, in order of definition."""
        return (t for t in self.tensors.values() if not t.constant)

    def validate(self) -> Graph:
        """Check order, references and shapes; returns the graph itself."""
        for key, t in self.tensors.items():
            if key != t.name:
                raise GraphError(f"tensor {t.name!r} is filed under {key!r}")
            if t.dtype == "int4" and not t.constant:
                raise GraphError(f"tensor {t.name!r} is int4, which only constants are")
            if any(d < 1 for d in t.shape):
                raise GraphError(f"tensor {t.name!r} has shape {t.shape}; every length must be at least 1")
        for name in self.inputs:
            if name not in self.tensors or self[name].constant:
                raise GraphError(f"graph input {name!r} is no activation of the graph")
        defined = set(self.inputs) | {t.name for t in self.tensors.values() if t.constant}
        names: set[str] = set()
        for op in self.ops:
            if op.name in names:
                raise GraphError(f"two operators are called {op.name!r}")
            names.add(op.name)
            for ref in (*op.inputs, *op.parameters):
                if ref not in self.tensors:
                    raise GraphError(f"operator {op.name!r} reads unknown tensor {ref!r}")
                if ref not in defined:
                    raise GraphError(f"operator {op.name!r} reads {ref!r} before it is written")
            if op.output in defined:
                raise GraphError(f"operator {op.name!r} writes {op.output!r}, which already has a value")
            if op.output not in self.tensors:
                raise GraphError(f"operator {op.name!r} writes unknown tensor {op.output!r}")
            expected = output_shape(op, self)
            if expected is not None and expected != self[op.output].shape:
                raise GraphError(f"operator {op.name!r}: output {op.output!r} is {self[op.output].shape}, should be {expected}")
            defined.add(op.output)
        for out in self.outputs:
            if out not in defined:
                raise GraphError(f"graph output {out!r} is never written")
        return self


def _windowed(op: Conv2D | DepthwiseConv2D | Pool2D, x: tuple[int, ...], window: tuple[int, int], channels: int) -> tuple[int, ...]:
    p = op.padding
    if min(*op.strides, *window) < 1 or min(p.top, p.bottom, p.left, p.right) < 0:
        raise GraphError(f"operator {op.name!r}: window, strides and dilation must be at least 1, padding at least 0")
    rows = (x[1] + p.top + p.bottom - window[0]) // op.strides[0] + 1
    columns = (x[2] + p.left + p.right - window[1]) // op.strides[1] + 1
    return (x[0], rows, columns, channels)


def _check_bias(op: Weighted, channels: int, graph: Graph) -> None:
    if op.bias is not None and (graph[op.bias].shape != (channels,) or graph[op.bias].dtype != "int32"):
        bias = graph[op.bias]
        raise GraphError(f"operator {op.name!r}: bias {op.bias!r} is {bias.dtype}{list(bias.shape)}, should be int32[{channels}]")


def output_shape(op: Op, graph: Graph) -> tuple[int, ...] | None:
    """Shape that ``op`` produces, or None where its attributes do not determine it (Reshape, FullyConnected's leading axes).

    :raises GraphError: if the input shapes do not suit the operator.
    """
    binary = isinstance(op, Add | Sub | Mul | Maximum | Minimum)
    if not op.inputs or (len(op.inputs) != (2 if binary else 1) and not isinstance(op, Concatenation)):
        raise GraphError(f"operator {op.name!r}: {op.kind} cannot take {len(op.inputs)} inputs")
    x = graph[op.inputs[0]].shape
    match op:
        case Conv2D() | DepthwiseConv2D():
            w = graph[op.weight].shape
            if len(x) != 4 or len(w) != 4:
                raise GraphError(f"operator {op.name!r}: needs 4-D input and weight, got {x} and {w}")
            if isinstance(op, Conv2D):
                out_channels = w[0]
                if w[3] != x[3]:
                    raise GraphError(f"operator {op.name!r}: weight takes {w[3]} channels, input has {x[3]}")
            else:
                out_channels = w[3]
                if out_channels % x[3]:
                    raise GraphError(f"operator {op.name!r}: {out_channels} channels are no multiple of the input's {x[3]}")
            _check_bias(op, out_channels, graph)
            kh, kw = ((w[1 + i] - 1) * op.dilation[i] + 1 for i in (0, 1))
            return _windowed(op, x, (kh, kw), out_channels)
        case FullyConnected():
            w = graph[op.weight].shape
            if len(w) != 2 or graph[op.inputs[0]].size % w[1]:
                raise GraphError(f"operator {op.name!r}: input {x} does not split into rows of weight {w}")
            rows = graph[op.inputs[0]].size // w[1]
            if graph[op.output].size != rows * w[0]:
                raise GraphError(f"operator {op.name!r}: output {graph[op.output].shape} does not hold {rows} x {w[0]} elements")
            _check_bias(op, w[0], graph)
            return None
        case Pool2D():
            p = op.padding
            if len(x) != 4 or max(p.top, p.bottom) >= op.window[0] or max(p.left, p.right) >= op.window[1]:
                raise GraphError(f"operator {op.name!r}: needs a 4-D input and padding below the window's size")
            return _windowed(op, x, op.window, x[3])
        case Add() | Sub() | Mul() | Maximum() | Minimum():
            return _broadcast(op, [graph[i].shape for i in op.inputs])
        case Reduction():
            if any(not 0 <= a < len(x) for a in op.axes) or list(op.axes) != sorted(set(op.axes)):
                raise GraphError(f"operator {op.name!r}: cannot reduce axes {op.axes} of {x}")
            if op.keep_dims:
                return tuple(1 if a in op.axes else d for a, d in enumerate(x))
            return tuple(d for a, d in enumerate(x) if a not in op.axes)
        case Pad():
            if len(op.amounts) != len(x) or any(n < 0 for pair in op.amounts for n in pair):
                raise GraphError(f"operator {op.name!r}: cannot pad {x} by {op.amounts}")
            return tuple(d + before + after for d, (before, after) in zip(x, op.amounts, strict=True))
        case Transpose():
            if sorted(op.permutation) != list(range(len(x))):
                raise GraphError(f"operator {op.name!r}: {op.permutation} does not permute the axes of {x}")
            return tuple(x[a] for a in op.permutation)
        case Concatenation():
            return _concatenated(op, [graph[i].shape for i in op.inputs])
        case Slice():
            _check_slice(op, x, graph[op.output].shape)
            return None
        case ResizeNearestNeighbor():
            y = graph[op.output].shape
            if len(x) != 4 or len(y) != 4:
                raise GraphError(f"operator {op.name!r}: needs 4-D input and output, got {x} and {y}")
            return (x[0], y[1], y[2], x[3])
        case Reshape():
            if graph[op.output].size != graph[op.inputs[0]].size:
                raise GraphError(f"operator {op.name!r}: cannot reshape {x} to {graph[op.output].shape}")
            return None
        case Softmax() | Relu() | Relu6() | LeakyRelu() | HardSwish() | Logistic() | Tanh() | Quantize() | Dequantize():
            return x
        case ArgMax():
            return x[:-1]
        case _:
            return None


def _broadcast(op: Op, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    try:
        return tuple(np.broadcast_shapes(*shapes))
    except ValueError:
        raise GraphError(f"operator {op.name!r}: shapes {shapes} do not broadcast") from None


def _concatenated(op: Concatenation, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    first, axis = shapes[0], op.axis
    others = {(*s[:axis], *s[axis + 1 :]) for s in shapes}
    if not 0 <= axis < len(first) or len(others) != 1 or len({len(s) for s in shapes}) != 1:
        raise GraphError(f"operator {op.name!r}: shapes {shapes} do not join along axis {axis}")
    return (*first[:axis], sum(s[axis] for s in shapes), *first[axis + 1 :])


def _check_slice(op: Slice, x: tuple[int, ...], y: tuple[int, ...]) -> None:
    inside = len(op.begin) == len(op.size) == len(op.strides) == len(x) and all(
        n > 0 and 0 <= b < d and 0 <= b + (n - 1) * s < d for b, n, s, d in zip(op.begin, op.size, op.strides, x, strict=True)
    )
    if not inside:
        raise GraphError(f"operator {op.name!r}: begin {op.begin}, size {op.size}, strides {op.strides} leave {x}")
    if [d for d in op.size if d != 1] != [d for d in y if d != 1]:
        raise GraphError(f"operator {op.name!r}: a slice of {op.size} does not fill output {y}")


def macs(op: Op, graph: Graph) -> int:
    """Multiply-accumulates of one inference; padding cells count, as is usual."""
    match op:
        case Conv2D():
            _, kh, kw, i = graph[op.weight].shape
            return graph[op.output].size * kh * kw * i
        case DepthwiseConv2D():
            return graph[op.output].size * graph[op.weight].shape[1] * graph[op.weight].shape[2]
        case FullyConnected():
            return graph[op.output].size * graph[op.weight].shape[1]
        case _:
            return 0


def total_macs(graph: Graph) -> int:
    """Multiply-accumulates of the whole graph."""
    return sum(macs(op, graph) for op in graph.ops)
