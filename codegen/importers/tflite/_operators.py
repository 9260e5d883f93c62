"""Conversion of each TFLite operator to an operator of the graph.

Numbers in ``op.integer(0, "b")`` and the like are field numbers of the operator's options table in TFLite's schema.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codegen import ir
from codegen.importers.tflite._builder import GraphBuilder, UnsupportedError, padding
from codegen.importers.tflite._schema import FileOperator
from codegen.ir import FIXED_OUTPUTS, Op, Tensor

INT8 = ("int8",)
_MOST_IMAGES = 16
"""In a batch: each becomes operators of its own."""


def convert(builder: GraphBuilder, op: FileOperator) -> Op:
    """The graph's operator for ``op``.

    :raises UnsupportedError: if it, or how it is used, is not supported.
    """
    function = CONVERSIONS.get(op.kind)
    if function is None:
        raise UnsupportedError(f"it is not supported; supported are {', '.join(sorted(CONVERSIONS))}")
    return function(builder, op)


def _name(op: FileOperator) -> str:
    return f"{op.kind.lower()}_{op.index}"


def _unary(builder: GraphBuilder, op: FileOperator, most: int = 1) -> tuple[Tensor, Tensor]:
    """int8 input and output of an operator with up to ``most`` inputs, of which the others are parameters."""
    builder.operands(op, 1, most)
    return builder.activation(op.inputs[0], INT8), builder.activation(op.outputs[0], INT8)


def _image(x: Tensor) -> tuple[int, int]:
    if len(x.shape) != 4:
        raise UnsupportedError(f"tensor {x.name!r} has shape {list(x.shape)}, should have 4 axes")
    if x.shape[0] > _MOST_IMAGES:
        raise UnsupportedError(f"tensor {x.name!r} is a batch of {x.shape[0]} images, at most {_MOST_IMAGES} are supported")
    return x.shape[1], x.shape[2]


def _convolution(builder: GraphBuilder, op: FileOperator) -> Op:
    depthwise = op.kind == "DEPTHWISE_CONV_2D"
    _, _, bias = builder.operands(op, 2, 3)
    x, y = builder.activation(op.inputs[0], INT8), builder.activation(op.outputs[0], INT8)
    weight = builder.operand(op, 1)
    size = _image(x)
    if len(weight.shape) != 4:
        raise UnsupportedError(f"weight {weight.name!r} has shape {list(weight.shape)}, should have 4 axes")
    strides = op.integer(2, "i"), op.integer(1, "i")
    activation, across, down = (4, 5, 6) if depthwise else (3, 4, 5)
    dilation = op.integer(down, "i", 1), op.integer(across, "i", 1)
    extents = [(k - 1) * d + 1 for k, d in zip(weight.shape[1:3], dilation, strict=True)]
    attributes: dict[str, Any] = {
        "name": _name(op),
        "inputs": (x.name,),
        "output": y.name,
        "weight": builder.weight(weight, 3 if depthwise else 0).name,
        "bias": builder.bias(bias),
        "clamp": builder.clamp(op, activation, y),
        "strides": strides,
        "dilation": dilation,
        "padding": padding(op, 0, size, (extents[0], extents[1]), strides),
    }
    return ir.DepthwiseConv2D(**attributes) if depthwise else ir.Conv2D(**attributes)


def _fully_connected(builder: GraphBuilder, op: FileOperator) -> Op:
    _, _, bias = builder.operands(op, 2, 3)
    if op.integer(1, "b") != 0:
        raise UnsupportedError("its weights are in a shuffled format")
    x, y = builder.activation(op.inputs[0], INT8), builder.activation(op.outputs[0], INT8)
    weight = builder.weight(builder.operand(op, 1), 0)
    return ir.FullyConnected(
        name=_name(op),
        inputs=(x.name,),
        output=y.name,
        weight=weight.name,
        bias=builder.bias(bias),
        clamp=builder.clamp(op, 0, y),
    )


def _arithmetic(builder: GraphBuilder, op: FileOperator) -> Op:
    a, b, y = _binary(builder, op)
    cls = {"ADD": ir.Add, "SUB": ir.Sub, "MUL": ir.Mul}[op.kind]
    return cls(name=_name(op), inputs=(a.name, b.name), output=y.name, clamp=builder.clamp(op, 0, y))


def _comparison(builder: GraphBuilder, op: FileOperator) -> Op:
    a, b, y = _binary(builder, op)
    builder.one_quantization(y, a, b)
    cls = {"MAXIMUM": ir.Maximum, "MINIMUM": ir.Minimum}[op.kind]
    return cls(name=_name(op), inputs=(a.name, b.name), output=y.name)


def _binary(builder: GraphBuilder, op: FileOperator) -> tuple[Tensor, Tensor, Tensor]:
    builder.operands(op, 2)
    return (
        builder.activation(op.inputs[0], INT8),
        builder.activation(op.inputs[1], INT8),
        builder.activation(op.outputs[0], INT8),
    )


def _pool(builder: GraphBuilder, op: FileOperator) -> Op:
    x, y = _unary(builder, op)
    builder.one_quantization(x, y)
    strides = op.integer(2, "i"), op.integer(1, "i")
    window = op.integer(4, "i"), op.integer(3, "i")
    cls = {"AVERAGE_POOL_2D": ir.AveragePool2D, "MAX_POOL_2D": ir.MaxPool2D}[op.kind]
    return cls(
        name=_name(op),
        inputs=(x.name,),
        output=y.name,
        window=window,
        strides=strides,
        padding=padding(op, 0, _image(x), window, strides),
        clamp=builder.clamp(op, 5, y),
    )


def _reduction(builder: GraphBuilder, op: FileOperator) -> Op:
    x, y = _unary(builder, op, 2)
    rank = len(x.shape)
    axes = sorted({a + rank if a < 0 else a for a in builder.integers(builder.operand(op, 1))})
    cls = {"MEAN": ir.Mean, "SUM": ir.Sum, "REDUCE_MAX": ir.ReduceMax}[op.kind]
    if cls is ir.ReduceMax:
        builder.one_quantization(x, y)
    return cls(name=_name(op), inputs=(x.name,), output=y.name, axes=tuple(axes), keep_dims=op.boolean(0))


def _arg_max(builder: GraphBuilder, op: FileOperator) -> Op:
    builder.operands(op, 2)
    x, y = builder.activation(op.inputs[0], INT8), builder.activation(op.outputs[0], ("int32",))
    if builder.integers(builder.operand(op, 1)) not in ([-1], [len(x.shape) - 1]):
        raise UnsupportedError("only the last axis is supported")
    return ir.ArgMax(name=_name(op), inputs=(x.name,), output=y.name)


def _pad(builder: GraphBuilder, op: FileOperator) -> Op:
    x, y = _unary(builder, op, 3)
    builder.one_quantization(x, y)
    flat = builder.integers(builder.operand(op, 1))
    value = y.zero_point
    if op.kind == "PADV2":
        fill = builder.operand(op, 2)
        content = builder.constant(fill)
        if fill.type != "INT8" or content.size != 1:
            raise UnsupportedError(f"padding value {fill.name!r} is no int8 number")
        value = int(content.ravel()[0])
    if len(flat) != 2 * len(x.shape):
        raise UnsupportedError(f"it pads {len(flat) // 2} axes of {len(x.shape)}")
    amounts = tuple((flat[2 * i], flat[2 * i + 1]) for i in range(len(x.shape)))
    return ir.Pad(name=_name(op), inputs=(x.name,), output=y.name, amounts=amounts, value=value)


def _reshape(builder: GraphBuilder, op: FileOperator) -> Op:
    x, y = _unary(builder, op, 2)
    return ir.Reshape(name=_name(op), inputs=(x.name,), output=y.name)


def _transpose(builder: GraphBuilder, op: FileOperator) -> Op:
    x, y = _unary(builder, op, 2)
    permutation = builder.integers(builder.operand(op, 1))
    return ir.Transpose(name=_name(op), inputs=(x.name,), output=y.name, permutation=tuple(permutation))


def _concatenation(builder: GraphBuilder, op: FileOperator) -> Op:
    builder.operands(op, 1, max(1, len(op.inputs)))
    if -1 in op.inputs:
        raise UnsupportedError("one of its inputs is missing")
    parts = [builder.activation(i, INT8) for i in op.inputs]
    y = builder.activation(op.outputs[0], INT8)
    builder.one_quantization(y, *parts)
    if op.integer(1, "b") != 0:
        raise UnsupportedError("it has a fused activation")
    axis = op.integer(0, "i")
    axis += len(y.shape) if axis < 0 else 0
    return ir.Concatenation(name=_name(op), inputs=tuple(p.name for p in parts), output=y.name, axis=axis)


def _slice(builder: GraphBuilder, op: FileOperator) -> Op:
    x, y = _unary(builder, op, 3)
    begin, size = (builder.integers(builder.operand(op, i)) for i in (1, 2))
    if not len(begin) == len(size) == len(x.shape):
        raise UnsupportedError(f"it slices {len(begin)} axes of {len(x.shape)}")
    counts = tuple(d - b if n == -1 else n for d, b, n in zip(x.shape, begin, size, strict=True))
    ones = (1,) * len(begin)
    return ir.Slice(name=_name(op), inputs=(x.name,), output=y.name, begin=tuple(begin), size=counts, strides=ones)


def _strided_slice(builder: GraphBuilder, op: FileOperator) -> Op:
    x, y = _unary(builder, op, 4)
    begin, end, strides = (builder.integers(builder.operand(op, i)) for i in (1, 2, 3))
    begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_mask = (op.integer(i, "i") for i in range(5))
    if ellipsis_mask or new_axis_mask or op.boolean(5):
        raise UnsupportedError("ellipsis, new axes and offsets are not supported")
    if not len(begin) == len(end) == len(strides) == len(x.shape) or 0 in strides:
        raise UnsupportedError(f"it slices {len(begin)} axes of {len(x.shape)} in steps of {strides}")
    picked = []
    for axis, length in enumerate(x.shape):
        if shrink_mask >> axis & 1:
            at = begin[axis] + (length if begin[axis] < 0 else 0)
            picked.append((at, 1, 1))
            continue
        first = None if begin_mask >> axis & 1 else begin[axis]
        last = None if end_mask >> axis & 1 else end[axis]
        steps = range(*slice(first, last, strides[axis]).indices(length))
        picked.append((steps.start, len(steps), steps.step))
    starts, sizes, steps_ = (tuple(p[i] for p in picked) for i in range(3))
    return ir.Slice(name=_name(op), inputs=(x.name,), output=y.name, begin=starts, size=sizes, strides=steps_)


def _resize(builder: GraphBuilder, op: FileOperator) -> Op:
    x, y = _unary(builder, op, 2)
    if builder.integers(builder.operand(op, 1)) != list(_image(y)):
        raise UnsupportedError("its size does not match its output")
    return ir.ResizeNearestNeighbor(
        name=_name(op), inputs=(x.name,), output=y.name, align_corners=op.boolean(0), half_pixel_centers=op.boolean(1)
    )


def _fixed_output(builder: GraphBuilder, op: FileOperator) -> Op:
    x, y = _unary(builder, op)
    common: dict[str, Any] = {"name": _name(op), "inputs": (x.name,), "output": y.name}
    made: Op
    match op.kind:
        case "TANH":
            made = ir.Tanh(**common)
        case "LOGISTIC":
            made = ir.Logistic(**common)
        case _:
            made = ir.Softmax(**common, beta=op.float32(0))
    (scale,), zero_point = FIXED_OUTPUTS[type(made)].scale, FIXED_OUTPUTS[type(made)].zero_point
    if abs(y.scale - scale) > 1e-3 * scale or y.zero_point != zero_point:
        raise UnsupportedError(f"tensor {y.name!r} has scale {y.scale}, zero point {y.zero_point}; needs {scale}, {zero_point}")
    return made


def _elementwise(cls: type[Op]) -> Callable[[GraphBuilder, FileOperator], Op]:
    def convert_elementwise(builder: GraphBuilder, op: FileOperator) -> Op:
        x, y = _unary(builder, op)
        return cls(name=_name(op), inputs=(x.name,), output=y.name)

    return convert_elementwise


def _leaky_relu(builder: GraphBuilder, op: FileOperator) -> Op:
    x, y = _unary(builder, op)
    return ir.LeakyRelu(name=_name(op), inputs=(x.name,), output=y.name, alpha=op.float32(0))


def _quantize(builder: GraphBuilder, op: FileOperator) -> Op:
    builder.operands(op, 1)
    x, y = builder.activation(op.inputs[0], ("int8", "float32")), builder.activation(op.outputs[0], INT8)
    return ir.Quantize(name=_name(op), inputs=(x.name,), output=y.name)


def _dequantize(builder: GraphBuilder, op: FileOperator) -> Op:
    builder.operands(op, 1)
    x, y = builder.activation(op.inputs[0], INT8), builder.activation(op.outputs[0], ("float32",))
    return ir.Dequantize(name=_name(op), inputs=(x.name,), output=y.name)


CONVERSIONS: dict[str, Callable[[GraphBuilder, FileOperator], Op]] = {
    "ADD": _arithmetic,
    "ARG_MAX": _arg_max,
    "AVERAGE_POOL_2D": _pool,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "DEQUANTIZE": _dequantize,
    "EXPAND_DIMS": _reshape,
    "FULLY_CONNECTED": _fully_connected,
    "HARD_SWISH": _elementwise(ir.HardSwish),
    "LEAKY_RELU": _leaky_relu,
    "LOGISTIC": _fixed_output,
    "MAXIMUM": _comparison,
    "MAX_POOL_2D": _pool,
    "MEAN": _reduction,
    "MINIMUM": _comparison,
    "MUL": _arithmetic,
    "PAD": _pad,
    "PADV2": _pad,
    "QUANTIZE": _quantize,
    "REDUCE_MAX": _reduction,
    "RELU": _elementwise(ir.Relu),
    "RELU6": _elementwise(ir.Relu6),
    "RESHAPE": _reshape,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "SLICE": _slice,
    "SOFTMAX": _fixed_output,
    "SQUEEZE": _reshape,
    "STRIDED_SLICE": _strided_slice,
    "SUB": _arithmetic,
    "SUM": _reduction,
    "TANH": _fixed_output,
    "TRANSPOSE": _transpose,
}
