"""Outputs, counts, layers and stack of whole runs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from assembly import ARENA_BYTES, INTERFACE, build, build_c, run

from codegen.cores import Core, find_core
from codegen.elf import read
from codegen.emulator import ModelInterface, execute
from codegen.emulator.program import Program
from codegen.emulator.timing._base import SequentialTiming
from codegen.thumb import Kind
from codegen.thumb.instruction import ALWAYS

CORES = ["cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33", "cortex-m7"]
ACCESSOR = "#include <stdint.h>\n#include <stddef.h>\nint8_t *m_tensor(void *arena) { return arena; }\n"
BUSY = (
    ACCESSOR
    + """
void *memcpy(void *, const void *, size_t);
static const int8_t weights[64] = {1, -2, 3, -4, 5, -6, 7, -8, 9, 11};
__attribute__((noinline)) void m_dot(const int8_t *x, int8_t *y) {
    for (int i = 0; i < 64; i++) {
        int32_t sum = 0;
        for (int j = 0; j < 64; j++) sum += x[j] * weights[(i + j) & 63];
        sum = (int32_t)(((int64_t)sum * 1518500250 + (1 << 30)) >> 31);
        y[i] = (int8_t)(sum > 127 ? 127 : sum < -128 ? -128 : sum);
    }
}
__attribute__((noinline)) void m_divide(const int8_t *x, int8_t *y) {
    int8_t copy[64];
    memcpy(copy, x, 64);
    for (int i = 0; i < 64; i++) y[i] = (int8_t)(copy[i] / (1 + (copy[63 - i] & 7)));
}
int m_run(void *arena) {
    int8_t *a = arena, *b = a + 64;
    m_dot(a, b);
    m_divide(b, a);
    m_dot(a, b);
    for (int i = 0; i < 64; i++) a[i] = b[i];
    return 0;
}
"""
)
BUSY_INTERFACE = ModelInterface(
    "m_run", (("m_tensor", 64),), (("m_tensor", 64),), 128, 8, (("dot", "m_dot"), ("divide", "m_divide"), ("again", "m_dot"))
)


def dot(x: list[int]) -> list[int]:
    weights = [1, -2, 3, -4, 5, -6, 7, -8, 9, 11] + [0] * 54
    sums = [sum(x[j] * weights[(i + j) % 64] for j in range(64)) for i in range(64)]
    return [max(-128, min(127, (s * 1518500250 + (1 << 30)) >> 31)) for s in sums]


def expected_output(data: bytes) -> bytes:
    x = dot([b - 256 if b > 127 else b for b in data])
    x = [int(x[i] / (1 + (x[63 - i] & 7))) for i in range(64)]
    return bytes(v & 255 for v in dot(x))


def trace(elf: Path, core: Core, data: bytes) -> tuple[int, int]:
    """Instructions and cycles by stepping through the program one instruction at a time, a second way to the same figures."""
    import unicorn
    from unicorn import arm_const

    program = Program(read(elf), core)
    timing = program.timing
    uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
    uc.ctl_set_cpu_model(getattr(arm_const, core.unicorn_model))
    uc.mem_map(0x0800_0000, 0x10000)
    for segment in program.elf.segments:
        uc.mem_write(segment.address, segment.data)
    uc.mem_map(0x2000_0000, 0x1000)
    uc.mem_map(0x2800_0000, 0x1000)
    uc.mem_write(0x2000_0000, data)
    steps: list[tuple[int, int, int]] = []

    def step(machine: Any, address: int, size: int, _: Any) -> None:
        operands = program.instructions[address].operands
        dividend, divisor = (machine.reg_read(arm_const.UC_ARM_REG_R0 + register) for register in operands)
        steps.append((address, dividend, divisor))

    unaligned: list[int] = []

    def load(machine: Any, kind: int, address: int, size: int, value: int, _: Any) -> None:
        unaligned.append(0 if address % size == 0 else 2 if size == 4 and address % 2 else 1)

    blocks: list[tuple[int, int]] = []

    def enter(machine: Any, address: int, size: int, _: Any) -> None:
        blocks.append((address, size))

    uc.hook_add(unicorn.UC_HOOK_BLOCK, enter)
    uc.hook_add(unicorn.UC_HOOK_CODE, step)
    uc.hook_add(unicorn.UC_HOOK_MEM_READ, load)
    for register, value in (("R0", 0x2000_0000), ("SP", 0x2800_1000), ("LR", 0x0F00_0001)):
        uc.reg_write(getattr(arm_const, f"UC_ARM_REG_{register}"), value)
    uc.emu_start(program.elf.symbols["m_run"].address | 1, 0x0F00_0000)
    if not isinstance(timing, SequentialTiming):
        count, cycles = trace_blocks(program, blocks)
        return count, cycles + timing.unaligned_load_cycles[0] * sum(map(bool, unaligned)) + sum(divisions(program, steps))
    count, cycles, previous = 0, sum(unaligned) + sum(divisions(program, steps)), None
    for (address, _, _), follower in zip(steps, [*(s[0] for s in steps[1:]), 0], strict=True):
        instruction = program.instructions[address]
        count, cycles = count + 1, cycles + timing.cost(instruction, previous)
        if instruction.condition != ALWAYS and instruction.kind not in (Kind.IF_THEN, Kind.BRANCH):
            cycles += timing.executed(instruction)
        before, previous, behind = previous, instruction, address + instruction.size
        while not instruction.writes_pc and behind != follower:  # no step is reported for what its condition skips
            previous = program.instructions[behind]
            assert previous.condition != ALWAYS
            count, cycles, behind = count + 1, cycles + 1, behind + previous.size
        if behind != follower:
            cycles, previous = cycles + timing.jump(instruction, before), None
    return count, cycles


def trace_blocks(program: Program, blocks: list[tuple[int, int]]) -> tuple[int, int]:
    """Instructions and cycles of a core whose time belongs to blocks, each followed every time it is entered."""
    count, cycles = 0, 0
    ways: dict[tuple[int, int], list[int]] = {}
    for (start, size), (follower, _) in pairwise([*blocks, (0, 0)]):
        body = program.block(start, size)
        count, cycles = count + len(body), cycles + program.timing.block(body, None)
        executed, taken = ways.get((start, size), (0, 0))
        ways[start, size] = [executed + 1, taken + (follower != start + size)]
    return count, cycles + sum(program.timing.jumps(program.block(*block), *way) for block, way in ways.items())


def divisions(program: Program, steps: list[tuple[int, int, int]]) -> list[int]:
    """Cycles beyond the shortest of every division."""
    found = [(program.instructions[address], *operands) for address, *operands in steps]
    return [division(*operands, signed=i.mnemonic == "sdiv") - 2 for i, *operands in found if i.kind is Kind.DIVIDE]


def division(dividend: int, divisor: int, *, signed: bool) -> int:
    if signed:
        dividend, divisor = (abs(v - (v >> 31 << 32)) for v in (dividend, divisor))
    if not divisor or dividend < divisor:
        return 2
    return 4 + -(-(dividend.bit_length() - divisor.bit_length() + 1) // 4)


@pytest.mark.parametrize("optimize", ["speed", "size"])
@pytest.mark.parametrize("core", CORES)
def test_counts_equal_those_of_single_steps(core: str, optimize: str, tmp_path: Path) -> None:
    elf = build_c(tmp_path, BUSY, core, optimize)
    data = bytes((i * 37) & 255 for i in range(64))
    found = execute(elf, find_core(core), BUSY_INTERFACE, [[data]])
    assert found.outputs == ((expected_output(data),),)
    assert (found.instructions, found.cycles) == trace(elf, find_core(core), data)


@pytest.mark.parametrize("core", CORES)
def test_arena_position_changes_nothing(core: str, tmp_path: Path) -> None:
    elf = build_c(tmp_path, BUSY, core)
    data = [[bytes((i * k) & 255 for i in range(64))] for k in (3, 5)]
    start, end = (execute(elf, find_core(core), BUSY_INTERFACE, data, arena_at=at) for at in ("start", "end"))
    assert start == end
    assert start.outputs == tuple((expected_output(d[0]),) for d in data)


def test_layers_that_share_a_function(tmp_path: Path) -> None:
    found = execute(build_c(tmp_path, BUSY), find_core("cortex-m4"), BUSY_INTERFACE, [[bytes(range(64))]])
    assert [layer.name for layer in found.layers] == ["dot", "divide", "again", "run"]
    first, divide, again, rest = found.layers
    assert first.instructions > 64 * 64
    assert abs(first.instructions - again.instructions) < 400  # they differ only in how often a sum is clamped
    assert 0 < divide.instructions < first.instructions / 4
    assert 64 < rest.instructions < 64 * 8
    assert sum(layer.cycles for layer in found.layers) == found.cycles
    assert sum(layer.instructions for layer in found.layers) == found.instructions


def test_figures_are_means_over_inputs(tmp_path: Path) -> None:
    elf = build_c(tmp_path, BUSY)
    data = [bytes(range(64)), bytes(64), bytes([200] * 64)]
    single = [execute(elf, find_core("cortex-m4"), BUSY_INTERFACE, [[d]]) for d in data]
    together = execute(elf, find_core("cortex-m4"), BUSY_INTERFACE, [[d] for d in data])
    assert together.cycles == pytest.approx(sum(s.cycles for s in single) / 3)
    assert together.instructions == pytest.approx(sum(s.instructions for s in single) / 3)
    assert together.outputs == tuple(s.outputs[0] for s in single)
    assert together.stack_bytes == max(s.stack_bytes for s in single)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("nop", 0),
        ("push {r4, r5}\n pop {r4, r5}", 8),
        ("push {r4, lr}\n sub sp, #56\n str r0, [sp]\n add sp, #56\n pop {r4, lr}", 64),
        ("sub sp, #40\n add sp, #40", 40),
        ("mov r12, lr\n bl m_deep\n mov lr, r12", 24),
    ],
    ids=["none", "pushed", "frame", "frame never written", "in a function below"],
)
def test_stack_is_what_lies_below_the_entry(body: str, expected: int, tmp_path: Path) -> None:
    deep = '.section .text.m_deep,"ax",%progbits\nm_deep: push {r0-r5}\n pop {r0-r5}\n bx lr\n'
    assert run(build(tmp_path, body, functions=deep)).stack_bytes == expected


def test_memory_is_garbage_before_each_inference(tmp_path: Path) -> None:
    text = ACCESSOR + "int m_run(void *arena) { int8_t *a = arena; a[0] = a[64]; a[64] = 1; return 0; }"
    interface = replace(INTERFACE, arena_bytes=128)
    found = execute(build_c(tmp_path, text), find_core("cortex-m4"), interface, [[bytes(ARENA_BYTES)]] * 2)
    first, second = (o[0][0] for o in found.outputs)
    assert first == second
    assert first not in (0, 1)


def test_ten_million_macs_take_seconds(tmp_path: Path) -> None:
    text = (
        ACCESSOR
        + """
__attribute__((noinline)) int32_t m_mac(const int32_t *x, int32_t sum) {
    for (int i = 0; i < 16; i++) sum += x[i] * x[15 - i];
    return sum;
}
int m_run(void *arena) {
    int32_t *x = arena, sum = 0;
    for (int i = 0; i < 625000; i++) sum = m_mac(x, sum + i);
    x[0] = sum;
    return 0;
}
"""
    )
    import time

    elf = build_c(tmp_path, text)
    start = time.process_time()
    assert run(elf).instructions > 20_000_000
    assert time.process_time() - start < 20


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m4"])
def test_bytes_read_from_flash_are_counted_and_ram_is_not(core: str, tmp_path: Path) -> None:
    body = """
    ldr r1, =table
    movs r3, #5
1:  ldr r2, [r1]
    ldrh r2, [r1, #4]
    ldrb r2, [r0]
    str r2, [r0]
    subs r3, #1
    bne 1b"""
    table = '\n.section .rodata.table,"a"\n.balign 4\ntable: .word 1, 2\n'
    result = run(build(tmp_path, body, core, functions=table), core)
    assert result.flash_bytes == 4 + 5 * (4 + 2)  # the literal, then a word and a halfword five times


def test_watching_memory_does_not_disturb_conditional_stores(tmp_path: Path) -> None:
    # What the branch leads to must not inherit the store's condition: MOVS would not set r0 to what m_run returns.
    body = """
    movs r3, #5
    cmp r3, #0
    it ne
    strbne r3, [r0, #2]
    nop
1:  subs r3, #5
    beq 2f
    movs r2, #1
    strb r2, [r0, #1]
2:"""
    elf = build(tmp_path, body)
    core, data = find_core("cortex-m4"), [[bytes(ARENA_BYTES)]]
    watched, unwatched = (execute(elf, core, INTERFACE, data, watch_memory=watch) for watch in (True, False))
    assert watched.outputs == ((bytes([0, 0, 5]) + bytes(ARENA_BYTES - 3),),)
    assert (watched.instructions, watched.cycles) == (unwatched.instructions, unwatched.cycles)
