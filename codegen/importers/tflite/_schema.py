"""The parts of TFLite's schema that the importer reads, as dataclasses.

Field numbers are those of TFLite's schema; :mod:`codegen.tflite_schema` has its enumerations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.importers.tflite._flatbuffer import DamagedFileError, FlatBuffer, Table
from codegen.tflite_schema import OPERATORS, TENSOR_TYPES, VERSION

_PLACEHOLDER = 127


@dataclass(frozen=True, slots=True)
class FileTensor:
    """A tensor as the file describes it; ``data`` holds the raw bytes of a constant."""

    index: int
    name: str
    shape: tuple[int, ...]
    type: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    variable: bool
    data: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True)
class FileOperator:
    """An operator as the file describes it; an absent operand has the index -1."""

    index: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None

    def integer(self, field: int, layout: str, default: int = 0) -> int:
        """Integer option; ``default`` where it or all options are absent."""
        return default if self.options is None else self.options.integer(field, layout, default)

    def float32(self, field: int) -> float:
        """Floating-point option, 0 if absent."""
        return 0.0 if self.options is None else self.options.float32(field)

    def boolean(self, field: int) -> bool:
        """Boolean option, False if absent."""
        return self.options is not None and self.options.boolean(field)


@dataclass(frozen=True, slots=True)
class FileModel:
    """The single subgraph of a model file."""

    tensors: tuple[FileTensor, ...]
    operators: tuple[FileOperator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_model(buffer: FlatBuffer) -> FileModel:
    """Read the tables of a model.

    :raises DamagedFileError: if the file is no valid model of schema version 3 with one subgraph.
    """
    root = buffer.root
    version = root.integer(0, "I")
    if version != VERSION:
        raise DamagedFileError(f"its schema version is {version}, only {VERSION} is known")
    subgraphs = root.tables(2)
    if len(subgraphs) != 1:
        raise DamagedFileError(f"it has {len(subgraphs)} subgraphs, only one can be imported")
    kinds = [_kind(code) for code in root.tables(1)]
    buffers = root.tables(4)
    subgraph = subgraphs[0]
    tensors = tuple(_tensor(i, table, buffers) for i, table in enumerate(subgraph.tables(0)))
    operators = tuple(_operator(i, table, kinds, len(tensors)) for i, table in enumerate(subgraph.tables(3)))
    return FileModel(
        tensors,
        operators,
        _indices(subgraph.numbers(1, "i4"), len(tensors), "the model's inputs"),
        _indices(subgraph.numbers(2, "i4"), len(tensors), "the model's outputs"),
    )


def _kind(code: Table) -> str:
    # The 8-bit field came first; larger values are in the newer 32-bit field, of which old files know nothing.
    value = max(code.integer(0, "b"), code.integer(3, "i"))
    if value == OPERATORS.index("CUSTOM"):
        return f"CUSTOM ({code.string(1)[:60]})"
    return OPERATORS[value] if 0 <= value < len(OPERATORS) and value != _PLACEHOLDER else f"operator code {value}"


def _tensor(index: int, table: Table, buffers: list[Table]) -> FileTensor:
    quantization = table.table(4)
    number = table.integer(2, "I")
    if number >= len(buffers):
        raise DamagedFileError(f"tensor {index} refers to buffer {number} of {len(buffers)}")
    data = buffers[number].array(0, "u1")
    kind = table.integer(1, "b")
    return FileTensor(
        index=index,
        name=table.string(3),
        shape=table.numbers(0, "i4"),
        type=TENSOR_TYPES[kind] if 0 <= kind < len(TENSOR_TYPES) else f"type {kind}",
        scales=() if quantization is None else quantization.numbers(2, "f4"),
        zero_points=() if quantization is None else quantization.numbers(3, "i8"),
        axis=0 if quantization is None else quantization.integer(6, "i"),
        variable=table.boolean(5),
        data=None if data is None or not len(data) else data,
    )


def _operator(index: int, table: Table, kinds: list[str], tensors: int) -> FileOperator:
    code = table.integer(0, "I")
    if code >= len(kinds):
        raise DamagedFileError(f"operator {index} refers to operator code {code} of {len(kinds)}")
    return FileOperator(
        index=index,
        kind=kinds[code],
        inputs=_indices(table.numbers(1, "i4"), tensors, f"operator {index}", optional=True),
        outputs=_indices(table.numbers(2, "i4"), tensors, f"operator {index}"),
        options=table.table(4),
    )


def _indices(values: tuple[Any, ...], tensors: int, owner: str, optional: bool = False) -> tuple[int, ...]:
    for value in values:
        if not (-1 if optional else 0) <= value < tensors:
            raise DamagedFileError(f"{owner} refers to tensor {value} of {tensors}")
    return values
