"""What a stream costs on a core, measured in the emulator."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.measurement import Flash
from codegen.project.report import read_project
from codegen.stream_emulation.runner import StreamRunner
from codegen.streaming.stream import Stream
from codegen.verify import build

if TYPE_CHECKING:
    from codegen.boards.board import Board
    from codegen.compile import CompiledModel

ROOTS = ("stream_start", "push")
"""What a program calls that gets all its input by pushes."""


@dataclass(frozen=True, slots=True)
class StreamCosts:
    """What a stream costs on a core; bytes and cycles.

    ``state`` is the caller's and lives between calls, ``arena`` is free between them. ``flash`` is that of a program that gets its
    input by ``<m>_push`` alone. ``row_cycles`` are those of pushing the samples of a row (a column of a spectrogram, or one sample
    of a series), ``decision_cycles`` those of one that leads to a decision; ``row_reads`` and ``decision_reads`` are the bytes of
    constants that their loads read.
    """

    state: int
    arena: int
    stack: int
    flash: Flash
    row_cycles: float
    decision_cycles: float
    row_reads: int
    decision_reads: int

    def cycles_a_second(self, stream: Stream) -> float:
        """Mean cycles for a second of signal; 0 where its rate is not known."""
        return _a_second(stream, self.row_cycles, self.decision_cycles)

    def load(self, stream: Stream, board: Board) -> float:
        """Seconds of the board's time for a second of signal, with the stalls of its memory (an estimate); 0 where the rate is not
        known."""
        row = board.latency_ms(self.row_cycles, self.row_reads)
        return _a_second(stream, row, board.latency_ms(self.decision_cycles, self.decision_reads)) / 1000

    def to_json(self, stream: Stream, board: Board) -> dict[str, Any]:
        """The figures as ``report.json`` has them; the last two are null where the rate is not known."""
        return {
            "ram": {"state": self.state, "arena": self.arena, "stack": self.stack, "total": self.state + self.arena + self.stack},
            "flash": self.flash.to_json(),
            "row_cycles": round(self.row_cycles),
            "decision_cycles": round(self.decision_cycles),
            "cycles_per_second": round(self.cycles_a_second(stream)) if stream.rate else None,
            "load": round(self.load(stream, board), 6) if stream.rate else None,
        }


def stream_costs(model: CompiledModel, board: Board) -> StreamCosts:
    """Build ``model`` with its stream and measure it on noise in the emulator.

    :raises codegen.toolchain.CompileError: if the compiler is missing.
    """
    from codegen.project.writer import write_project

    stream = model.stream
    assert stream is not None
    with tempfile.TemporaryDirectory(prefix="stream-") as scratch:
        directory = Path(scratch) / model.name
        write_project(model, directory, board=board, report={})
        project = read_project(directory)
        runner = StreamRunner(directory, project, stream, model.core, Path(scratch))
        program = build(directory, project, model.core, [f"{model.name}_{root}" for root in ROOTS], Path(scratch) / "alone.elf")
        noise = stream.source.typical().reshape(stream.window_samples, *stream.sample_shape)
        before = stream.window_samples - 2 * stream.row_samples
        # What was pushed before is not part of the figures: they are those of a row, and of one that leads to a decision.
        runner.push(noise[:before], [before])
        spent = []
        for start in (before, before + stream.row_samples):
            whole = runner.cycles, runner.flash_reads
            runner.push(noise[start : start + stream.row_samples], [stream.row_samples], watch=True)
            spent.append((runner.cycles - whole[0], runner.flash_reads - whole[1]))
    return StreamCosts(
        state=stream.state_bytes,
        arena=model.arena_bytes,
        stack=runner.stack,
        flash=Flash(program.code, program.constants + program.initial_data),
        row_cycles=spent[0][0],
        decision_cycles=spent[1][0],
        row_reads=spent[0][1],
        decision_reads=spent[1][1],
    )


def _a_second(stream: Stream, row: float, decision: float) -> float:
    """What a second of signal takes, by what a row does without and with a decision."""
    return (row + (decision - row) / stream.settings.hop) * stream.rate / stream.row_samples
