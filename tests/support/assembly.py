"""Small programs in assembly and C, built for an emulated core."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codegen.cores import find_core
from codegen.elf import read
from codegen.emulator import Execution, ModelInterface, execute
from codegen.emulator.program import Program
from codegen.toolchain import ZigCompiler

ARENA_BYTES = 64
INTERFACE = ModelInterface("m_run", (("m_tensor", ARENA_BYTES),), (("m_tensor", ARENA_BYTES),), ARENA_BYTES, 8)
"""A model whose arena of 64 bytes is its input and its output at once."""


def function(name: str, body: str) -> str:
    """An assembly function in a section of its own."""
    return f"""
.section .text.{name},"ax",%progbits
.global {name}
.type {name},%function
{name}:
{body}
.size {name}, . - {name}
"""


def build(directory: Path, body: str, core: str = "cortex-m4", *, functions: str = "", roots: Sequence[str] = ()) -> Path:
    """A program whose ``m_run`` is ``body``, followed by ``return 0``; of ``functions`` it keeps what it calls, and ``roots``."""
    run = function("m_run", body + "\nmovs r0, #0\nbx lr")
    source = directory / "program.s"
    source.write_text(f".syntax unified\n.thumb\n{run}{function('m_tensor', 'bx lr')}{functions}")
    return link(directory, source, core, roots=roots)


def build_c(directory: Path, text: str, core: str = "cortex-m4", optimize: str = "balanced") -> Path:
    """A program in C that defines ``m_run`` and ``m_tensor``."""
    source = directory / "program.c"
    source.write_text(text)
    return link(directory, source, core, optimize)


def link(directory: Path, source: Path, core: str, optimize: str = "balanced", *, roots: Sequence[str] = ()) -> Path:
    """The linked program of one source."""
    return ZigCompiler().link(
        [source],
        include_dirs=[],
        core=find_core(core),
        optimize=optimize,
        roots=["m_run", "m_tensor", *roots],
        output=directory / "program.elf",
    )


def run(elf: Path, core: str = "cortex-m4", data: Sequence[bytes] = (bytes(range(ARENA_BYTES)),)) -> Execution:
    """Run a program of :func:`build`."""
    return execute(elf, find_core(core), INTERFACE, [[d] for d in data])


def block(directory: Path, body: str, core: str) -> int:
    """Cycles of ``body`` as a block of its own by the core's rules, without running it."""
    program = Program(read(build(directory, body, core)), find_core(core))
    function = program.elf.symbols["m_run"]
    return program.timing.block(program.block(function.address, function.size - 4), None)  # without movs and bx


def cycles(directory: Path, body: str, core: str = "cortex-m4", *, multiply_cycles: int | None = None) -> float:
    """Cycles of ``body`` alone, which is entered by a call with the arena's address in r0."""
    frame = {"cortex-m0plus": 3, "cortex-m33": 2}.get(core, 4)  # movs, and bx with its refill
    chosen = find_core(core, multiply_cycles=multiply_cycles)
    return execute(build(directory, body, core), chosen, INTERFACE, [[bytes(range(ARENA_BYTES))]]).cycles - frame
