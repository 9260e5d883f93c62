"""Features on an emulated core: their bytes, and what a column of them costs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codegen import elf
from codegen.cores import Core
from codegen.emulator import Execution, ModelInterface, execute
from codegen.features.c_source import c_sources
from codegen.features.settings import SpectrogramSettings
from codegen.features.templates import render
from codegen.measurement import Flash
from codegen.optimize import Optimize
from codegen.rendering import prefixed
from codegen.toolchain import ZigCompiler

_NAME = "measured"
_COLUMNS = 8


@dataclass(frozen=True, slots=True)
class FeatureCosts:
    """What features in their streaming form cost; bytes, and means per column.

    ``state`` lives between calls and ``scratch`` during one, so it may lie in memory that the network uses too. ``cycles`` and
    ``instructions`` are those of pushing ``hop`` samples, which completes a column.
    """

    state: int
    scratch: int
    stack: int
    flash: Flash
    instructions: float
    cycles: float

    @property
    def ram(self) -> int:
        """State, scratch and stack."""
        return self.state + self.scratch + self.stack


def costs(settings: SpectrogramSettings, core: Core, optimize: Optimize = "balanced") -> FeatureCosts:
    """Build the features for ``core`` and count a few columns of noise in the emulator.

    :raises codegen.toolchain.CompileError: if the compiler is missing.
    """
    noise = np.random.default_rng(0).normal(0, 1000, settings.frame + _COLUMNS * settings.hop).astype(np.int16)
    few, many = (_execute(settings, core, noise[None, :n], optimize, settings.hop) for n in (settings.frame, len(noise)))
    with tempfile.TemporaryDirectory(prefix="features-") as scratch:
        roots = [f"{_NAME}_features_start", f"{_NAME}_features_push"]
        program = elf.read(_link(settings, core, optimize, roots, Path(scratch)))
    return FeatureCosts(
        state=settings.state_bytes,
        scratch=settings.scratch_bytes,
        stack=many.stack_bytes,
        flash=Flash(program.code, program.constants + program.initial_data),
        instructions=(many.instructions - few.instructions) / _COLUMNS,
        cycles=(many.cycles - few.cycles) / _COLUMNS,
    )


def emulate(
    settings: SpectrogramSettings, core: Core, clips: NDArray[np.int16], optimize: Optimize = "balanced", *, piece: int = 0
) -> NDArray[np.int8]:
    """What the C code makes of int16 ``(n, samples)`` on an emulated core, pushed in pieces of so many samples, or as a whole: int8
    ``(n, frames, columns, 1)``.

    :raises codegen.emulator.ExecutionFault: if it touches memory that is not its own, or does what a core answers with a fault.
    """
    execution = _execute(settings, core, clips, optimize, piece)
    columns = np.frombuffer(b"".join(output for (output,) in execution.outputs), np.int8)
    return columns.reshape(len(clips), -1, settings.columns, 1)


def _execute(settings: SpectrogramSettings, core: Core, clips: NDArray[np.int16], optimize: Optimize, piece: int) -> Execution:
    samples = clips.shape[1]
    output = settings.frames(samples) * settings.columns
    harness = render("harness.c", samples=samples, piece=piece)
    interface = ModelInterface(
        run=f"{_NAME}_harness_run",
        inputs=((f"{_NAME}_harness_input", 2 * samples),),
        outputs=((f"{_NAME}_harness_output", output),),
        arena_bytes=settings.state_bytes + settings.scratch_bytes + -(-samples // 2) * 4 + -(-output // 4) * 4,
        arena_align=4,
    )
    with tempfile.TemporaryDirectory(prefix="features-") as scratch:
        roots = [interface.run, interface.inputs[0][0], interface.outputs[0][0]]
        program = _link(settings, core, optimize, roots, Path(scratch), harness)
        return execute(program, core, interface, [(clip.tobytes(),) for clip in clips], arena_at="end")


def _link(
    settings: SpectrogramSettings, core: Core, optimize: Optimize, roots: list[str], directory: Path, harness: str = ""
) -> Path:
    files = c_sources(settings, _NAME)
    if harness:
        files["src/harness.c"] = prefixed(harness, _NAME)
    for path, text in files.items():
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_text(text, encoding="utf-8")
    return ZigCompiler().link(
        sorted((directory / "src").glob("*.c")),
        include_dirs=[directory / "include", directory / "src"],
        core=core,
        optimize=optimize,
        roots=roots,
        output=directory / "features.elf",
    )
