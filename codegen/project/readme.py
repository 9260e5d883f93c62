"""``README.md`` of the exported project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.c_text import C_TYPES, float_literal, shape_text
from codegen.memory_map import text_map
from codegen.project.borders import Border, borders
from codegen.project.model_source import ARENA_ALIGN, constant_bytes
from codegen.project.qemu_board import qemu_board
from codegen.project.stream_section import stream_section
from codegen.project.templates import render
from codegen.project.vectors import Vectors, vector_bytes, vector_count
from codegen.toolchain import OPTIMIZE

if TYPE_CHECKING:
    from codegen.boards.board import Board
    from codegen.compile import CompiledModel
    from codegen.features import FrontEnd, RawInput


def readme(
    model: CompiledModel, board: Board, report: Mapping[str, Any], vectors: Vectors, support_routines: Sequence[str] | None
) -> str:
    """``README.md``.

    :param vectors: those of ``test/vectors.h``.
    :param support_routines: what the compiler linked beside the model, None where it was not built yet.
    """
    sides = borders(model.graph, model.plan.offsets)
    return render(
        "README.md",
        m=model.name,
        M=model.name.upper(),
        board_title=board.description,
        core=model.core.title,
        machine=qemu_board(model.core).machine,
        layer_count="1 layer" if len(model.layers) == 1 else f"{len(model.layers)} layers",
        macs=f"{sum(layer.macs for layer in model.layers):,}",
        example=_example(model.name, sides),
        borders="\n".join(_border_row(border, model.name) for border in sides),
        arena_align=ARENA_ALIGN,
        count=vector_count(vectors),
        vector_bytes=f"{vector_bytes(model, vectors):,}",
        front_end=_front_end(model) + _anomaly(model, report),
        stream="" if model.stream is None else stream_section(model, model.stream, report.get("stream")),
        front_end_rows=_front_end_rows(model) + _anomaly_rows(model) + _stream_rows(model),
        figures=_figures(model, board, report),
        memory_map=text_map(model.layout),
        support=_support(support_routines),
        micro_row=f"| `src/{model.name}_micro.h` | their innermost computations |\n" if model.micro_kernels else "",
    )


def _example(name: str, sides: Sequence[Border]) -> str:
    lines = [f"{b.c_type} *{b.label} = {name}_{b.label}(&arena);" for b in sides if b.direction == "input"]
    for b in sides:
        if b.direction == "input":
            real = f"{name}_quantize_{b.label}(value[i])" if b.converted else "value[i]"
            lines.append(f"for (size_t i = 0; i < {name.upper()}_{b.label.upper()}_SIZE; ++i) {b.label}[i] = {real};")
    lines.append(f"if ({name}_run(&arena) != 0) {{ /* the arena is null or misaligned */ }}")
    lines += [f"const {b.c_type} *{b.label} = {name}_{b.label}(&arena);" for b in sides if b.direction == "output"]
    return "\n".join(lines)


def _border_row(border: Border, name: str) -> str:
    tensor = border.tensor
    scale, zero_point = "", ""
    if border.converted:
        scale, zero_point = float_literal(tensor.scale).rstrip("f"), str(tensor.zero_point)
    return f"| `{name}_{border.label}` | `{border.c_type}` | {shape_text(tensor.shape)} | {scale} | {zero_point} |"


def _figures(model: CompiledModel, board: Board, report: Mapping[str, Any]) -> str:
    built = report.get("built")
    if built is None:
        return (
            f"| | bytes |\n|---|---|\n| arena | {model.arena_bytes:,} |\n| constants | {constant_bytes(model):,} |\n\n"
            "`nas verify .` builds the project and measures stack, code and time."
        )
    ram, flash = built["ram"], built["flash"]
    state = f", state of the features {ram['state']:,}" if "state" in ram else ""
    note = f"{model.core.timing_note}: " if model.core.timing_note else ""
    rows = [
        (
            "RAM",
            f"{ram['total']:,} bytes",
            f"arena {ram['arena']:,}, stack {ram['stack']:,}, static variables {ram['static']:,}{state}",
        ),
        ("of the arena", "", f"input and output {ram['io']:,}, scratch {ram['scratch']:,}"),
        (
            "flash",
            f"{flash['total']:,} bytes",
            f"code {flash['code']:,}, constants {flash['constants']:,}; support routines included",
        ),
        ("instructions", f"{built['instructions']:,.0f}", "per inference"),
        ("cycles", f"{built['cycles']:,.0f}", f"{note}per inference, of the emulated core without memory stalls"),
    ]
    if built["latency_ms"] is not None:
        clock = f"{board.clock_hz / 1e6:g} MHz"
        rows.append(("time", f"{built['latency_ms']:.3f} ms", f"estimate for the board at {clock}, stalls of its memory included"))
    if "network" in built:
        alone = built["network"]
        figures = f"flash {alone['flash']['total']:,} bytes, cycles {alone['cycles']:,.0f}"
        rows.append(
            ("network alone", f"RAM {alone['ram']['total']:,} bytes", f"{figures}; all of the above is features and network")
        )
    table = "\n".join(f"| {name} | {value} | {note} |" for name, value, note in rows)
    flags = f"`{OPTIMIZE[model.optimize]} -fomit-frame-pointer`"
    made = f"Built with {built['compiler']} for {built['core']} at {flags}, linked with `--gc-sections`, run in an emulator:"
    return f"{made}\n\n| | | |\n|---|---|---|\n{table}"


def _sound(model: CompiledModel, front_end: FrontEnd) -> str:
    return (
        render(
            "sound.md",
            m=model.name,
            M=model.name.upper(),
            rate=f"{front_end.settings.rate:,}",
            samples=f"{front_end.samples:,}",
            hop=front_end.settings.hop,
            arena=f"{model.arena_bytes:,}",
            working=f"{front_end.arena_bytes(0):,}",
            state=f"{front_end.state_bytes:,}",
            window=f"{2 * front_end.samples:,}",
        ).rstrip("\n")
        + "\n"
    )


def _front_end(model: CompiledModel) -> str:
    from codegen.features import FrontEnd, RawInput

    if isinstance(model.front_end, FrontEnd):
        return _sound(model, model.front_end)
    return _raw(model, model.front_end) if isinstance(model.front_end, RawInput) else ""


def _anomaly(model: CompiledModel, report: Mapping[str, Any]) -> str:
    detector, raw, built = model.detector, model.front_end, report.get("built")
    if detector is None:
        return ""
    name = model.name
    copies = f"for (size_t i = 0; i < {name.upper()}_INPUT_BYTES; ++i) copy[i] = "
    if raw is None:
        keep, run = f"{copies}{name}_input(&arena)[i];", "run(&arena)"
    elif raw.noun == "samples":
        heard = f"(void){name}_features(samples, {name.upper()}_SAMPLES, {name}_scratch(&arena), {name}_columns(&arena));"
        keep, run = f"{heard}\n{copies}{name}_columns(&arena)[i];", "run_columns(&arena)"
    else:
        keep, run = f"{name}_{raw.function}({raw.noun}, copy);", f"{raw.entry}(&arena, {raw.noun})"
    cost = None if built is None else built.get("anomaly")
    return render(
        "anomaly.md",
        m=name,
        M=name.upper(),
        bytes=f"{detector.channels * detector.places:,}",
        keep=keep,
        run=f"{name}_{run}",
        threshold=f"{detector.threshold:,}",
        real=f"{detector.real(np.array([detector.threshold]))[0]:.4f}",
        false_alarms=f"{detector.false_alarms:.0%}",
        floor=f"{detector.floor * detector.unit**2 / detector.places:.2g}",
        cost=""
        if cost is None
        else f"It takes {cost['cycles']:,.0f} cycles and {cost['flash']:,} bytes of flash beside those below.",
    )


def _anomaly_rows(model: CompiledModel) -> str:
    if model.detector is None:
        return ""
    return f"| `include/{model.name}_anomaly.h`, `src/{model.name}_anomaly.c` | the score of a reconstruction |\n"


def _raw(model: CompiledModel, raw: RawInput) -> str:
    return (
        render(
            "raw.md",
            m=model.name,
            M=model.name.upper(),
            noun=raw.noun,
            NOUN=raw.noun.upper(),
            type=C_TYPES[raw.dtype],
            size=f"{raw.raw_size:,}",
            shape=shape_text(raw.shape),
            rule=raw.rule,
        ).rstrip("\n")
        + "\n"
    )


def _stream_rows(model: CompiledModel) -> str:
    if model.stream is None:
        return ""
    return f"| `include/{model.name}_stream.h`, `src/{model.name}_stream.c` | decisions while samples come in |\n"


def _front_end_rows(model: CompiledModel) -> str:
    from codegen.features import RawInput

    name, front_end = model.name, model.front_end
    if isinstance(front_end, RawInput):
        noun = front_end.noun
        pixels = (
            f"| `src/{name}_run_pixels.c` | the same from pixels of any size, grey or coloured |\n"
            if front_end.takes_pixels
            else ""
        )
        return (
            f"| `include/{name}_{noun}.h`, `src/{name}_run_{noun}.c` | from a recorded {noun} to the network's output |\n"
            f"| `src/{name}_{noun}.c` | normalisation and quantisation |\n{pixels}"
        )
    if front_end is None:
        return ""
    return (
        f"| `include/{name}_samples.h`, `src/{name}_samples.c` | from samples of sound to the network's output |\n"
        f"| `include/{name}_features.h`, `src/{name}_features.c`, `src/{name}_features_tables.c` | the spectrogram |\n"
    )


def _support(routines: Sequence[str] | None) -> str:
    always = (
        "A compiler may call `memcpy`, `memset` and its own support routines (64-bit arithmetic, division); "
        "nothing else is left undefined."
    )
    if routines is None:
        return always
    if not routines:
        return f"{always} The build above needed none of them."
    names = ", ".join(f"`{name}`" for name in routines)
    return f"{always} The build above linked {names}, counted in its flash."
