"""``README.md`` of the exported project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codegen.memory_map import text_map
from codegen.project.borders import Border, borders
from codegen.project.c_text import float_literal, shape_text
from codegen.project.model_source import ARENA_ALIGN, constant_bytes
from codegen.project.qemu_board import qemu_board
from codegen.project.rendering import render
from codegen.project.stream_section import stream_section
from codegen.project.vectors import Vectors, vector_bytes, vector_count
from codegen.toolchain import OPTIMIZE

if TYPE_CHECKING:
    from codegen.boards.board import Board
    from codegen.compile import CompiledModel
    from codegen.features import FrontEnd


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
        sound="" if model.front_end is None else _sound(model, model.front_end),
        stream="" if model.stream is None else stream_section(model, model.stream, report.get("stream")),
        sound_rows=_sound_rows(model),
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


def _sound_rows(model: CompiledModel) -> str:
    name, rows = model.name, ""
    if model.front_end is not None:
        rows += (
            f"| `include/{name}_samples.h`, `src/{name}_samples.c` | from samples of sound to the network's output |\n"
            f"| `include/{name}_features.h`, `src/{name}_features.c`, `src/{name}_features_tables.c` | the spectrogram |\n"
        )
    if model.stream is not None:
        rows += f"| `include/{name}_stream.h`, `src/{name}_stream.c` | decisions while samples come in |\n"
    return rows


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
