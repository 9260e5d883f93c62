"""``include/<m>.hpp``: the C interface with C++ types around it, and the Arduino sketch that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from codegen.c_text import C_TYPES
from codegen.project.borders import Border, borders
from codegen.project.templates import render

if TYPE_CHECKING:
    from codegen.compile import CompiledModel
    from codegen.features import Preprocessing


def cpp_header(model: CompiledModel) -> str:
    """``include/<m>.hpp``."""
    name, raw = model.name, model.front_end
    sides = borders(model.graph, model.plan.offsets)
    return render(
        "model.hpp",
        m=name,
        M=name.upper(),
        header=f"{name}.h" if raw is None else f"{name}_{raw.noun}.h",
        first_input=next(b.label for b in sides if b.direction == "input"),
        first_output=next(b.label for b in sides if b.direction == "output"),
        raw="" if raw is None else f"constexpr size_t {raw.noun}_size = {raw.raw_size};\n",
        constants="\n".join(_constants(b, name) for b in sides),
        accessors="\n".join(_accessor(b, name) for b in sides),
        run_raw="" if raw is None else render("run_raw.hpp", m=name, noun=raw.noun, entry=raw.entry, type=_raw_type(raw)),
        run_columns=render("run_columns.hpp", m=name) if _takes_sound(model) else "",
    )


def _constants(border: Border, name: str) -> str:
    """Sizes, quantization and conversion of an input or output."""
    label, macro = border.label, f"{name.upper()}_{border.label.upper()}"
    lines = [f"constexpr size_t {label}_size = {macro}_SIZE;"]
    if border.tensor.shape:
        lines.append(f"constexpr size_t {label}_shape[{macro}_RANK] = {macro}_SHAPE;")
    if border.converted:
        lines += [f"constexpr float {label}_scale = {macro}_SCALE;", f"constexpr int {label}_zero_point = {macro}_ZERO_POINT;"]
        if border.direction == "input":
            function, result, parameter = f"quantize_{label}", border.c_type, "float value"
        else:
            function, result, parameter = f"dequantize_{label}", "float", f"{border.c_type} value"
        lines.append(f"inline {result} {function}({parameter}) noexcept {{ return ::{name}_{function}(value); }}")
    return "\n".join(lines) + "\n"


def _accessor(border: Border, name: str) -> str:
    element = border.c_type if border.direction == "input" else f"const {border.c_type}"
    span = f"span<{element}, {border.label}_size>"
    return f"    {span} {border.label}() const noexcept\n    {{\n        return {span}(::{name}_{border.label}(arena_));\n    }}\n"


def sketch(model: CompiledModel) -> str:
    """``examples/inference/inference.ino``."""
    name, inside = model.name, f"{model.name}_nn"
    sides, raw = borders(model.graph, model.plan.offsets), model.front_end
    return render(
        "inference.ino",
        m=name,
        raw="" if raw is None else f"static {_raw_type(raw)} {raw.noun}[{inside}::{raw.noun}_size];\n",
        fill=_fill(sides, inside) if raw is None else f"    // what was recorded goes into {raw.noun} here\n",
        run="run()" if raw is None else f"{raw.entry}({raw.noun})",
        print="\n".join(_print(b, inside) for b in sides if b.direction == "output"),
    )


def _fill(sides: Sequence[Border], inside: str) -> str:
    blocks = []
    for b in sides:
        if b.direction == "input":
            value = f"{inside}::quantize_{b.label}(0.0f)" if b.converted else "0"
            lines = (f"    for (auto &value : network.{b.label}()) {{", f"        value = {value}; // what was measured", "    }\n")
            blocks.append("\n".join(lines))
    return "".join(blocks)


def _print(border: Border, inside: str) -> str:
    value = f"{inside}::dequantize_{border.label}(value)" if border.converted else "value"
    return f"    for (auto value : network.{border.label}()) {{\n        Serial.println({value});\n    }}"


def _raw_type(raw: Preprocessing) -> str:
    return C_TYPES[raw.raw_type.name]


def _takes_sound(model: CompiledModel) -> bool:
    from codegen.features import FrontEnd

    return isinstance(model.front_end, FrontEnd)
