"""Many inferences of one program, in batches that may run in several processes at once.

Each batch starts a core of its own, whoever runs it, so that outputs, figures and faults do not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Literal

from codegen.cores import Core
from codegen.elf import Elf
from codegen.emulator.execute import check_inputs, count
from codegen.emulator.interface import Execution, ExecutionFault, ModelInterface, StrayAccess
from codegen.emulator.tally import Tally, total
from codegen.process_map import ProcessMap, UnorderedMap, available_processors, serial_map

BATCH = 32
"""Inferences of a batch: enough that starting a core hardly counts. So few stay in this process."""
_BOTH = 2
"""The first batch is the first two jobs."""


@dataclass(frozen=True, slots=True)
class Executions:
    """``all`` the inferences, with the arena at a page's end, and the first :data:`BATCH` with it ``at_start`` of one."""

    all: Execution
    at_start: Execution


@dataclass(frozen=True, slots=True)
class Batch:
    """Inferences for one core."""

    program: Elf
    core: Core
    interface: ModelInterface
    inputs: Sequence[Sequence[bytes]]
    arena_at: Literal["start", "end"]
    watch_memory: bool


def execute_many(
    program: Elf,
    core: Core,
    interface: ModelInterface,
    inputs: Sequence[Sequence[bytes]],
    *,
    watch_memory: bool = True,
    spread: UnorderedMap | None = None,
) -> Executions:
    """Run the model as :func:`codegen.emulator.execute` does, with the arena at a page's end, which shows any access behind it. At
    a page's start, which shows those before it, only the first :data:`BATCH` inputs run again: which addresses a program uses
    hardly depends on its inputs, every byte written around the arena is found at either end, and a byte read there is garbage.

    :param spread: where batches run, if there is more than one; by default on all processors that this process may use.
    :raises ValueError: or :class:`ExecutionFault`, as that function does; the fault is that of the first batch that has one.
    """
    check_inputs(interface, inputs)
    batches = [
        Batch(program, core, interface, inputs[i : i + BATCH], "end", watch_memory and i == 0) for i in range(0, len(inputs), BATCH)
    ]
    jobs = [_at_start(batches[0]), *batches]
    if len(batches) == 1:
        spread = serial_map
    outcomes = _run_all(jobs, spread or ProcessMap(available_processors()))
    at_start, *rest = [outcome for outcome in outcomes if isinstance(outcome, Tally)]
    return Executions(total(rest).execution(), at_start.execution())


def run_batch(batch: Batch) -> Tally | ExecutionFault:
    """What came of a batch."""
    try:
        return count(
            batch.program,
            batch.core,
            batch.interface,
            batch.inputs,
            arena_at=batch.arena_at,
            watch_memory=batch.watch_memory,
        )
    except ExecutionFault as fault:
        return fault


def _at_start(batch: Batch) -> Batch:
    return replace(batch, arena_at="start", watch_memory=False)


def _run_all(jobs: Sequence[Batch], spread: UnorderedMap) -> list[Tally | ExecutionFault]:
    """Outcomes of all jobs, the first two of which are one batch in both places.

    :raises ExecutionFault: of the first batch that has one. Where one place merely finds an overwritten byte, the other names the
        access, so that its fault is the one to raise.
    """
    found: dict[int, Tally | ExecutionFault] = {}
    with closing(spread(run_batch, jobs)) as results:
        for index, outcome in results:
            found[index] = outcome
            first = min((i for i, one in found.items() if isinstance(one, ExecutionFault)), default=len(jobs))
            if first < len(jobs) and all(i in found for i in range(max(first + 1, _BOTH))):
                break
    if first < len(jobs):
        places = [found[0], found[1]] if first < _BOTH else [run_batch(_at_start(jobs[first])), found[first]]
        faults = [one for one in places if isinstance(one, ExecutionFault)]
        raise next((fault for fault in faults if isinstance(fault, StrayAccess)), faults[0])
    return [found[index] for index in range(len(jobs))]
