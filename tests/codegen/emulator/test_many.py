"""Many inferences: the same in one process and in two, and faults found wherever they are."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from assembly import ARENA_BYTES, INTERFACE, build, build_c

from codegen.cores import find_core
from codegen.elf import read
from codegen.emulator import BATCH, ExecutionFault, ModelInterface, StrayAccess, execute, execute_many
from codegen.emulator.timing import UntimedInstruction
from codegen.process_map import ProcessMap
from codegen.thumb import decode_range

CORE = find_core("cortex-m4")
ACCESSOR = "#include <stdint.h>\nint8_t *m_tensor(void *arena) { return arena; }\n"
LAYERS = (("first", "m_first"), ("second", "m_second"))
# Time, stack and what is read depend on the input; the second layer is where it strays.
PROGRAM = (
    ACCESSOR
    + """
const int8_t m_table[64] = {1, 2, 3};
__attribute__((noinline)) void m_deep(volatile int8_t *x) { volatile int8_t on_stack[160]; on_stack[x[0] & 127] = x[1]; }
__attribute__((noinline)) void m_first(volatile int8_t *x) {
    for (int i = 0; i < x[0]; i++) x[1] += x[2] / 3;
    if (x[0] == 70) m_deep(x);
}
__attribute__((noinline)) void m_second(volatile int8_t *x) { ACTION; }
int m_run(void *arena) { m_first(arena); m_second(arena); return 0; }
"""
)
INPUTS = [[bytes([number]) + bytes(range(1, ARENA_BYTES))] for number in range(2 * BATCH + 10)]


def program(directory: Path, action: str = "x[5] = m_table[x[6]]") -> Path:
    return build_c(directory, PROGRAM.replace("ACTION", action))


def interface() -> ModelInterface:
    return replace(INTERFACE, layers=LAYERS)


def test_processes_change_nothing(tmp_path: Path) -> None:
    elf = read(program(tmp_path))
    alone, shared = (execute_many(elf, CORE, interface(), INPUTS, spread=ProcessMap(workers)) for workers in (1, 2))
    assert shared == alone
    assert execute_many(elf, CORE, interface(), INPUTS) == alone


def test_figures_are_those_of_one_core_that_runs_them_all(tmp_path: Path) -> None:
    path = program(tmp_path)
    found = execute_many(read(path), CORE, interface(), INPUTS, spread=ProcessMap(2))
    assert found.all == execute(path, CORE, interface(), INPUTS)
    assert found.all.flash_bytes > 0
    assert found.at_start.outputs == found.all.outputs[:BATCH]
    assert found.all.stack_bytes > found.at_start.stack_bytes + 128  # the deepest inference is not in the first batch


def test_a_program_that_keeps_something_gives_the_same_in_every_process(tmp_path: Path) -> None:
    path = build_c(tmp_path, ACCESSOR + "static int8_t calls; int m_run(void *arena) { *(int8_t *)arena = ++calls; return 0; }")
    alone, shared = (execute_many(read(path), CORE, INTERFACE, INPUTS, spread=ProcessMap(workers)) for workers in (1, 2))
    assert shared == alone
    assert alone.all.outputs[BATCH - 1][0][0] == BATCH


def test_few_inputs_stay_in_this_process(tmp_path: Path) -> None:
    def refuse(function: Callable[..., Any], jobs: Sequence[Any]) -> Generator[tuple[int, Any], None, None]:
        raise AssertionError("asked for other processes")
        yield

    found = execute_many(read(program(tmp_path)), CORE, interface(), INPUTS[:BATCH], spread=refuse)
    assert len(found.all.outputs) == BATCH
    with pytest.raises(AssertionError, match="other processes"):
        execute_many(read(program(tmp_path)), CORE, interface(), INPUTS[: BATCH + 1], spread=refuse)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [3, BATCH + 3])
@pytest.mark.parametrize(
    ("offset", "near"),
    [(-1, "1 bytes before the arena"), (ARENA_BYTES, "1 bytes behind the arena's last")],
    ids=["before", "behind"],
)
def test_a_write_that_one_input_makes_names_its_layer(workers: int, number: int, offset: int, near: str, tmp_path: Path) -> None:
    elf = read(program(tmp_path, f"if (x[0] == {number}) x[{offset}] = 1"))
    with pytest.raises(StrayAccess) as caught:
        execute_many(elf, CORE, interface(), INPUTS, spread=ProcessMap(workers))
    assert (caught.value.kind, caught.value.layer, caught.value.function) == ("write", "second", "m_second")
    assert near in str(caught.value)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_of_several_faults_is_told(workers: int, tmp_path: Path) -> None:
    last = len(INPUTS) - 1
    elf = read(program(tmp_path, f"if (x[0] == {BATCH + 1}) x[4096] = 1; if (x[0] == {last}) x[8192] = 1"))
    with pytest.raises(StrayAccess, match=f"{4096 - ARENA_BYTES + 1} bytes behind"):
        execute_many(elf, CORE, interface(), INPUTS, spread=ProcessMap(workers))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_read_behind_the_arena_is_found_on_any_input(workers: int, tmp_path: Path) -> None:
    elf = read(program(tmp_path, f"if (x[0] == {BATCH + 3}) (void)x[{ARENA_BYTES}]"))
    with pytest.raises(StrayAccess, match="stray read"):
        execute_many(elf, CORE, interface(), INPUTS, spread=ProcessMap(workers))


def test_inputs_of_a_wrong_size_are_named_before_any_runs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"input {BATCH + 2} has"):
        execute_many(read(program(tmp_path)), CORE, interface(), [*INPUTS[: BATCH + 2], [b"too short"]])


def test_faults_say_the_same_when_they_come_from_another_process(tmp_path: Path) -> None:
    elf = read(build(tmp_path, "nop"))
    nop = next(decode_range(elf.symbols["m_run"].address, b"\x00\xbf"))
    stray = StrayAccess("read", 4, 1, "first", 2, "m_first", "nothing is there")
    for fault in (stray, UntimedInstruction(nop), ExecutionFault("layer 'first': no")):
        again = pickle.loads(pickle.dumps(fault))
        assert (type(again), str(again), vars(again)) == (type(fault), str(fault), vars(fault))
