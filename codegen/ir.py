"""Immutable int8 graph: tensors, operators and the graph that ties them together.

Layout and meaning follow TFLite's int8 specification (https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec):
activations are NHWC with a batch axis of 1, weights are symmetric and per output channel, biases are int32.

A graph may be *shape-only*: constants have ``data=None`` and tensors need no quantization. Everything that depends on shapes
alone (memory plan, cost models) works on such a graph; executing or compiling needs the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

DType = Literal["int8", "int32", "float32"]
ITEMSIZE: Mapping[str, int] = {"int8": 1, "int32": 4, "float32": 4}


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
            if tuple(self.data.shape) != self.shape or self.data.dtype != np.dtype(self.dtype):
                raise GraphError(
                    f"tensor {self.name!r}: data is {self.data.dtype}{list(self.data.shape)}, declared {self.dtype}{list(self.shape)}"
                )
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


@dataclass(frozen=True, slots=True)
class Padding:
    """Cells added around the spatial axes; they hold the input's zero point."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """An operator: reads ``inputs`` (activations, or constants for binary operators), writes the single tensor ``output``."""

    name: str
    inputs: tuple[str, ...]
    output: str

    @property
    def kind(self) -> str:
        """The operator's name as users see it, for example ``Conv2D``."""
        return type(self).__name__

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of weight and bias tensors, if the operator has them."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clamped(Op):
    """An operator with a fused activation, kept as the integer range that its output is clamped to."""

    clamp: tuple[int, int] = (-128, 127)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted(Clamped):
    """An operator with weights and an optional int32 bias."""

    weight: str
    bias: str | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        return (self.weight,) if self.bias is None else (self.weight, self.bias)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2D(Weighted):
    """Convolution. Input ``(1, H, W, I)``, weight ``(O, kh, kw, I)``, bias ``(O,)``, output ``(1, OH, OW, O)``."""

    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = Padding()


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConv2D(Weighted):
    """Depthwise convolution. Input ``(1, H, W, I)``, weight ``(1, kh, kw, O)`` with ``O = I * multiplier``; output channel ``c``
    reads input channel ``c // multiplier``."""

    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = Padding()


@dataclass(frozen=True, slots=True, kw_only=True)
class FullyConnected(Weighted):
    """Matrix product. Input viewed as ``(rows, I)``, weight ``(O, I)``, bias ``(O,)``, output of ``rows * O`` elements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Clamped):
    """Sum of two tensors of one shape, or of a tensor and one that broadcasts over it, each with its own quantization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool2D(Clamped):
    """A window that slides over ``(1, H, W, C)``; cells outside the input are left out. Input and output share one quantization."""

    window: tuple[int, int]
    strides: tuple[int, int]
    padding: Padding = Padding()


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragePool2D(Pool2D):
    """Rounded mean of the cells inside. With a window of the whole input this is global average pooling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool2D(Pool2D):
    """Maximum of the cells inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(Op):
    """The same bytes under another shape; costs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax(Op):
    """Softmax over the last axis; output scale 1/256, zero point -128."""

    beta: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgMax(Op):
    """Index of the first maximum over the last axis, int32; output shape is the input's without its last axis."""


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
        defined = set(self.inputs) | {t.name for t in self.tensors.values() if t.constant}
        for key, t in self.tensors.items():
            if key != t.name:
                raise GraphError(f"tensor {t.name!r} is filed under {key!r}")
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


def _windowed(size: int, before: int, after: int, window: int, stride: int) -> int:
    return (size + before + after - window) // stride + 1


def output_shape(op: Op, graph: Graph) -> tuple[int, ...] | None:
    """Shape that ``op`` produces, or None where its attributes do not determine it (Reshape, FullyConnected's leading axes).

    :raises GraphError: if the input shapes do not suit the operator.
    """
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
            kh, kw = ((w[1 + i] - 1) * op.dilation[i] + 1 for i in (0, 1))
            p = op.padding
            return (
                x[0],
                _windowed(x[1], p.top, p.bottom, kh, op.strides[0]),
                _windowed(x[2], p.left, p.right, kw, op.strides[1]),
                out_channels,
            )
        case FullyConnected():
            w = graph[op.weight].shape
            if len(w) != 2 or graph[op.inputs[0]].size % w[1]:
                raise GraphError(f"operator {op.name!r}: input {x} does not split into rows of weight {w}")
            rows = graph[op.inputs[0]].size // w[1]
            if graph[op.output].size != rows * w[0]:
                raise GraphError(f"operator {op.name!r}: output {graph[op.output].shape} does not hold {rows} x {w[0]} elements")
            return None
        case Pool2D():
            p = op.padding
            return (
                x[0],
                _windowed(x[1], p.top, p.bottom, op.window[0], op.strides[0]),
                _windowed(x[2], p.left, p.right, op.window[1], op.strides[1]),
                x[3],
            )
        case Add():
            return tuple(np.broadcast_shapes(x, graph[op.inputs[1]].shape))
        case Reshape():
            if graph[op.output].size != graph[op.inputs[0]].size:
                raise GraphError(f"operator {op.name!r}: cannot reshape {x} to {graph[op.output].shape}")
            return None
        case Softmax():
            return x
        case ArgMax():
            return x[:-1]
        case _:
            return None


def macs(op: Op, graph: Graph) -> int:
    """Multiply-accumulates of one inference; padding cells count, as is usual."""
    match op:
        case Conv2D():
            o, kh, kw, i = graph[op.weight].shape
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
