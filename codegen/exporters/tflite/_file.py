"""The bytes of a ``.tflite`` file: a FlatBuffer by TFLite's schema.

Numbers of fields are those of the schema (tensorflow/compiler/mlir/lite/schema/schema.fbs, version 3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import flatbuffers
import numpy as np
from flatbuffers import number_types
from numpy.typing import NDArray

from codegen.ir import Tensor
from codegen.tflite_schema import FILE_IDENTIFIER, OPERATORS, OPTIONS, TENSOR_TYPES, VERSION

Number: TypeAlias = tuple[str, float]
"""A number with its :mod:`struct` format letter."""

_FLAGS: Mapping[str, Any] = {
    "?": number_types.BoolFlags,
    "b": number_types.Int8Flags,
    "B": number_types.Uint8Flags,
    "i": number_types.Int32Flags,
    "I": number_types.Uint32Flags,
    "f": number_types.Float32Flags,
}
_DATA_ALIGNMENT = 16
"""Of constants, which runtimes use where they lie in the file."""


@dataclass(frozen=True, slots=True)
class FileOperator:
    """An operator as the file describes it, with its ``options`` by number of the field."""

    kind: str
    version: int
    inputs: tuple[str, ...]
    output: str
    options: Mapping[int, Number] = field(default_factory=dict)


class _Writer:
    """Tables and vectors, written from the leaves up; each method gives the offset of what it wrote."""

    def __init__(self) -> None:
        self._builder = flatbuffers.Builder(1024)
        self._builder.ForceDefaults(True)

    def table(self, fields: Mapping[int, int | Number]) -> int:
        """A table; fields are numbers, or offsets of what they point to."""
        self._builder.StartObject(max(fields, default=-1) + 1)
        for number, value in fields.items():
            if isinstance(value, tuple):
                self._builder.PrependSlot(_FLAGS[value[0]], number, value[1], 0)
            else:
                self._builder.PrependUOffsetTRelativeSlot(number, value, 0)
        return int(self._builder.EndObject())

    def tables(self, offsets: Sequence[int]) -> int:
        """A vector of tables."""
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return int(self._builder.EndVector())

    def numbers(self, values: NDArray[Any], alignment: int = 1) -> int:
        """A vector of numbers whose first one is aligned in the file."""
        self._builder.Prep(alignment, values.nbytes)
        return int(self._builder.CreateNumpyVector(values))

    def text(self, value: str) -> int:
        return int(self._builder.CreateString(value))

    def finish(self, root: int) -> bytes:
        self._builder.Finish(root, FILE_IDENTIFIER)
        return bytes(self._builder.Output())


def serialize(tensors: Sequence[Tensor], operators: Sequence[FileOperator], inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
    """The file of a model with one subgraph; equal arguments give equal bytes."""
    writer = _Writer()
    empty = writer.table({})  # buffer 0 is that of tensors without data
    constants = [t for t in tensors if t.data is not None]
    buffers = [empty] + [writer.table({0: writer.numbers(_raw(t), _DATA_ALIGNMENT)}) for t in constants]
    buffer_of = {t.name: i for i, t in enumerate(constants, 1)}
    index = {t.name: i for i, t in enumerate(tensors)}
    codes = list(dict.fromkeys((op.kind, op.version) for op in operators))
    subgraph = {
        0: writer.tables([_tensor(writer, t, buffer_of.get(t.name, 0)) for t in tensors]),
        1: writer.numbers(_indices(index, inputs)),
        2: writer.numbers(_indices(index, outputs)),
        3: writer.tables([_operator(writer, op, codes.index((op.kind, op.version)), index) for op in operators]),
        4: writer.text("main"),
    }
    model: dict[int, int | Number] = {
        0: ("I", VERSION),
        1: writer.tables([_code(writer, *code) for code in codes]),
        2: writer.tables([writer.table(subgraph)]),
        3: writer.text("mcu-nas int8"),
        4: writer.tables(buffers),
    }
    return writer.finish(writer.table(model))


def _raw(tensor: Tensor) -> NDArray[np.uint8]:
    assert tensor.data is not None
    data = np.ascontiguousarray(tensor.data, dtype=tensor.data.dtype.newbyteorder("<"))
    return data.reshape(-1).view(np.uint8)


def _indices(index: Mapping[str, int], names: Sequence[str]) -> NDArray[np.int32]:
    return np.array([index[name] for name in names], np.int32)


def _tensor(writer: _Writer, tensor: Tensor, buffer: int) -> int:
    fields: dict[int, int | Number] = {
        0: writer.numbers(np.array(tensor.shape, np.int32)),
        1: ("b", TENSOR_TYPES.index(tensor.dtype.upper())),
        2: ("I", buffer),
        3: writer.text(tensor.name),
    }
    quantization = tensor.quantization
    if quantization is not None:
        scales = np.array(quantization.scale, np.float32)
        quantized: dict[int, int | Number] = {
            2: writer.numbers(scales),
            3: writer.numbers(np.full(len(scales), quantization.zero_point, np.int64)),
            6: ("i", quantization.axis or 0),
        }
        fields[4] = writer.table(quantized)
    return writer.table(fields)


def _code(writer: _Writer, kind: str, version: int) -> int:
    number = OPERATORS.index(kind)
    return writer.table({0: ("b", min(number, 127)), 2: ("i", version), 3: ("i", number)})


def _operator(writer: _Writer, op: FileOperator, code: int, index: Mapping[str, int]) -> int:
    fields: dict[int, int | Number] = {
        0: ("I", code),
        1: writer.numbers(_indices(index, op.inputs)),
        2: writer.numbers(_indices(index, [op.output])),
    }
    if op.kind in OPTIONS:
        fields[3] = ("B", OPTIONS[op.kind])
        fields[4] = writer.table(op.options)
    return writer.table(fields)
