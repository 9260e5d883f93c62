"""Conversion of each operator of the graph to nodes of ONNX.

Operators that move or compare bytes do so under one quantization, whatever their tensors say of scales: inputs are read in that of
the output, as the integer reference and TensorFlow Lite Micro understand them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from codegen import ir
from codegen.errors import UserError
from codegen.exporters.onnx._builder import ORDERS, Layout, ModelBuilder, quantization_of
from codegen.ir import FIXED_OUTPUTS, Op, Padding
from codegen.reference.movement import nearest

_UNARY = {"Relu": "Relu", "HardSwish": "HardSwish", "Logistic": "Sigmoid", "Tanh": "Tanh"}
_BINARY = {"Add": "Add", "Sub": "Sub", "Mul": "Mul", "Maximum": "Max", "Minimum": "Min"}


def convert(b: ModelBuilder, op: Op) -> None:
    """Append ``op`` in ONNX's form.

    :raises UserError: if it has none.
    """
    x = op.inputs[0]
    layout = b.layout(op.inputs)
    match op:
        case ir.Conv2D() | ir.DepthwiseConv2D():
            _convolution(b, op)
        case ir.FullyConnected():
            _fully_connected(b, op)
        case ir.AveragePool2D() | ir.MaxPool2D():
            _pool(b, op)
        case ir.Add() | ir.Sub() | ir.Mul() | ir.Maximum() | ir.Minimum():
            common = quantization_of(b.graph[op.output]) if isinstance(op, ir.Maximum | ir.Minimum) else None
            b.write(op, _node(b, op, _BINARY[op.kind], [b.real(name, layout, common) for name in op.inputs]), layout)
        case ir.Mean() | ir.Sum() | ir.ReduceMax():
            _reduction(b, op, layout)
        case ir.ArgMax():
            b.output(op, "Cast", [_node(b, op, "ArgMax", [b.real(x)], axis=-1, keepdims=0)], to=TensorProto.INT32)
        case ir.Pad():
            _pad(b, op, layout)
        case ir.Reshape():
            b.write(op, _node(b, op, "Reshape", [_moved(b, op), _shape(b, op)]))
        case ir.Transpose():
            b.write(op, _node(b, op, "Transpose", [_moved(b, op)], perm=op.permutation))
        case ir.Concatenation():
            parts = [b.real(name, layout, quantization_of(b.graph[op.output])) for name in op.inputs]
            b.write(op, _node(b, op, "Concat", parts, axis=_axes([op.axis], layout)[0]), layout)
        case ir.Slice():
            _slice(b, op)
        case ir.ResizeNearestNeighbor():
            _resize(b, op, layout)
        case ir.Relu6():
            own = quantization_of(b.graph[x])
            bounds = [b.constant(f"{op.output}_{label}", np.float32(end)) for label, end in (("low", 0), ("high", 6))]
            b.write(op, _node(b, op, "Clip", [b.real(x, layout), *bounds]), layout, own)
        case ir.LeakyRelu():
            b.write(op, _node(b, op, "LeakyRelu", [b.real(x, layout)], alpha=op.alpha), layout)
        case ir.Softmax():
            _softmax(b, op)
        case ir.Quantize():
            b.write(op, b.real(x, layout), layout)
        case ir.Dequantize():
            b.output(op, "Identity", [b.real(x)])
        case _ if op.kind in _UNARY:
            b.write(op, _node(b, op, _UNARY[op.kind], [b.real(x, layout)]), layout, FIXED_OUTPUTS.get(type(op)))
        case _:
            raise UserError(f"operator {op.name!r} ({op.kind}) cannot be written as .onnx: the format has no such operator")


def _node(b: ModelBuilder, op: Op, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
    """Append a node that computes the operator in float32."""
    return b.node(kind, inputs, f"{op.output}_real", **attributes)


def _moved(b: ModelBuilder, op: Op, layout: Layout = "NHWC") -> str:
    """The only input of an operator that moves bytes."""
    return b.real(op.inputs[0], layout, quantization_of(b.graph[op.output]))


def _shape(b: ModelBuilder, op: Op) -> str:
    return b.constant(f"{op.output}_shape", np.array(b.graph[op.output].shape, np.int64))


def _axes(axes: Sequence[int], layout: Layout) -> list[int]:
    """Axes of the graph's tensor as the layout numbers them."""
    return [ORDERS["NCHW"].index(a) for a in axes] if layout == "NCHW" else list(axes)


def _pads(p: Padding) -> list[int]:
    return [p.top, p.left, p.bottom, p.right]


def _convolution(b: ModelBuilder, op: ir.Conv2D | ir.DepthwiseConv2D) -> None:
    depthwise = isinstance(op, ir.DepthwiseConv2D)
    weight = b.weight(op, (3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
    bias = b.bias(op)
    value = _node(
        b,
        op,
        "Conv",
        [b.real(op.inputs[0], "NCHW"), weight, *([] if bias is None else [bias])],
        kernel_shape=b.graph[op.weight].shape[1:3],
        strides=op.strides,
        dilations=op.dilation,
        pads=_pads(op.padding),
        group=b.graph[op.inputs[0]].shape[3] if depthwise else 1,
    )
    b.write(op, value, "NCHW")


def _fully_connected(b: ModelBuilder, op: ir.FullyConnected) -> None:
    x, y, (features, depth) = b.graph[op.inputs[0]], b.graph[op.output], b.graph[op.weight].shape
    rows = x.size // depth
    value, bias = b.real(x.name), b.bias(op)
    if x.shape != (rows, depth):
        shape = b.constant(f"{op.output}_rows_shape", np.array([rows, depth], np.int64))
        flat = b.node("Reshape", [value, shape], f"{op.output}_rows")
        value = b.requantized(flat, flat, quantization_of(x))
    value = _node(b, op, "Gemm", [value, b.weight(op, (0, 1)), *([] if bias is None else [bias])], transB=1)
    if y.shape != (rows, features):
        value = b.requantized(b.clamped(op, value, quantization_of(y)), value, quantization_of(y))
        value = b.node("Reshape", [value, _shape(b, op)], f"{op.output}_shaped")
    b.write(op, value)


def _pool(b: ModelBuilder, op: ir.AveragePool2D | ir.MaxPool2D) -> None:
    attributes: dict[str, Any] = {"kernel_shape": op.window, "strides": op.strides, "pads": _pads(op.padding)}
    kind = "AveragePool" if isinstance(op, ir.AveragePool2D) else "MaxPool"
    b.write(op, _node(b, op, kind, [_moved(b, op, "NCHW")], **attributes), "NCHW")


def _reduction(b: ModelBuilder, op: ir.Mean | ir.Sum | ir.ReduceMax, layout: Layout) -> None:
    if not op.keep_dims and op.axes != (1, 2):  # what is left may lie in another order
        layout = "NHWC"
    value = _moved(b, op, layout) if isinstance(op, ir.ReduceMax) else b.real(op.inputs[0], layout)
    axes = sorted(_axes(op.axes, layout))
    keep = {"keepdims": int(op.keep_dims)}
    if isinstance(op, ir.Sum):
        reduced = _node(b, op, "ReduceSum", [value, b.constant(f"{op.output}_axes", np.array(axes, np.int64))], **keep)
    else:
        reduced = _node(b, op, "ReduceMean" if isinstance(op, ir.Mean) else "ReduceMax", [value], axes=axes, **keep)
    b.write(op, reduced, layout if op.keep_dims else "NHWC")


def _pad(b: ModelBuilder, op: ir.Pad, layout: Layout) -> None:
    q = quantization_of(b.graph[op.output])
    order = ORDERS[layout] if layout == "NCHW" else range(len(op.amounts))
    amounts = [op.amounts[a][side] for side in (0, 1) for a in order]
    cells = b.constant(f"{op.output}_pads", np.array(amounts, np.int64))
    value = b.constant(f"{op.output}_value", np.float32(op.value - q.zero_point) * np.float32(q.scale[0]))
    b.write(op, _node(b, op, "Pad", [_moved(b, op, layout), cells, value], mode="constant"), layout)


def _slice(b: ModelBuilder, op: ir.Slice) -> None:
    ends = []
    for begin, size, stride in zip(op.begin, op.size, op.strides, strict=True):
        end = begin + size * stride
        ends.append(end if end >= 0 else -(2**31))  # a negative end would count from the back
    axes = range(len(op.begin))
    operands = [("starts", op.begin), ("ends", ends), ("axes", axes), ("steps", op.strides)]
    constants = [b.constant(f"{op.output}_{label}", np.array(values, np.int64)) for label, values in operands]
    value = _node(b, op, "Slice", [_moved(b, op), *constants])
    if b.graph[op.output].shape != op.size:
        value = b.node("Reshape", [value, _shape(b, op)], f"{op.output}_shaped")
    b.write(op, value)


def _resize(b: ModelBuilder, op: ir.ResizeNearestNeighbor, layout: Layout) -> None:
    """As a choice of rows and columns, which no rounding of positions can change."""
    value = _moved(b, op, layout)
    for axis, label in ((1, "rows"), (2, "columns")):
        chosen = nearest(op, b.graph[op.inputs[0]].shape[axis], b.graph[op.output].shape[axis])
        name = f"{op.output}_{label}"
        value = b.node("Gather", [value, b.constant(f"{name}_chosen", chosen)], name, axis=_axes([axis], layout)[0])
    b.write(op, value, layout)


def _softmax(b: ModelBuilder, op: ir.Softmax) -> None:
    value = b.real(op.inputs[0])
    if not math.isclose(op.beta, 1.0):
        value = b.node("Mul", [value, b.constant(f"{op.output}_beta", np.float32(op.beta))], f"{op.output}_scaled")
    b.write(op, _node(b, op, "Softmax", [value], axis=-1), "NHWC", FIXED_OUTPUTS[ir.Softmax])
