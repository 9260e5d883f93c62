"""Conversion of each operator of the graph to operators of TFLite.

Keys of options are numbers of fields of the operator's options table in TFLite's schema. Versions are those that
tensorflow/compiler/mlir/lite/tools/versioning/op_version.cc gives to int8 operators.
"""

from __future__ import annotations

from codegen import ir
from codegen.exporters.tflite._builder import FileBuilder, unsupported
from codegen.exporters.tflite._file import Number
from codegen.ir import Clamped, Op, Padding, Tensor
from codegen.requantize import activation_range
from codegen.tflite_schema import ACTIVATIONS, FUSED_ACTIVATIONS, PADDINGS, TENSOR_TYPES, same_padding

_ELEMENTWISE = {
    "Relu": ("RELU", 2),
    "Relu6": ("RELU6", 2),
    "HardSwish": ("HARD_SWISH", 1),
    "Logistic": ("LOGISTIC", 2),
    "Tanh": ("TANH", 2),
    "Quantize": ("QUANTIZE", 1),
    "Dequantize": ("DEQUANTIZE", 2),
}
_REDUCTIONS = {"Mean": "MEAN", "Sum": "SUM", "ReduceMax": "REDUCE_MAX"}


def convert(b: FileBuilder, op: Op) -> None:
    """Append ``op`` in TFLite's form.

    :raises UserError: if it has none.
    """
    match op:
        case ir.Conv2D() | ir.DepthwiseConv2D():
            _convolution(b, op)
        case ir.FullyConnected():
            _fully_connected(b, op)
        case ir.AveragePool2D() | ir.MaxPool2D():
            _pool(b, op)
        case ir.Add() | ir.Sub() | ir.Mul():
            kind = op.kind.upper()
            b.append(kind, _arithmetic_version(b, op), op.inputs, op.output, {0: ("b", _fused(b, op))})
        case ir.Maximum() | ir.Minimum():
            b.append(op.kind.upper(), 3 if _broadcasts_many_axes(b, op) else 2, op.inputs, op.output)
        case ir.Mean() | ir.Sum() | ir.ReduceMax():
            axes = b.integers(op.output, "axes", op.axes)
            b.append(_REDUCTIONS[op.kind], 2, (*op.inputs, axes), op.output, {0: ("?", op.keep_dims)})
        case ir.ArgMax():
            axis = b.integers(op.output, "axis", [len(b.graph[op.inputs[0]].shape) - 1], ())
            b.append("ARG_MAX", 2, (*op.inputs, axis), op.output, {0: ("b", TENSOR_TYPES.index("INT32"))})
        case ir.Pad():
            _pad(b, op.inputs[0], op.output, op.amounts, op.value)
        case ir.Reshape():
            _reshape(b, op.inputs[0], op.output)
        case ir.Transpose():
            axes = b.integers(op.output, "permutation", op.permutation)
            version = {5: 4, 6: 6}.get(len(op.permutation), 8 if len(op.permutation) > 6 else 2)
            b.append("TRANSPOSE", version, (*op.inputs, axes), op.output)
        case ir.Concatenation():
            b.append("CONCATENATION", 2, op.inputs, op.output, {0: ("i", op.axis), 1: ("b", ACTIVATIONS.index("NONE"))})
        case ir.Slice():
            _slice(b, op)
        case ir.ResizeNearestNeighbor():
            size = b.integers(op.output, "size", b.graph[op.output].shape[1:3])
            version = 3 if op.align_corners or op.half_pixel_centers else 2
            flags: dict[int, Number] = {0: ("?", op.align_corners), 1: ("?", op.half_pixel_centers)}
            b.append("RESIZE_NEAREST_NEIGHBOR", version, (*op.inputs, size), op.output, flags)
        case ir.LeakyRelu():
            b.append("LEAKY_RELU", 1, op.inputs, op.output, {0: ("f", op.alpha)})
        case ir.Softmax():
            b.append("SOFTMAX", 2, op.inputs, op.output, {0: ("f", op.beta)})
        case _ if op.kind in _ELEMENTWISE:
            b.append(*_ELEMENTWISE[op.kind], op.inputs, op.output)
        case _:
            raise unsupported(op, "the format has no such operator")


def _fused(b: FileBuilder, op: Clamped) -> int:
    """The fused activation that leaves the operator's range."""
    output = b.graph[op.output]
    for name, activation in FUSED_ACTIVATIONS.items():
        if activation_range(activation, output.scale, output.zero_point) == op.clamp:
            return ACTIVATIONS.index(name)
    raise unsupported(op, f"its outputs are clamped to {op.clamp}, which is the range of no fused activation")


def _convolution(b: FileBuilder, op: ir.Conv2D | ir.DepthwiseConv2D) -> None:
    x, weight = b.graph[op.inputs[0]], b.graph[op.weight]
    extents = [(k - 1) * d + 1 for k, d in zip(weight.shape[1:3], op.dilation, strict=True)]
    source, padding = x.name, _padding(x, op.padding, (extents[0], extents[1]), op.strides)
    if padding is None:
        source, padding = _padded(b, op, x, op.padding, x.zero_point), PADDINGS.index("VALID")
    depthwise = isinstance(op, ir.DepthwiseConv2D)
    strides: list[Number] = [("b", padding), ("i", op.strides[1]), ("i", op.strides[0])]
    multiplier: list[Number] = [("i", weight.shape[3] // x.shape[3])] if depthwise else []
    rest: list[Number] = [("b", _fused(b, op)), ("i", op.dilation[1]), ("i", op.dilation[0])]
    _weighted(b, op, "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", 3, source, op.output, [*strides, *multiplier, *rest])


def _fully_connected(b: FileBuilder, op: ir.FullyConnected) -> None:
    x, y, (features, depth) = b.graph[op.inputs[0]], b.graph[op.output], b.graph[op.weight].shape
    rows = (x.size // depth, features)
    keep = y.shape != rows and y.shape == (*x.shape[:-1], features)
    output = y.name if keep or y.shape == rows else b.activation(f"{y.name}/rows", rows, y)
    version = 6 if op.bias is None else 5 if keep else 4
    _weighted(b, op, "FULLY_CONNECTED", version, x.name, output, [("b", _fused(b, op)), ("b", 0), ("?", keep)])
    if output != y.name:
        _reshape(b, output, y.name)


def _weighted(b: FileBuilder, op: ir.Weighted, kind: str, version: int, source: str, output: str, options: list[Number]) -> None:
    bias = b.bias(op)
    operands = (source, op.weight) if bias is None else (source, op.weight, bias)
    b.append(kind, version, operands, output, dict(enumerate(options)))


def _pool(b: FileBuilder, op: ir.AveragePool2D | ir.MaxPool2D) -> None:
    x = b.graph[op.inputs[0]]
    source, padding = x.name, _padding(x, op.padding, op.window, op.strides)
    if padding is None:
        if isinstance(op, ir.AveragePool2D):
            raise unsupported(op, f"{op.padding} is neither SAME nor VALID, and padded cells would count")
        source, padding = _padded(b, op, x, op.padding, -128), PADDINGS.index("VALID")
    numbers = [padding, op.strides[1], op.strides[0], op.window[1], op.window[0], _fused(b, op)]
    options: dict[int, Number] = {i: (layout, n) for i, (layout, n) in enumerate(zip("biiiib", numbers, strict=True))}
    kind = "AVERAGE_POOL_2D" if isinstance(op, ir.AveragePool2D) else "MAX_POOL_2D"
    b.append(kind, 2, (source,), op.output, options)


def _padding(x: Tensor, padding: Padding, window: tuple[int, int], strides: tuple[int, int]) -> int | None:
    """SAME or VALID; None where the cells are neither's."""
    if padding == Padding():
        return PADDINGS.index("VALID")
    return PADDINGS.index("SAME") if padding == same_padding((x.shape[1], x.shape[2]), window, strides) else None


def _padded(b: FileBuilder, op: Op, x: Tensor, p: Padding, value: int) -> str:
    """Name of ``x`` with the padding of ``op``, which reads it."""
    batch, height, width, channels = x.shape
    shape = (batch, height + p.top + p.bottom, width + p.left + p.right, channels)
    padded = b.activation(f"{op.output}/padded", shape, x)
    _pad(b, x.name, padded, ((0, 0), (p.top, p.bottom), (p.left, p.right), (0, 0)), value)
    return padded


def _pad(b: FileBuilder, source: str, output: str, amounts: tuple[tuple[int, int], ...], value: int) -> None:
    cells = b.integers(output, "paddings", [n for pair in amounts for n in pair], (len(amounts), 2))
    version = 4 if len(amounts) > 4 else 2
    if value == b.graph[source].zero_point:
        b.append("PAD", version, (source, cells), output)
    else:
        b.append("PADV2", version, (source, cells, b.fill(output, value)), output)


def _reshape(b: FileBuilder, source: str, output: str) -> None:
    b.append("RESHAPE", 1, (source, b.integers(output, "shape", b.graph[output].shape)), output)


def _slice(b: FileBuilder, op: ir.Slice) -> None:
    x, y = b.graph[op.inputs[0]], b.graph[op.output]
    many = len(x.shape) > 4
    if y.shape == op.size and all(s == 1 for s in op.strides):
        operands = [b.integers(y.name, "begin", op.begin), b.integers(y.name, "size", op.size)]
        b.append("SLICE", 5 if many else 2, (x.name, *operands), y.name)
        return
    dropped = _dropped_axes(op, y.shape)
    strides = [1 if axis in dropped else s for axis, s in enumerate(op.strides)]
    last = [b0 + (n - 1) * s for b0, n, s in zip(op.begin, op.size, strides, strict=True)]
    ends = [at + (1 if s > 0 else -1) for at, s in zip(last, strides, strict=True)]
    to_the_start = sum(1 << axis for axis, end in enumerate(ends) if end < 0)  # a negative end would count from the back
    operands = [b.integers(y.name, label, values) for label, values in (("begin", op.begin), ("end", ends), ("strides", strides))]
    masks = [0, to_the_start, 0, 0, sum(1 << axis for axis in dropped)]
    options: dict[int, Number] = {i: ("i", mask) for i, mask in enumerate(masks)}
    b.append("STRIDED_SLICE", 4 if many else 2, (x.name, *operands), y.name, options)


def _dropped_axes(op: ir.Slice, shape: tuple[int, ...]) -> set[int]:
    """The axes of length 1 that the output leaves out."""
    dropped, kept = set(), 0
    for axis, length in enumerate(op.size):
        if shape[kept : kept + 1] == (length,):
            kept += 1
        elif length == 1:
            dropped.add(axis)
        else:
            break
    if kept != len(shape) or len(dropped) + kept != len(op.size):
        raise unsupported(op, f"its slice of {list(op.size)} becomes {list(shape)}, which is not that with axes left out")
    return dropped


def _arithmetic_version(b: FileBuilder, op: ir.Add | ir.Sub | ir.Mul) -> int:
    first, second, y = (b.graph[name] for name in (*op.inputs, op.output))
    if isinstance(op, ir.Mul):
        return 3 if first.scale * second.scale / y.scale >= 1 else 2
    return 3 if isinstance(op, ir.Sub) and _broadcasts_many_axes(b, op) else 2


def _broadcasts_many_axes(b: FileBuilder, op: Op) -> bool:
    shapes = [b.graph[name].shape for name in op.inputs]
    return shapes[0] != shapes[1] and max(map(len, shapes)) > 4
