"""A recording pushed through a built project on an emulated core, and every decision compared with the reference."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codegen.cores import find_core
from codegen.errors import UserError
from codegen.project.report import read_project, stream_of
from codegen.stream_emulation.runner import StreamRunner
from codegen.streaming.records import Decisions, expected_records
from codegen.streaming.reference import decisions
from codegen.streaming.stream import Stream
from codegen.verify import read_graph

if TYPE_CHECKING:
    from codegen.boards.board import Board


@dataclass(frozen=True, slots=True)
class Detection:
    """What was detected, a class or an alarm, when ``sample`` samples had come in; ``value`` is the smoothed probability or score
    at that time, as a real number."""

    sample: int
    name: str
    value: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"sample": self.sample, "class": self.name, "value": round(self.value, 4)}


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
    def detections(self) -> list[Detection]:
        """What was detected, in order."""
        task, said = self.stream.task, self.expected
        found = np.flatnonzero(said.detected >= 0)
        values = task.real(said.means[found, said.detected[found]])
        return [
            Detection(int(at), task.names[number], float(value))
            for at, number, value in zip(said.at[found], said.detected[found], values, strict=True)
        ]

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
            "detections": [detection.to_json() for detection in self.detections],
            "core": self.core,
            "board": None if self.board is None else self.board.name,
        }


def verify_stream(directory: Path, samples: NDArray[Any], *, core: str | None = None, seed: int = 0) -> StreamVerification:
    """Push a recording, ``(n,)`` of sound or ``(n, channels)`` of a series, through the project in ``directory`` on
    an emulated core, in pieces of odd sizes that ``seed`` draws, and compare whatever is known after each with the reference.

    :raises UserError: if the project takes no stream, or the recording holds no window.
    :raises codegen.emulator.ExecutionFault: as :func:`codegen.verify.measure`.
    """
    project = read_project(directory)
    stream = stream_of(directory, project)
    if len(samples) < stream.window_samples:
        raise UserError(
            f"stream: {len(samples)} samples are less than a window of {stream.window_samples}; give a longer recording"
        )
    chosen = find_core(core or project.core)
    expected = decisions(stream, read_graph(directory, project), samples)
    lengths = odd_lengths(stream, len(samples), seed)
    with tempfile.TemporaryDirectory(prefix="stream-") as scratch:
        runner = StreamRunner(directory, project, stream, chosen, Path(scratch))
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
