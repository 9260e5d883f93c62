"""The model's inputs and outputs as the C interface shows them: macros, accessors, conversion from and to real values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from codegen.c_text import C_TYPES, comment_text, float_literal, shape_text
from codegen.ir import Graph, Tensor
from codegen.project.templates import render


@dataclass(frozen=True, slots=True)
class Border:
    """An input or output. ``label`` is its name in C: ``input``, or ``input_0`` and so on where there are several."""

    direction: Literal["input", "output"]
    label: str
    tensor: Tensor
    offset: int

    @property
    def c_type(self) -> str:
        """C type of an element."""
        return C_TYPES[self.tensor.dtype]

    @property
    def converted(self) -> bool:
        """Whether there are functions from and to real values."""
        return self.tensor.dtype == "int8" and self.tensor.quantization is not None


def borders(graph: Graph, offsets: Mapping[str, int]) -> tuple[Border, ...]:
    """Inputs in order, then outputs in order. ``offsets`` maps tensors to bytes from the arena's begin."""
    found: list[Border] = []
    sides: tuple[tuple[Literal["input", "output"], tuple[str, ...]], ...] = (("input", graph.inputs), ("output", graph.outputs))
    for direction, names in sides:
        for i, name in enumerate(names):
            label = direction if len(names) == 1 else f"{direction}_{i}"
            found.append(Border(direction, label, graph[name], offsets[name]))
    return tuple(found)


def _signature(border: Border, name: str) -> str:
    if border.direction == "input":
        return f"{border.c_type} *{name}_{border.label}(void *arena)"
    return f"const {border.c_type} *{name}_{border.label}(const void *arena)"


def declaration(border: Border, name: str) -> str:
    """What the header says of one input or output."""
    tensor = border.tensor
    names = {"m": name, "M": name.upper(), "border": border.label, "BORDER": border.label.upper()}
    quantization = conversion = ""
    if border.converted:
        quantization = render(
            "quantization.h", **names, scale=float_literal(tensor.scale), zero_point=_parenthesised(tensor.zero_point)
        )
        conversion = render("quantize.h" if border.direction == "input" else "dequantize.h", **names)
    verb = "Where to write" if border.direction == "input" else "Where to read"
    return render(
        "border.h",
        **names,
        heading=border.label.replace("_", " ").capitalize(),
        tensor=comment_text(tensor.name),
        type=border.c_type,
        size=tensor.size,
        nbytes=tensor.nbytes,
        shape_text=shape_text(tensor.shape),
        rank=len(tensor.shape),
        shape=", ".join(map(str, tensor.shape)),
        quantization=quantization,
        accessor_comment=f"/* {verb} the {border.label.replace('_', ' ')}; the arena must not be null. */",
        prototype=_signature(border, name),
        conversion=conversion,
    )


def definition(border: Border, name: str) -> str:
    """The accessor's body."""
    reader = f"{name}_at" if border.direction == "input" else f"{name}_read_at"
    return f"{_signature(border, name)}\n{{\n    return {reader}(arena, {border.offset});\n}}\n"


def _parenthesised(value: int) -> str:
    return f"({value})" if value < 0 else str(value)
