"""What the conversion of each operator builds on: nodes and constants of the model, quantization and layouts.

A quantized tensor lives in the model as int8, in the layout of the operator that writes it, and is read through DequantizeLinear.
For readers in another layout it is transposed once, between quantizations of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from codegen.exporters._bias import bias_quantization
from codegen.ir import Clamped, Graph, Op, Quantization, Tensor, Weighted

OPSET = 17
IR_VERSION = 8
"""The oldest that has the opset, so that old runtimes load the model too."""

Layout = Literal["NHWC", "NCHW"]
ORDERS: dict[Layout, tuple[int, ...]] = {"NHWC": (0, 1, 2, 3), "NCHW": (0, 3, 1, 2)}
"""Axes of an image in the graph's order, as the layout has them."""
_TO: dict[Layout, tuple[int, ...]] = {"NHWC": (0, 2, 3, 1), "NCHW": (0, 3, 1, 2)}
"""How the other layout is permuted to get this one."""


class ModelBuilder:
    """Collects nodes and constants; methods take names of the graph's tensors and give names of values in the model."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._taken = set(graph.tensors)
        self._stored: dict[tuple[str, Layout], str] = {}
        self._layouts: dict[str, Layout] = {}
        self._parameters: dict[tuple[Quantization, str], tuple[str, str]] = {}
        self._real: dict[tuple[str, Quantization], str] = {}
        for name in graph.inputs:
            if graph[name].dtype == "int8":
                self._quantize(name, name, "NHWC", quantization_of(graph[name]))

    def serialize(self) -> bytes:
        """The model's bytes, once all operators are converted."""
        outputs = [self._border(name) for name in self.graph.outputs]
        model = helper.make_model(
            helper.make_graph(
                self._nodes,
                self.graph.name or "main",
                [_value(name, self.graph[name]) for name in self.graph.inputs],
                [_value(name, self.graph[source]) for name, source in zip(outputs, self.graph.outputs, strict=True)],
                list(self._constants.values()),
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="mcu-nas",
        )
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def layout(self, names: Sequence[str]) -> Layout:
        """The layout to read these tensors in: channels first where all are maps and an operator left one of them so."""
        maps = all(len(self.graph[name].shape) == 4 for name in names)
        return "NCHW" if maps and any(self._layouts.get(name) == "NCHW" for name in names) else "NHWC"

    def real(self, name: str, layout: Layout = "NHWC", quantization: Quantization | None = None) -> str:
        """The tensor as float32 in this layout; with ``quantization`` its bytes count as quantized so."""
        tensor = self.graph[name]
        if tensor.dtype != "int8":
            return self.constant(name, tensor.data) if tensor.data is not None else name
        return self.dequantized(self._bytes(name, layout), quantization or quantization_of(tensor))

    def write(self, op: Op, value: str, layout: Layout = "NHWC", quantization: Quantization | None = None) -> None:
        """The float32 ``value`` becomes the output of ``op``, clamped as the operator says and quantized as its tensor is."""
        chosen = quantization or quantization_of(self.graph[op.output])
        self._quantize(op.output, self.clamped(op, value, chosen), layout, chosen)

    def requantized(self, value: str, name: str, quantization: Quantization) -> str:
        """``value`` through a quantization of its own; ``name`` says what it is."""
        stored = self.node("QuantizeLinear", [value, *self._scale_and_zero(quantization, "int8", name)], f"{name}_quantized")
        return self.dequantized(stored, quantization)

    def weight(self, op: Weighted, axes: Sequence[int]) -> str:
        """The weight as float32 with its axes in the order ``axes``, output channels first."""
        tensor = self.graph[op.weight]
        assert tensor.data is not None
        stored = self.constant(f"{tensor.name}_stored", np.ascontiguousarray(tensor.data.transpose(axes)))
        return self._dequantize_constant(stored, quantization_of(tensor), "int8")

    def bias(self, op: Weighted) -> str | None:
        """The bias as float32; its scale is that of the sums of products."""
        if op.bias is None:
            return None
        tensor = self.graph[op.bias]
        assert tensor.data is not None
        stored = self.constant(f"{tensor.name}_stored", tensor.data)
        return self._dequantize_constant(stored, bias_quantization(op, self.graph), "int32")

    def constant(self, label: str, values: NDArray[Any] | np.generic | Sequence[int]) -> str:
        """Name of a constant, Python's integers as int64; equal ones under one label are one."""
        proto = numpy_helper.from_array(np.asarray(values))
        name = label
        while name in self._taken or name in self._constants:
            if name in self._constants and _same(self._constants[name], proto):
                return name
            name += "_"
        proto.name = name
        self._constants[name] = proto
        return name

    def node(self, kind: str, inputs: Sequence[str], label: str, **attributes: Any) -> str:
        """Append a node; gives the name of its output, ``label`` or one like it."""
        name = label
        while name in self._taken or name in self._constants:
            name += "_"
        return self._node(kind, inputs, name, attributes)

    def output(self, op: Op, kind: str, inputs: Sequence[str], **attributes: Any) -> None:
        """Append a node that writes the output of ``op``, which is not quantized."""
        self._node(kind, inputs, op.output, attributes)

    def dequantized(self, stored: str, quantization: Quantization) -> str:
        """int8 values as float32, through a node that all readers share."""
        known = self._real.get((stored, quantization))
        if known is None:
            label = f"{stored.removesuffix('_quantized')}_dequantized"
            known = self.node("DequantizeLinear", [stored, *self._scale_and_zero(quantization, "int8", label)], label)
            self._real[stored, quantization] = known
        return known

    def _node(self, kind: str, inputs: Sequence[str], output: str, attributes: dict[str, Any]) -> str:
        self._taken.add(output)
        self._nodes.append(helper.make_node(kind, list(inputs), [output], name=f"{output}_node", **attributes))
        return output

    def _quantize(self, name: str, value: str, layout: Layout, quantization: Quantization) -> None:
        parameters = self._scale_and_zero(quantization, "int8", name)
        self._stored[name, layout] = self.node("QuantizeLinear", [value, *parameters], f"{name}_quantized")
        self._layouts[name] = layout

    def _bytes(self, name: str, layout: Layout) -> str:
        """The tensor's int8 values in this layout."""
        tensor = self.graph[name]
        if tensor.data is not None:
            data = tensor.data.transpose(ORDERS[layout]) if tensor.data.ndim == 4 else tensor.data
            return self.constant(f"{name}_stored", np.ascontiguousarray(data))
        if (name, layout) not in self._stored:
            quantization = quantization_of(tensor)
            label = f"{name}_{layout.lower()}"
            moved = self.node("Transpose", [self.real(name, self._layouts[name])], label, perm=_TO[layout])
            parameters = self._scale_and_zero(quantization, "int8", label)
            self._stored[name, layout] = self.node("QuantizeLinear", [moved, *parameters], f"{label}_quantized")
        return self._stored[name, layout]

    def clamped(self, op: Op, value: str, quantization: Quantization) -> str:
        """``value`` within the range of ``op``; the ends of int8 need no node, quantizing saturates there."""
        low, high = op.clamp if isinstance(op, Clamped) else (-128, 127)
        scale, zero_point = np.float32(quantization.scale[0]), quantization.zero_point
        if low > -128 and (low, high) == (zero_point, 127):
            return self.node("Relu", [value], f"{op.output}_relu")
        bounds = [
            self.constant(f"{op.output}_{label}", np.float32(bound - zero_point) * scale) if bound != end else ""
            for label, bound, end in (("low", low, -128), ("high", high, 127))
        ]
        return self.node("Clip", [value, *bounds], f"{op.output}_clip") if any(bounds) else value

    def _scale_and_zero(self, quantization: Quantization, dtype: str, label: str) -> tuple[str, str]:
        known = self._parameters.get((quantization, dtype))
        if known is None:
            scalar = quantization.axis is None
            scales = np.array(quantization.scale, np.float32)
            zeros = np.full(scales.shape, quantization.zero_point, dtype)
            stem = label.removesuffix("_dequantized")
            known = (
                self.constant(f"{stem}_scale", scales[0] if scalar else scales),
                self.constant(f"{stem}_zero_point", zeros[0] if scalar else zeros),
            )
            self._parameters[quantization, dtype] = known
        return known

    def _dequantize_constant(self, stored: str, quantization: Quantization, dtype: str) -> str:
        """A weight or a bias as float32; where there are several scales they are those of its first axis."""
        many = len(quantization.scale) > 1
        label = f"{stored.removesuffix('_stored')}_dequantized"
        parameters = self._scale_and_zero(replace(quantization, axis=0 if many else None), dtype, label)
        return self.node("DequantizeLinear", [stored, *parameters], label, **({"axis": 0} if many else {}))

    def _border(self, name: str) -> str:
        """The value that leaves the model as the tensor ``name``: float32 where that is int8."""
        label = f"{name}_output" if name in self.graph.inputs else name
        if self.graph[name].dtype == "int8":
            parameters = self._scale_and_zero(quantization_of(self.graph[name]), "int8", name)
            return self._node("DequantizeLinear", [self._bytes(name, "NHWC"), *parameters], label, {})
        return name if label == name else self._node("Identity", [name], label, {})


def quantization_of(tensor: Tensor) -> Quantization:
    """The quantization of a tensor that has one."""
    assert tensor.quantization is not None
    return tensor.quantization


def _value(name: str, tensor: Tensor) -> onnx.ValueInfoProto:
    kind = TensorProto.INT32 if tensor.dtype == "int32" else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, tensor.shape)


def _same(a: onnx.TensorProto, b: onnx.TensorProto) -> bool:
    return (a.data_type, list(a.dims), a.raw_data) == (b.data_type, list(b.dims), b.raw_data)
