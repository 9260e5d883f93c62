"""Cortex-M7, an estimate: Arm publishes no table for it.

What is known was measured on a Cortex-M7 (STM32H743) with its cycle counter and published by J. K. Nowakowski (repository
``jnk0le/random``, ``pipeline cycle test/doc/cortex_m7.md``, January 2026), and agrees with LLVM's scheduling model
(``ARMScheduleM7.td``), which adds what saturation and saturating sums take. Two instructions are issued in order each cycle: an
older one and a younger one. Operands are needed in three stages, one cycle apart: addresses, shifted operands and extracted fields
early, other operands late, what products are added to last. What is stored never waits.

CMSIS-NN counted by these rules takes 0.58 to 0.60 times the cycles of a Cortex-M4. No time of it on a Cortex-M7 is published; other
libraries ran in 0.54 to 0.78 times as many cycles on an STM32H7A3 as on an STM32L4R5, each with its own memory (MLPerf Tiny).

Assumptions where neither says anything, or what they say depends on where code and data lie:

* code and constants come from the instruction and data caches or tightly coupled memory without a miss;
* two loads are issued together unless the same base and constant offsets put them into the same of the two banks (even and odd
  words); loads from different bases are taken to miss each other;
* 16-bit instructions are fetched as well as 32-bit ones, the store buffer never fills;
* a block begins with an empty pipeline, all registers ready;
* a jump is predicted: the rarer way out of a conditional branch costs eight cycles each time, every other one nothing;
* divisions take what they take on a Cortex-M4 (LLVM: 7).
"""

from __future__ import annotations

from collections.abc import Sequence

from codegen.emulator.timing._base import Timing, UntimedInstruction
from codegen.thumb import Instruction, Kind
from codegen.thumb.instruction import ALWAYS, PC

_MISPREDICTED = 8
_FLAGS = 16  # numbered behind the registers
_PRODUCTS = {Kind.MULTIPLY, Kind.MULTIPLY_ADD, Kind.MULTIPLY_LONG, Kind.MULTIPLY_ADD_LONG, Kind.DSP}
_MULTIPLE = {Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE, Kind.LOAD_DOUBLE, Kind.STORE_DOUBLE}
_BRANCHES = {Kind.BRANCH, Kind.COMPARE_BRANCH, Kind.CALL, Kind.BRANCH_REGISTER, Kind.CALL_REGISTER}
_PAIRED = _PRODUCTS | _BRANCHES | {Kind.DATA, Kind.LOAD, Kind.STORE, Kind.IF_THEN}
_ALONE = _MULTIPLE | {Kind.DIVIDE, Kind.SYSTEM, Kind.BARRIER, Kind.TABLE_BRANCH}
_SIMPLE = {"add", "adds", "addw", "sub", "subs", "subw", "adr", "mov", "movs", "movw"}
_SHIFTS = {"lsl", "lsls", "lsr", "lsrs", "asr", "asrs", "ror", "rors"}
_REVERSALS = {"rev", "rev16", "revsh", "rbit"}
_FIELDS = {"sbfx", "ubfx", "bfi", "bfc", "pkhbt", "pkhtb", "clz", "ssat", "usat", "sxtb", "sxth", "uxtb", "uxth"}
_SHIFTED_FIELDS = {"sbfx", "ubfx", "bfi", "bfc", "pkhbt", "pkhtb"}
_NEEDS_EARLY = {"sbfx", "ubfx", "ssat", "usat", "bfi", "pkhbt", "pkhtb"}
_SLOW = {"ssat", "usat", "ssat16", "usat16", "usad8", "qadd", "qsub", "qdadd", "qdsub"}


class CortexM7Timing(Timing):
    """The measured rules, applied to one block at a time."""

    unaligned_load_cycles = (3, 3)

    def block(self, instructions: Sequence[Instruction], previous: Instruction | None) -> int:
        pipeline = _Pipeline()
        for instruction in instructions:
            pipeline.issue(instruction)
        return pipeline.cycles

    def jumps(self, instructions: Sequence[Instruction], executed: int, taken: int) -> int:
        last = instructions[-1]
        if last.kind is Kind.COMPARE_BRANCH or last.condition != ALWAYS:
            return _MISPREDICTED * min(taken, executed - taken)
        return 0

    def executed(self, instruction: Instruction) -> int:
        """Nothing: what is skipped takes the same time."""
        return 0


class _Pipeline:
    """The state of issue while a block is followed.

    For each register: the first cycle in which an instruction can be issued that needs it early, late, as a factor of a product,
    or last.
    """

    def __init__(self) -> None:
        self.cycles = 0
        """Cycles begun so far."""
        self._older: Instruction | None = None  # the one that the next could join
        self._early, self._late, self._factor, self._last = ([0] * (_FLAGS + 1) for _ in range(4))

    def issue(self, instruction: Instruction) -> None:
        kind = instruction.kind
        if kind not in _PAIRED and kind not in _ALONE and instruction.mnemonic not in ("nop", "pld", "pli"):
            raise UntimedInstruction(instruction)
        joins = self._older is not None and _pairs(self._older, instruction)
        ready = self._ready(instruction)
        if joins and ready < self.cycles:
            self._older, now = None, self.cycles - 1
        else:
            joins, now = False, max(ready, self.cycles)
            self._older = instruction if kind not in _ALONE else None
            self.cycles = now + _duration(instruction)
        self._write(instruction, now, older=not joins)

    def _ready(self, instruction: Instruction) -> int:
        early, late, last = _needs(instruction)
        times = [self._early[r] for r in _registers(early)] + [self._last[r] for r in _registers(last)]
        table = self._factor if instruction.kind in _PRODUCTS else self._late
        times += [table[r] for r in _registers(late)]
        if instruction.condition != ALWAYS and instruction.kind not in (Kind.BRANCH, Kind.IF_THEN):
            times.append(self._late[_FLAGS])
        return max(times, default=0)

    def _write(self, instruction: Instruction, now: int, *, older: bool) -> None:
        if instruction.sets_flags:
            self._late[_FLAGS] = now + 1
        self._set(instruction.writeback, early=now + 1, late=now, factor=now, last=now)
        results = instruction.loaded & ~(1 << PC)
        name = instruction.mnemonic
        if instruction.kind in (Kind.LOAD, Kind.LOAD_MULTIPLE, Kind.LOAD_DOUBLE):
            done = now + _duration(instruction)
            slow = 0 if name.removesuffix("t") in ("ldr", "ldm", "ldmdb", "ldrd", "pop", "ldrex") else 1
            self._set(results, early=done + 1 + slow, late=done + slow, factor=done + 1, last=done)
        elif instruction.kind in _PRODUCTS:
            self._set(results, early=now + 3, late=now + 2, factor=now + 2, last=now + 1)
        elif instruction.kind is Kind.DIVIDE:
            done = now + _duration(instruction)
            self._set(results, early=done + 1, late=done, factor=done, last=done)
        elif name in _SLOW:
            self._set(results, early=now + 3, late=now + 2, factor=now + 2, last=now + 1)
        elif name in _REVERSALS or name in ("sbfx", "ubfx") or self._computed_early(instruction, now, older=older):
            self._set(results, early=now + 1, late=now, factor=now, last=now)
        else:
            self._set(results, early=now + 2, late=now + 1, factor=now + 1, last=now)

    def _computed_early(self, instruction: Instruction, now: int, *, older: bool) -> bool:
        """Whether a simple operation finds its operands soon enough to be computed in the first of the two stages."""
        name = instruction.mnemonic
        if instruction.shifts or not (name in _SHIFTS or (older and name in _SIMPLE)):
            return False
        return all(self._early[r] <= now for r in _registers(instruction.reads))

    def _set(self, registers: int, *, early: int, late: int, factor: int, last: int) -> None:
        for r in _registers(registers):
            self._early[r], self._late[r], self._factor[r], self._last[r] = early, late, factor, last


def _registers(mask: int) -> list[int]:
    return [r for r in range(15) if mask >> r & 1]


def _duration(instruction: Instruction) -> int:
    """Cycles in which nothing else can be issued by a later cycle."""
    match instruction.kind:
        case Kind.LOAD_MULTIPLE | Kind.STORE_MULTIPLE | Kind.LOAD_DOUBLE | Kind.STORE_DOUBLE:
            return (instruction.count + 1) // 2
        case Kind.DIVIDE | Kind.TABLE_BRANCH:
            return 2
        case Kind.SYSTEM | Kind.BARRIER:
            return 3
        case _:
            return 1


def _needs(instruction: Instruction) -> tuple[int, int, int]:
    """Registers that are needed early, late and last. A predicted branch needs none."""
    reads, address, added = instruction.reads, instruction.address_registers, instruction.accumulates
    if instruction.kind in _BRANCHES:
        return 0, 0, 0
    if instruction.kind in (Kind.STORE, Kind.STORE_MULTIPLE, Kind.STORE_DOUBLE):
        return address, 0, 0
    if instruction.kind in _PRODUCTS:
        return 0, reads, added
    if instruction.shifts or instruction.accumulates or instruction.mnemonic in _NEEDS_EARLY | _REVERSALS:
        return address | reads, added, 0
    return address, reads, 0


def _is_field(instruction: Instruction) -> bool:
    """Whether it moves bits about or is a DSP operation that does not multiply: those go by one of the two ways only."""
    name = instruction.mnemonic
    return instruction.kind is Kind.DATA and (instruction.level == "dsp" or name in _FIELDS or name in _REVERSALS)


def _uses_shifter(instruction: Instruction) -> bool:
    name = instruction.mnemonic
    return instruction.shifts or bool(instruction.accumulates) or name in _SHIFTED_FIELDS or name in _REVERSALS


def _pairs(older: Instruction, younger: Instruction) -> bool:
    """Whether the two can be issued in one cycle, their operands apart."""
    kinds = (older.kind, younger.kind)
    if younger.kind in _ALONE or _is_field(younger):
        return False
    if older.kind in _BRANCHES and older.condition == ALWAYS:
        return False
    if all(k in _PRODUCTS for k in kinds) or all(k in _BRANCHES for k in kinds) or kinds == (Kind.STORE, Kind.STORE):
        return False
    if Kind.STORE in kinds and any(k in _PRODUCTS for k in kinds):
        return False
    if kinds == (Kind.LOAD, Kind.LOAD):
        return not _same_bank(older, younger)
    products = any(k in _PRODUCTS for k in kinds)
    return products or not (_uses_shifter(older) and younger.shifts)


def _same_bank(first: Instruction, second: Instruction) -> bool:
    if first.address_registers != second.address_registers or first.offset is None or second.offset is None:
        return False
    return first.offset // 4 % 2 == second.offset // 4 % 2
