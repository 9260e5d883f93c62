"""What the conversion of each operator builds on: tensors of the graph made from those of the file, and checks on them."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from codegen.importers.tflite._flatbuffer import FlatBuffer
from codegen.importers.tflite._schema import FileModel, FileOperator, FileTensor
from codegen.ir import Graph, GraphError, Op, Padding, Quantization, Tensor, Weighted, output_shape
from codegen.requantize import INT32_MAX, INT32_MIN, REQUANTIZING, accumulator_range, activation_range, multipliers
from codegen.tflite_schema import ACTIVATIONS, DTYPES, FUSED_ACTIVATIONS, PADDINGS, same_padding

_SAME_SCALE = 1e-6
"""Scales that differ by no more count as one, as in TensorFlow Lite Micro."""

_MOST_BYTES = 4 * 1024 * 1024
_MOST_AXES = 8
_LONGEST_WINDOW = 4096


class UnsupportedError(Exception):
    """The file is sound, but holds something that cannot be imported."""


class GraphBuilder:
    """Collects tensors and operators. Tensors enter the graph when an operator first refers to them."""

    def __init__(self, model: FileModel, buffer: FlatBuffer) -> None:
        self.model = model
        self._buffer = buffer
        self._names = _unique_names(model.tensors)
        self._tensors: dict[str, Tensor] = {}
        self._ops: list[Op] = []

    def graph(self, name: str) -> Graph:
        """The validated graph.

        :raises GraphError: if operators, shapes or references do not fit together.
        :raises UnsupportedError: if the model has no output, or one that is constant, or names an input or output twice.
        """
        return Graph(
            name=name,
            tensors=self._tensors,
            ops=tuple(self._ops),
            inputs=self._border(self.model.inputs, "input"),
            outputs=self._border(self.model.outputs, "output"),
        ).validate()

    def _border(self, indices: tuple[int, ...], side: str) -> tuple[str, ...]:
        tensors = [self.activation(i) for i in indices]
        if not tensors or len(set(indices)) < len(indices):
            raise UnsupportedError(f"the model has no {side} or names one twice")
        constant = next((t for t in tensors if t.constant), None)
        if constant is not None:
            raise UnsupportedError(f"the model's {side} {constant.name!r} is constant")
        return tuple(t.name for t in tensors)

    def append(self, op: Op) -> None:
        """Add an operator.

        :raises GraphError: if its operands' shapes do not suit it, or its scales have no requantisation parameters.
        :raises UnsupportedError: if its sums can overflow.
        """
        self._ops.append(op)
        graph = Graph("", self._tensors, (), (), ())
        output_shape(op, graph)  # its checks
        if isinstance(op, REQUANTIZING) and graph[op.inputs[0]].dtype == "int8":
            multipliers(op, graph)
        if isinstance(op, Weighted):
            self._check_accumulator(op, graph)

    def operands(self, op: FileOperator, least: int, most: int | None = None) -> list[FileTensor | None]:
        """The operator's inputs padded with None to ``most`` entries; it must have exactly one output."""
        most = least if most is None else most
        if not least <= len(op.inputs) <= most or len(op.outputs) != 1 or -1 in op.inputs[:least]:
            raise UnsupportedError(f"it has {len(op.inputs)} inputs and {len(op.outputs)} outputs")
        found = [None if i < 0 else self.model.tensors[i] for i in op.inputs]
        return found + [None] * (most - len(found))

    def operand(self, op: FileOperator, position: int) -> FileTensor:
        """An input that must be there."""
        if position >= len(op.inputs) or op.inputs[position] < 0:
            raise UnsupportedError(f"its input {position} is missing")
        return self.model.tensors[op.inputs[position]]

    def activation(self, index: int, dtypes: tuple[str, ...] = ("int8", "int32", "float32")) -> Tensor:
        """The graph's tensor for an operand or result, constant or not, with per-tensor quantization where it is int8."""
        tensor = self.model.tensors[index]
        name = self._names[index]
        if name not in self._tensors:
            self._tensors[name] = self._activation(tensor, name)
        if self._tensors[name].dtype not in dtypes:
            raise UnsupportedError(f"tensor {tensor.name!r} is {tensor.type}, which is not supported here")
        return self._tensors[name]

    def _activation(self, tensor: FileTensor, name: str) -> Tensor:
        if tensor.variable:
            raise UnsupportedError(f"tensor {tensor.name!r} is a variable that lives between calls")
        dtype = self._dtype(tensor)
        quantization = None
        _check_shape(tensor)
        if dtype == "int8":
            if len(tensor.scales) != 1 or len(tensor.zero_points) != 1:
                raise UnsupportedError(f"tensor {tensor.name!r} is int8 without one scale and one zero point")
            quantization = _quantization(tensor, tensor.scales, tensor.zero_points[0])
        data = None if tensor.data is None else self.constant(tensor)
        return Tensor(name, tensor.shape, dtype, quantization, data)

    def weight(self, tensor: FileTensor, axis: int) -> Tensor:
        """Symmetric int8 weights with one scale, or one per index of ``axis``."""
        name = self._names[tensor.index]
        if tensor.type != "INT8" or tensor.data is None:
            raise UnsupportedError(f"weight {tensor.name!r} is no int8 constant")
        if any(tensor.zero_points) or not tensor.scales:
            raise UnsupportedError(f"weight {tensor.name!r} is not symmetrically quantized")
        _check_shape(tensor)
        per_channel = len(tensor.scales) > 1
        channels = tensor.shape[axis] if axis < len(tensor.shape) else 0
        if per_channel and (tensor.axis != axis or len(tensor.scales) != channels):
            raise UnsupportedError(f"weight {tensor.name!r} has {len(tensor.scales)} scales along axis {tensor.axis}")
        quantization = _quantization(tensor, tensor.scales, 0, axis if per_channel else None)
        return self._add_constant(Tensor(name, tensor.shape, "int8", quantization, self.constant(tensor)))

    def bias(self, tensor: FileTensor | None) -> str | None:
        """Name of the int32 bias, or None without one."""
        if tensor is None:
            return None
        if tensor.type != "INT32" or tensor.data is None:
            raise UnsupportedError(f"bias {tensor.name!r} is no int32 constant")
        data = self.constant(tensor)
        return self._add_constant(Tensor(self._names[tensor.index], tensor.shape, "int32", None, data)).name

    def _add_constant(self, tensor: Tensor) -> Tensor:
        known = self._tensors.setdefault(tensor.name, tensor)
        if (known.shape, known.dtype, known.quantization) != (tensor.shape, tensor.dtype, tensor.quantization):
            raise UnsupportedError(f"tensor {tensor.name!r} is used both as weight and as operand")
        return known

    def constant(self, tensor: FileTensor) -> NDArray[Any]:
        """Contents of a constant of the dtypes int8, int32, int64 or float32."""
        if tensor.data is None:
            raise UnsupportedError(f"tensor {tensor.name!r} is not constant")
        if tensor.type not in DTYPES:
            raise UnsupportedError(f"tensor {tensor.name!r} is {tensor.type}, which is not supported")
        dtype = np.dtype(DTYPES[tensor.type])
        if len(tensor.data) != math.prod(tensor.shape) * dtype.itemsize:
            raise GraphError(f"tensor {tensor.name!r} has {len(tensor.data)} bytes for {tensor.type} {list(tensor.shape)}")
        self._buffer.charge(len(tensor.data))
        return tensor.data.view(dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(tensor.shape)

    def integers(self, tensor: FileTensor) -> list[int]:
        """Contents of a constant that holds axes, sizes and the like, flattened."""
        if tensor.type not in ("INT32", "INT64"):
            raise UnsupportedError(f"tensor {tensor.name!r} is {tensor.type}, should hold integers")
        return [int(v) for v in self.constant(tensor).ravel()]

    def clamp(self, op: FileOperator, field: int, output: Tensor) -> tuple[int, int]:
        """Range of the fused activation in option ``field``."""
        value = op.integer(field, "b")
        name = ACTIVATIONS[value] if 0 <= value < len(ACTIVATIONS) else f"number {value}"
        if name not in FUSED_ACTIVATIONS:
            raise UnsupportedError(f"its fused activation {name} is not supported")
        return activation_range(FUSED_ACTIVATIONS[name], output.scale, output.zero_point)

    def one_quantization(self, *tensors: Tensor) -> None:
        """Refuse tensors that differ in scale or zero point."""
        first = tensors[0]
        for other in tensors[1:]:
            if abs(first.scale - other.scale) > _SAME_SCALE or first.zero_point != other.zero_point:
                raise UnsupportedError(f"tensors {first.name!r} and {other.name!r} differ in their quantization")

    def _dtype(self, tensor: FileTensor) -> Literal["int8", "int32", "float32"]:
        match tensor.type:
            case "INT8":
                return "int8"
            case "INT32":
                return "int32"
            case "FLOAT32":
                return "float32"
        raise UnsupportedError(f"tensor {tensor.name!r} is {tensor.type}; only fully int8-quantized models can be imported")

    def _check_accumulator(self, op: Weighted, graph: Graph) -> None:
        self._buffer.charge(graph[op.weight].nbytes)
        low, high = accumulator_range(op, graph)
        if low.min() < INT32_MIN or high.max() > INT32_MAX:
            raise UnsupportedError("its sums can exceed 32 bits")


def padding(op: FileOperator, field: int, size: tuple[int, int], window: tuple[int, int], strides: tuple[int, int]) -> Padding:
    """SAME or VALID padding (option ``field``) as cells; ``window`` includes dilation."""
    value = op.integer(field, "b")
    if not 0 <= value < len(PADDINGS):
        raise UnsupportedError(f"its padding {value} is unknown")
    if min(*strides, *window) < 1 or max(*strides, *window) > _LONGEST_WINDOW:
        raise UnsupportedError(f"its window of {window} cells with strides {strides} is not of 1 to {_LONGEST_WINDOW}")
    if PADDINGS[value] == "VALID":
        return Padding()
    return same_padding(size, window, strides)


def _check_shape(tensor: FileTensor) -> None:
    if any(d < 1 for d in tensor.shape):
        raise UnsupportedError(f"tensor {tensor.name!r} has shape {list(tensor.shape)}; every length must be known and at least 1")
    if len(tensor.shape) > _MOST_AXES:
        raise UnsupportedError(f"tensor {tensor.name!r} has {len(tensor.shape)} axes, at most {_MOST_AXES} are supported")
    if tensor.data is None and math.prod(tensor.shape) > _MOST_BYTES:
        raise UnsupportedError(f"tensor {tensor.name!r} of shape {list(tensor.shape)} is larger than any microcontroller's memory")


def _quantization(tensor: FileTensor, scales: tuple[float, ...], zero_point: int, axis: int | None = None) -> Quantization:
    try:
        return Quantization(scales, zero_point, axis)
    except GraphError as error:
        raise UnsupportedError(f"tensor {tensor.name!r}: {error}") from error


def _unique_names(tensors: tuple[FileTensor, ...]) -> list[str]:
    """The file's names; a nameless tensor, or one whose name is taken, gets its index appended."""
    names: list[str] = []
    taken: set[str] = set()
    for t in tensors:
        name = t.name
        while not name or name in taken:
            name = f"{name}_{t.index}"
        taken.add(name)
        names.append(name)
    return names
