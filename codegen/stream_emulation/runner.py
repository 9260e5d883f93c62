"""The harness that runs a stream in the emulator, push by push."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.cores import Core
from codegen.emulator import Execution, ModelInterface, execute
from codegen.features import FrontEnd
from codegen.project.report import Project
from codegen.rendering import prefixed
from codegen.stream_emulation.templates import render
from codegen.streaming.c_source import field_assignments, field_members, sample_type
from codegen.streaming.records import record_type
from codegen.streaming.stream import Stream
from codegen.verify import build

PUSHES = 256
"""Pushes of one call of the harness; the state goes from one call to the next as bytes, all other memory is garbage again."""
_FUNCTIONS = ("stream", "records", "run")


class StreamRunner:
    """The harness in the emulator: the stream's state goes from call to call, everything else is garbage at the start of each."""

    def __init__(self, directory: Path, project: Project, stream: Stream, core: Core, scratch: Path) -> None:
        self._project, self._stream, self._core = project, stream, core
        harness = scratch / "harness.c"
        harness.write_text(harness_source(stream, PUSHES, project.name), encoding="utf-8")
        self._roots = [f"{project.name}_harness_{name}" for name in _FUNCTIONS]
        self._program = build(directory, project, core, self._roots, scratch / "stream.elf", beside=[harness])
        self._records = record_type(stream.task)
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
        return np.concatenate(found)

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


def harness_source(stream: Stream, pushes: int, name: str) -> str:
    """A C file that runs the stream of model ``name`` in the emulator, up to so many ``pushes`` a call."""
    channels = 1 if isinstance(stream.source, FrontEnd) else stream.row_bytes
    text = render(
        "harness.c",
        pushes=pushes,
        sample=sample_type(stream),
        channels=channels,
        members=field_members(stream.task),
        notes=field_assignments(stream.task, "record", lambda field, index: f"stream->{field}{index}", "        "),
    )
    return prefixed(text.replace('"NN_stream.h"', f'"{name}_stream.h"'), name)
