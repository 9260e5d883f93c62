"""Writes a graph as the content of an ``.onnx`` file."""

from __future__ import annotations

from codegen.errors import UserError
from codegen.int4 import as_bytes
from codegen.ir import Graph


def require_onnx() -> None:
    """Check that models can be written here.

    :raises UserError: if the package ``onnx`` is missing; the message says how to install it.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise UserError("an .onnx file needs the package 'onnx': pip install 'mcu-nas[interchange]'") from None


def export_onnx(graph: Graph) -> bytes:
    """``graph`` as an ONNX model (opset 17) in QDQ form: operators compute in float32 between DequantizeLinear and QuantizeLinear
    with the graph's scales and zero points; weights are int8 (those of four bits, too), biases int32.

    Inputs and outputs are float32 in the graph's layout (NHWC) and under its names; inside, maps are NCHW, as ONNX's operators want
    them. A runtime rounds as float32 does, or as its own integer kernels do, so outputs can differ from the reference's by steps.
    Equal graphs give equal bytes.

    :raises UserError: if the package ``onnx`` is missing, constants have no data, or an operator has no form in the format; the
        message names it.
    """
    if graph.shape_only:
        raise UserError(f"network {graph.name!r} has shapes but no weights; only a trained network can be written")
    require_onnx()
    from codegen.exporters.onnx._builder import ModelBuilder
    from codegen.exporters.onnx._operators import convert

    graph = as_bytes(graph)
    builder = ModelBuilder(graph)
    for op in graph.ops:
        convert(builder, op)
    return builder.serialize()
