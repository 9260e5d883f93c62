"""Streams on an emulated core: every decision compared with the reference, and what pushing costs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codegen.cores import Core, find_core
from codegen.emulator import Execution, ModelInterface, execute
from codegen.errors import UserError
from codegen.measurement import Flash
from codegen.project.report import Project, read_project
from codegen.streaming.c_source import harness_source
from codegen.streaming.reference import Decisions, decisions
from codegen.streaming.stream import Stream
from codegen.verify import build, read_graph

if TYPE_CHECKING:
    from codegen.boards.board import Board
    from codegen.compile import CompiledModel

PUSHES = 256
"""Pushes of one call of the harness; the state goes from one call to the next as bytes, all other memory is garbage again."""
ROOTS = ("stream_start", "push")
_FUNCTIONS = ("stream", "records", "run")


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


@dataclass(frozen=True, eq=False)
class StreamVerification:
    """Outcome of pushing a recording: ``mismatches`` counts the pushes after which something was not what the reference says, of
    which ``expected`` holds all; ``cycles`` and ``instructions`` are those of all ``pushes`` of so many ``samples``."""

    stream: Stream
    expected: Decisions
    pushes: int
    samples: int
    mismatches: int
    cycles: float
    instructions: float
    stack: int
    core: str
    board: Board | None

    @property
    def bit_exact(self) -> bool:
        """Whether all that came out equals the reference to the bit."""
        return self.mismatches == 0

    @property
    def cycles_a_second(self) -> float | None:
        """Cycles for a second of signal; None where its rate is not known."""
        return self.cycles * self.stream.rate / self.samples if self.stream.rate else None

    @property
    def load(self) -> float | None:
        """Seconds of the board's time for a second of signal; None where the rate is not known, or the core is not the board's."""
        cycles = self.cycles_a_second
        return None if cycles is None or self.board is None else cycles / self.board.clock_hz

    @property
    def events(self) -> list[tuple[int, str]]:
        """Samples that had come in, and the class, at each detection."""
        found = np.flatnonzero(self.expected.detected >= 0)
        names = self.stream.settings.classes
        return [(int(self.expected.at[i]), names[self.expected.detected[i]]) for i in found]

    def to_json(self) -> dict[str, Any]:
        """The object that ``nas verify --stream --json`` prints."""
        per_second, load, rate = self.cycles_a_second, self.load, self.stream.rate
        return {
            "bit_exact": self.bit_exact,
            "mismatches": self.mismatches,
            "decisions": len(self.expected),
            "pushes": self.pushes,
            "samples": self.samples,
            "seconds": self.samples / rate if rate else None,
            "state_bytes": self.stream.state_bytes,
            "stack_bytes": self.stack,
            "cycles": round(self.cycles),
            "instructions": round(self.instructions),
            "cycles_per_second": None if per_second is None else round(per_second),
            "load": None if load is None else round(load, 6),
            "detections": [{"sample": at, "class": name} for at, name in self.events],
            "core": self.core,
            "board": None if self.board is None else self.board.name,
        }


def verify_stream(directory: Path, samples: NDArray[Any], *, core: str | None = None, seed: int = 0) -> StreamVerification:
    """Push a recording, int16 ``(n,)`` of sound or float32 ``(n, channels)`` of a series, through the project in ``directory`` on
    an emulated core, in pieces of odd sizes that ``seed`` draws, and compare whatever is known after each with the reference.

    :raises UserError: if the project has no stream, or the recording holds no window.
    :raises codegen.emulator.ExecutionFault: as :func:`codegen.verify.measure`.
    """
    project = read_project(directory)
    stream = _stream(directory, project)
    if len(samples) < stream.window_samples:
        raise UserError(
            f"stream: {len(samples)} samples are less than a window of {stream.window_samples}; give a longer recording"
        )
    chosen = find_core(core or project.core)
    expected = decisions(stream, read_graph(directory, project), samples)
    lengths = odd_lengths(stream, len(samples), seed)
    with tempfile.TemporaryDirectory(prefix="stream-") as scratch:
        runner = _Runner(directory, project, stream, chosen, Path(scratch))
        runner.push(samples[: stream.row_samples], [stream.row_samples], watch=True)  # finds unaligned accesses; slow
        first = runner.cycles, runner.instructions
        runner.restart()
        records = runner.push(samples, lengths)
    return StreamVerification(
        stream=stream,
        expected=expected,
        pushes=len(lengths),
        samples=len(samples),
        mismatches=int((records != expected_records(stream, expected, lengths)).sum()),
        cycles=runner.cycles - first[0],
        instructions=runner.instructions - first[1],
        stack=runner.stack,
        core=chosen.name,
        board=project.board if chosen.name == project.core else None,
    )


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
        runner = _Runner(directory, project, stream, model.core, Path(scratch))
        program = build(directory, project, model.core, [f"{model.name}_{root}" for root in ROOTS], Path(scratch) / "alone.elf")
        noise = np.random.default_rng(0).normal(0, 1000, (stream.window_samples, *stream.sample_shape)).astype(stream.sample_type)
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


def odd_lengths(stream: Stream, count: int, seed: int) -> list[int]:
    """Lengths of pieces that add up to ``count`` samples: of single ones, about a row, up to a decision's, now and then more than a
    window."""
    rng = np.random.default_rng(seed)
    row, hop, window = stream.row_samples, stream.hop_samples, stream.window_samples
    lengths: list[int] = []
    left = count
    while left > 0:
        kind = rng.integers(0, 40)
        if kind == 0:
            length = window + int(rng.integers(0, window))
        elif kind < 4:
            length = int(rng.integers(1, 4))
        elif kind < 20:
            length = int(rng.integers(1, 2 * row + 2))
        else:
            length = int(rng.integers(1, hop + 1))
        lengths.append(min(length, left))
        left -= lengths[-1]
    return lengths


def record_type(classes: int) -> np.dtype[Any]:
    """What the harness notes after each push."""
    words: list[Any] = [("decisions", "<i4"), ("detected", "<i2"), ("top", "<i2"), ("probability", "<u2")]
    bytes_: list[Any] = [("scores", "i1", (classes,)), ("unused", "i1", (-(10 + classes) % 4,))]
    return np.dtype([*words, *bytes_])


def expected_records(stream: Stream, expected: Decisions, lengths: Sequence[int]) -> NDArray[Any]:
    """What is to be known after each push of so many samples."""
    records = np.zeros(len(lengths), record_type(len(stream.settings.classes)))
    done = np.searchsorted(expected.at, np.cumsum(lengths), side="right")
    before = np.concatenate([[0], done[:-1]])
    records["decisions"], records["top"], records["detected"] = done - before, -1, -1
    for record, first, last in zip(records, before.tolist(), done.tolist(), strict=True):
        heard = expected.detected[first:last]
        if (heard >= 0).any():
            record["detected"] = heard[heard >= 0][-1]
        if last:
            top = expected.top[last - 1]
            record["top"], record["probability"] = top, expected.probabilities[last - 1, top]
            record["scores"] = expected.scores[last - 1]
    return records


def _stream(directory: Path, project: Project) -> Stream:
    if project.stream is None:
        raise UserError(f"{directory}: the project has no stream; those of searches over sound or series have")
    return project.stream


class _Runner:
    """The harness in the emulator: the stream's state goes from call to call, everything else is garbage at the start of each."""

    def __init__(self, directory: Path, project: Project, stream: Stream, core: Core, scratch: Path) -> None:
        self._project, self._stream, self._core = project, stream, core
        harness = scratch / "harness.c"
        harness.write_text(harness_source(stream, PUSHES, project.name), encoding="utf-8")
        self._roots = [f"{project.name}_harness_{name}" for name in _FUNCTIONS]
        self._program = build(directory, project, core, self._roots, scratch / "stream.elf", beside=[harness])
        self._records = record_type(len(stream.settings.classes))
        self.cycles = self.instructions = 0.0
        self.stack = self.flash_reads = 0
        self.restart()

    def restart(self) -> None:
        """Forget what was pushed."""
        self._starts = True
        self._state = b"\xa5" * self._stream.state_bytes

    def push(self, samples: NDArray[Any], lengths: Sequence[int], *, watch: bool = False) -> NDArray[Any]:
        """Push ``samples`` in pieces of these ``lengths``; returns a record for each."""
        found = [np.empty(0, self._records)]
        for piece, few in self._calls(samples, lengths):
            execution = self._call(piece, few, watch=watch)
            self._state, noted = execution.outputs[0]
            found.append(np.frombuffer(noted, self._records)[: len(few)])
            self.cycles += execution.cycles
            self.instructions += execution.instructions
            self.flash_reads += execution.flash_bytes
            self.stack = max(self.stack, execution.stack_bytes)
            self._starts = False
        records = np.concatenate(found)
        records["unused"] = 0  # padding behind the scores, which nobody writes
        return records

    def _calls(self, samples: NDArray[Any], lengths: Sequence[int]) -> Iterator[tuple[NDArray[Any], list[int]]]:
        start = 0
        for first in range(0, len(lengths), PUSHES):
            few = list(lengths[first : first + PUSHES])
            yield samples[start : start + sum(few)], few
            start += sum(few)

    def _call(self, samples: NDArray[Any], lengths: Sequence[int], *, watch: bool) -> Execution:
        head = np.zeros(2 + PUSHES, "<u4")
        head[:2], head[2 : 2 + len(lengths)] = (self._starts, len(lengths)), lengths
        argument = head.tobytes() + np.ascontiguousarray(samples, self._stream.sample_type).tobytes()
        state, records = self._stream.state_bytes, PUSHES * self._records.itemsize
        stream, record, run = self._roots
        arena = -(-self._project.arena_bytes // 8) * 8
        interface = ModelInterface(
            run=run,
            inputs=((stream, state),),
            outputs=((stream, state), (record, records)),
            arena_bytes=-(-(arena + state + records) // 8) * 8,
            arena_align=self._project.arena_align,
            argument_bytes=len(argument),
        )
        return execute(self._program.path, self._core, interface, [(self._state, argument)], arena_at="end", watch_memory=watch)
