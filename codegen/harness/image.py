"""A built model for the RAM of a board: the sources that are measured in the emulator, and stubs that time each layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codegen import elf
from codegen.cores import CORES
from codegen.emulator import ModelInterface
from codegen.errors import UserError
from codegen.harness.device import Hello
from codegen.optimize import Optimize
from codegen.project.templates import render
from codegen.toolchain import CompileError, ZigCompiler

_EMPTY_CALLS = 4
_ALIGN = 16


@dataclass(frozen=True, slots=True)
class Image:
    """A program with its addresses on the board. ``run`` is the model as it ships, ``trace_run`` the same with its layers timed,
    ``nothing`` a function that only returns, ``trace_empty`` four timed calls of it; ``end`` is the first free address."""

    parts: tuple[tuple[int, bytes], ...]
    run: int
    trace_run: int
    nothing: int
    trace_empty: int
    times: int
    end: int


def link_image(
    sources: Sequence[Path], run_source: Path, interface: ModelInterface, hello: Hello, optimize: Optimize, directory: Path
) -> Image:
    """Compile and link a model's ``sources``, of which ``run_source`` holds ``run``, for the RAM that the harness offers.

    A second copy of the run source, with its layers and its own names renamed, calls each layer through a stub.

    :raises UserError: if it does not fit.
    """
    layers = sorted({function for _, function in interface.layers})
    accessors = [symbol for symbol, _ in (*interface.inputs, *interface.outputs)]
    renamed = [*layers, *accessors, interface.run]
    traced = directory / "traced.c"
    defines = "".join(f"#define {name} traced_{name}\n" for name in renamed)
    traced.write_text(f'{defines}#include "{run_source.name}"\n', encoding="utf-8")
    trace = directory / "trace.s"
    trace.write_text(
        render(
            "trace.s",
            times=max(_EMPTY_CALLS, len(interface.layers)),
            now=f"{hello.now | 1:#010x}",
            run=f"traced_{interface.run}",
            stubs="\n".join(f"    stub traced_{name}, {name}" for name in layers),
        ),
        encoding="utf-8",
    )
    script = render("ram_linker.ld", address=f"{hello.ram_address:#010x}", bytes=hello.ram_bytes)
    try:
        program = elf.read(
            ZigCompiler().link(
                [*sources, traced, trace],
                include_dirs=[run_source.parent],
                core=CORES[hello.core],
                optimize=optimize,
                roots=["trace_run", "trace_empty", interface.run],
                output=directory / "image.elf",
                script=script,
            )
        )
    except CompileError as error:
        if "will not fit in region" in str(error):
            raise UserError(f"--serial: a program does not fit into the board's {hello.ram_bytes:,} bytes of RAM") from None
        raise
    symbols = program.symbols
    end = max(segment.address + len(segment.data) for segment in program.segments)
    return Image(
        parts=tuple((segment.address, segment.data) for segment in program.segments),
        run=symbols[interface.run].address,
        trace_run=symbols["trace_run"].address,
        nothing=symbols["trace_nothing"].address,
        trace_empty=symbols["trace_empty"].address,
        times=symbols["trace_times"].address,
        end=-(-end // _ALIGN) * _ALIGN,
    )
