"""The interface header, the run function and the constants, as files of the project."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from codegen.c_text import C_TYPES, comment_text, initializer, shape_text
from codegen.project.borders import borders, declaration, definition
from codegen.project.templates import render

if TYPE_CHECKING:
    from codegen.compile import CompiledLayer, CompiledModel
    from codegen.kernels._base import Constant

ARENA_ALIGN = 8
"""Alignment in bytes that ``<m>_run`` demands of the arena."""


def header(model: CompiledModel, version: str) -> str:
    """``include/<m>.h``."""
    sides = borders(model.graph, model.plan.offsets)
    first_output = next(b for b in sides if b.direction == "output")
    return render(
        "model.h",
        m=model.name,
        M=model.name.upper(),
        version=version,
        hash=model.hash,
        arena_bytes=model.arena_bytes,
        arena_align=ARENA_ALIGN,
        steps=max(len(model.layers), 1),  # of a network that only renames its input, too, one
        first_input=next(b.label for b in sides if b.direction == "input"),
        first_output=first_output.label,
        first_output_type=f"const {first_output.c_type}",
        borders="\n".join(declaration(b, model.name).rstrip("\n") + "\n" for b in sides),
    )


def _symbols(model: CompiledModel) -> dict[Constant, str]:
    """Each constant under the name of the first layer that reads it, in order of first use."""
    symbols: dict[Constant, str] = {}
    for index, layer in enumerate(model.layers):
        for constant in layer.constants:
            symbols.setdefault(constant, f"{model.name}_layer{index:02d}_{constant.name}")
    return symbols


def constant_owner(symbol: str, name: str) -> int | None:
    """Number of the layer of model ``name`` that the constant ``symbol`` is named after; None if it is no layer's."""
    found = re.match(rf"{re.escape(name)}_layer(\d{{2,}})_", symbol)
    return int(found[1]) if found else None


def _describe(model: CompiledModel, layer: CompiledLayer) -> str:
    graph = model.layout.graph
    shapes = ", ".join(shape_text(graph[name].shape) for name in layer.op.inputs)
    work = f", {layer.macs:,} MACs" if layer.macs else ""
    return f"{comment_text(layer.op.name)}: {layer.op.kind} {shapes} -> {shape_text(graph[layer.op.output].shape)}{work}"


def _call(model: CompiledModel, layer: CompiledLayer, symbols: Mapping[Constant, str], indent: str = "    ") -> str:
    def at(offset: int) -> str:
        return f"{model.name}_at(arena, {offset})"

    plan = model.plan
    arguments = [at(plan.offsets[name]) for name in layer.op.inputs if not model.layout.graph[name].constant]
    arguments += [symbols[constant] for constant in layer.constants]
    if layer.op.name in plan.scratch:
        arguments.append(at(plan.scratch[layer.op.name]))
    arguments.append(at(plan.offsets[layer.op.output]))
    call = f"{indent}{model.name}_{layer.function}({', '.join(arguments)});"
    if len(call) > 120:
        call = f"{indent}{model.name}_{layer.function}(\n{indent}    " + f",\n{indent}    ".join(arguments) + ");"
    return f"{indent}/* {_describe(model, layer)} */\n{call}\n"


def run_source(model: CompiledModel) -> str:
    """``src/<m>.c``: accessors and the straight line of layer calls."""
    symbols = _symbols(model)
    return render(
        "model.c",
        m=model.name,
        M=model.name.upper(),
        at=render("at.c", m=model.name),
        accessors="\n".join(definition(b, model.name) for b in borders(model.graph, model.plan.offsets)),
        layers=f"    {model.name.upper()}_NEXT_LAYER(arena);\n\n".join(_call(model, layer, symbols) for layer in model.layers),
    )


def step_source(model: CompiledModel, columns: str = "") -> str:
    """``src/<m>_step.c``: the same calls one at a time, in a file of its own, so that ``<m>_run`` becomes what it would without.

    :param columns: of a model that takes sound, the function that takes its columns.
    """
    symbols, indent = _symbols(model), "        "
    bodies = [_call(model, layer, symbols, indent) for layer in model.layers] or [""]
    return render(
        "step.c",
        m=model.name,
        M=model.name.upper(),
        header=f"{model.name}_samples.h" if columns else f"{model.name}.h",
        at=render("at.c", m=model.name) if model.layers else "",
        layers="\n".join(f"    case {i}u:\n{body}{indent}break;" for i, body in enumerate(bodies)),
        columns=columns,
    )


def _declaration(constant: Constant, symbol: str) -> str:
    return f"const {C_TYPES[constant.data.dtype.name]} {symbol}[{constant.data.size}]"


def _first_uses(model: CompiledModel) -> Iterator[tuple[CompiledLayer, list[Constant]]]:
    """Layers with the constants that no layer before them reads."""
    known: set[Constant] = set()
    for layer in model.layers:
        fresh = [constant for constant in layer.constants if constant not in known]
        if fresh:
            known.update(fresh)
            yield layer, fresh


def weights_header(model: CompiledModel) -> str:
    """``src/<m>_weights.h``: declarations of the constants and where they go."""
    symbols = _symbols(model)
    lines = []
    for layer, constants in _first_uses(model):
        lines.append(f"/* {_describe(model, layer)} */")
        lines += [f"extern {_declaration(constant, symbols[constant])};" for constant in constants]
    return render("weights.h", m=model.name, M=model.name.upper(), declarations="\n".join(lines))


def weights_source(model: CompiledModel) -> str:
    """``src/<m>_weights.c``: the constants."""
    symbols, upper = _symbols(model), model.name.upper()
    blocks = []
    for layer, constants in _first_uses(model):
        for constant in constants:
            shape = shape_text(constant.data.shape) or "1"
            blocks.append(
                f"/* {comment_text(layer.op.name)}: {constant.name}, {shape} */\n"
                f"{upper}_WEIGHTS_SECTION {upper}_WEIGHTS_ALIGN\n"
                f"{_declaration(constant, symbols[constant])} = {initializer(constant.data)};\n"
            )
    return render("weights.c", m=model.name, M=upper, bytes=constant_bytes(model), definitions="\n".join(blocks))


def constant_bytes(model: CompiledModel) -> int:
    """Bytes of all constants, without the padding between them."""
    return sum(constant.data.nbytes for constant in _symbols(model))
