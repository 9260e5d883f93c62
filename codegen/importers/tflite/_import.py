"""Reads a ``.tflite`` file into a graph."""

from __future__ import annotations

import os
from pathlib import Path

from codegen.errors import UserError
from codegen.importers.tflite._builder import GraphBuilder, UnsupportedError
from codegen.importers.tflite._flatbuffer import DamagedFileError, FlatBuffer
from codegen.importers.tflite._operators import convert
from codegen.importers.tflite._schema import FileModel, FileOperator, read_model
from codegen.ir import Graph, GraphError
from codegen.tflite_schema import FILE_IDENTIFIER

MAX_BYTES = 64 * 1024 * 1024
"""Larger files are refused: no microcontroller holds such a model, and reading is bounded in time and memory."""


def import_tflite(path: str | os.PathLike[str]) -> Graph:
    """The int8 graph of a ``.tflite`` file, operator by operator as the file has it; named after the file.

    Models whose inputs or outputs are float32 keep their Quantize and Dequantize operators.

    :raises UserError: if the file cannot be read, is damaged, or holds an operator, a data type or a quantization that is not
        supported; the message names the file, and the operator and its output tensor.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{file}: {size} bytes are too large for a model of a microcontroller")
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot read the model: {error.strerror}") from error
    if content[4:8] != FILE_IDENTIFIER:
        raise UserError(f"{file}: not a TensorFlow Lite model")
    try:
        return _graph(content, file.stem)
    except (DamagedFileError, MemoryError) as error:
        raise UserError(f"{file}: damaged or unsupported model: {error}") from error
    except (GraphError, UnsupportedError) as error:
        raise UserError(f"{file}: {error}") from error


def _graph(content: bytes, name: str) -> Graph:
    buffer = FlatBuffer(content)
    model = read_model(buffer)
    builder = GraphBuilder(model, buffer)
    for op in model.operators:
        _append(builder, model, op)
    return builder.graph(name)


def _append(builder: GraphBuilder, model: FileModel, op: FileOperator) -> None:
    try:
        builder.append(convert(builder, op))
    except (GraphError, UnsupportedError) as error:
        output = model.tensors[op.outputs[0]].name if op.outputs else ""
        raise UnsupportedError(f"operator {op.index}, {op.kind} with output {output!r}: {error}") from error
