"""Writes a graph as the content of a ``.tflite`` file."""

from __future__ import annotations

from codegen.errors import UserError
from codegen.exporters.tflite._builder import FileBuilder
from codegen.exporters.tflite._file import serialize
from codegen.exporters.tflite._operators import convert
from codegen.int4 import as_bytes
from codegen.ir import Graph


def export_tflite(graph: Graph) -> bytes:
    """``graph`` as a ``.tflite`` file: inputs, outputs, tensors and their names, operators in the graph's order.

    The file computes what the numpy reference computes, to the bit in TensorFlow Lite Micro. Importing it gives ``graph`` again but
    for the names of operators, which the format does not keep, and for padding that is neither SAME nor VALID, which becomes an
    operator of its own; weights of four bits become bytes. Equal graphs give equal bytes, whatever their name.

    :raises UserError: if constants have no data, or an operator has no form in the format; the message names it.
    """
    if graph.shape_only:
        raise UserError(f"network {graph.name!r} has shapes but no weights; only a trained network can be written")
    graph = as_bytes(graph)
    builder = FileBuilder(graph)
    for op in graph.ops:
        convert(builder, op)
    return serialize(builder.tensors, builder.operators, graph.inputs, graph.outputs)
