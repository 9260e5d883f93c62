"""``include/<m>.hpp``: the C interface with C++ types around it, and the Arduino sketch that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from codegen.project.borders import Border, borders
from codegen.project.rendering import render

if TYPE_CHECKING:
    from codegen.compile import CompiledModel


def cpp_header(model: CompiledModel) -> str:
    """``include/<m>.hpp``."""
    name, heard = model.name, _takes_sound(model)
    sides = borders(model.graph, model.plan.offsets)
    return render(
        "model.hpp",
        m=name,
        M=name.upper(),
        header=f"{name}_samples.h" if heard else f"{name}.h",
        first_input=next(b.label for b in sides if b.direction == "input"),
        first_output=next(b.label for b in sides if b.direction == "output"),
        samples=f"constexpr size_t samples = {name.upper()}_SAMPLES;\n" if heard else "",
        constants="\n".join(_constants(b, name) for b in sides),
        accessors="\n".join(_accessor(b, name) for b in sides),
        run_samples=render("run_samples.hpp", m=name) if heard else "",
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
    sides = borders(model.graph, model.plan.offsets)
    heard = _takes_sound(model)
    samples = f"static int16_t samples[{inside}::samples];\n" if heard else ""
    return render(
        "inference.ino",
        m=name,
        samples=samples,
        fill="    // a window of sound goes into samples here\n" if heard else _fill(sides, inside),
        run="run_samples(samples)" if heard else "run()",
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


def _takes_sound(model: CompiledModel) -> bool:
    from codegen.features import FrontEnd  # which needs this package

    return isinstance(model.front_end, FrontEnd)
