"""Networks as files for other tools: int8 ``.tflite``, and ONNX in QDQ form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from codegen.errors import UserError

if TYPE_CHECKING:
    from codegen.ir import Graph, Tensor
    from nas.programs.sources import Trained

Format = Literal["tflite", "onnx"]


def exporter(format: Format) -> Callable[[Graph], bytes]:
    """The function that gives the bytes of a file.

    :raises UserError: if a package that it needs is missing.
    """
    if format == "tflite":
        from codegen.exporters.tflite import export_tflite

        return export_tflite
    from codegen.exporters.onnx import export_onnx, require_onnx

    require_onnx()
    return export_onnx


def interchange_format(format: str | None, out: Path) -> Format | None:
    """The format of ``--format``, or else of the ending of ``--out``; None for a C project.

    :raises UserError: if the two contradict each other.
    """
    ending = out.suffix.lower().removeprefix(".")
    known: dict[str, Format] = {"tflite": "tflite", "onnx": "onnx"}
    if format is None:
        return known.get(ending)
    if ending in known and format in known and format != ending:
        raise UserError(f"--out {out}: the name ends in .{ending}, but --format is {format}")
    return known.get(format)


def write_interchange(network: Trained, format: Format, path: Path) -> dict[str, Any]:
    """Write the network and say what is in the file, in JSON's types: ``format``, ``path``, ``bytes``, ``operators``, ``inputs``
    and ``outputs`` (each ``name``, ``shape``, ``dtype``, ``scale``, ``zero_point``), and whether it takes ``features`` of sounds.

    :raises UserError: if an operator has no form in the format; nothing is written then.
    """
    from codegen.features import FrontEnd
    from nas.files import write_atomically

    graph = network.graph
    content = exporter(format)(graph)
    write_atomically(path, content)
    return {
        "format": format,
        "path": str(path),
        "bytes": len(content),
        "operators": len(graph.ops),
        "inputs": [_border(graph[name], format) for name in graph.inputs],
        "outputs": [_border(graph[name], format) for name in graph.outputs],
        "features": isinstance(network.front_end, FrontEnd),
    }


def interchange_text(about: Mapping[str, Any]) -> str:
    """What :func:`write_interchange` says, as text."""
    lines = [f"{about['operators']} operators, {about['bytes']:,} bytes"]
    for side in ("input", "output"):
        for border in about[f"{side}s"]:
            shape = "x".join(map(str, border["shape"])) or "scalar"
            grid = "" if border["scale"] is None else f", scale {border['scale']:g}, zero point {border['zero_point']}"
            lines.append(f"{side:<7} {border['name']}: {border['dtype']} {shape}{grid}")
    if about["features"]:
        lines.append("the network alone: its input is a spectrogram; what makes that of a sound is in the C project")
    return "\n".join((*lines, f"written to {about['path']}"))


def _border(tensor: Tensor, format: Format) -> dict[str, Any]:
    quantization = tensor.quantization
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": "float32" if format == "onnx" and tensor.dtype == "int8" else tensor.dtype,
        "scale": None if quantization is None else quantization.scale[0],
        "zero_point": None if quantization is None else quantization.zero_point,
    }
