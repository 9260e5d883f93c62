"""Cortex-M33, an estimate: Arm publishes no table for it.

What is known was measured on a Cortex-M33 r1p0 (RP2350) with its cycle counter and published by J. K. Nowakowski (repository
``jnk0le/random``, ``pipeline cycle test/doc/cortex_m33.md``, January 2026): instructions issue in order, one a cycle; results of
loads, multiplications, DSP operations and shifted operands can be used two cycles later, sums of products already by the next
multiply-accumulate; a multiple transfer takes a cycle a register; a NOP, IT or 16-bit branch shares the cycle of a 16-bit
instruction before it. LLVM's scheduling model of the Cortex-M55 (``ARMScheduleM55.td``), "a lot like the M33", tells which
operations take two stages: bit-field extraction and saturation do, SXTB16 and plain shifts do not.

CMSIS-NN counted by these rules takes 0.87 to 0.90 times the cycles of a Cortex-M4. With one factor for the board's memory, 1.22,
it comes within 6 % of the times published for it on an nRF5340 (MLPerf Tiny v1.0, four networks).

Assumptions where neither says anything:

* divisions take what they take on a Cortex-M4, unaligned loads as well (the bus makes two or three transfers of them);
* a jump to an address that was just loaded (POP, LDR) costs three cycles beyond the load, a table branch five in all.
"""

from __future__ import annotations

from codegen.emulator.timing._base import SequentialTiming, UntimedInstruction
from codegen.thumb import Instruction, Kind
from codegen.thumb.instruction import ALWAYS

_PRODUCTS = {Kind.MULTIPLY, Kind.MULTIPLY_ADD, Kind.MULTIPLY_LONG, Kind.MULTIPLY_ADD_LONG, Kind.DSP}
_LOADS = {Kind.LOAD, Kind.LOAD_MULTIPLE, Kind.LOAD_DOUBLE}
_STORES = {Kind.STORE, Kind.STORE_MULTIPLE, Kind.STORE_DOUBLE}
_TWO_STAGES = {"ssat", "usat", "sbfx", "ubfx"}
_ONE_STAGE_DSP = {"sxtb16", "uxtb16", "sel"}


class CortexM33Timing(SequentialTiming):
    """The measured rules, pairwise: what lies between a result and its use is taken to be the next instruction or nothing."""

    unaligned_load_cycles = (1, 2)

    def alone(self, instruction: Instruction) -> int:
        match instruction.kind:
            case Kind.MULTIPLY:
                return 2 if instruction.sets_flags else 1
            case Kind.DATA:
                constant = instruction.shifts and instruction.reads.bit_count() < 2
                return 2 if instruction.sets_flags and constant else 1
            case Kind.MULTIPLY_ADD | Kind.MULTIPLY_LONG | Kind.MULTIPLY_ADD_LONG | Kind.DSP | Kind.SYSTEM | Kind.IF_THEN:
                return 1
            case Kind.DIVIDE:
                return 2
            case Kind.LOAD | Kind.STORE:
                return 4 if instruction.writes_pc else 1
            case Kind.LOAD_MULTIPLE | Kind.STORE_MULTIPLE | Kind.LOAD_DOUBLE | Kind.STORE_DOUBLE:
                return instruction.count + (3 if instruction.writes_pc else 0)
            case Kind.BRANCH | Kind.COMPARE_BRANCH | Kind.CALL | Kind.BRANCH_REGISTER | Kind.CALL_REGISTER:
                return 2
            case Kind.TABLE_BRANCH:
                return 5
            case Kind.HINT if instruction.mnemonic in ("nop", "pld", "pli"):
                return 1
            case Kind.BARRIER:
                return 3 if instruction.mnemonic == "isb" else 1
            case _:
                raise UntimedInstruction(instruction)

    def beside(self, instruction: Instruction, previous: Instruction) -> int:
        if _late_result(previous) & _needed(instruction, previous):
            return 1
        return -1 if _shares_a_cycle(instruction, previous) else 0

    def jump(self, instruction: Instruction, previous: Instruction | None) -> int:
        """A taken branch costs two cycles. What it shares its cycle with saves one, unless the branch has to wait for its flags."""
        more = self.alone(instruction) - 1
        if previous is None or not _shares_a_cycle(instruction, previous):
            return more
        waits = previous.sets_flags if instruction.condition != ALWAYS else previous.writes & instruction.reads
        return more + 1 if waits else more


def _shares_a_cycle(instruction: Instruction, previous: Instruction) -> bool:
    """Whether ``instruction`` is issued along with ``previous``, which must not itself share the cycle of the one before it."""
    narrow = instruction.size == previous.size == 2
    return narrow and _may_share(instruction) and not _may_share(previous) and not previous.writes_pc


def _may_share(instruction: Instruction) -> bool:
    branches = (Kind.BRANCH, Kind.COMPARE_BRANCH, Kind.BRANCH_REGISTER)
    return instruction.mnemonic == "nop" or instruction.kind is Kind.IF_THEN or instruction.kind in branches


def _late_result(instruction: Instruction) -> int:
    """Registers that hold their new value a cycle later than the result of a simple operation; of a transfer only the last."""
    if instruction.kind in _LOADS:
        return 1 << instruction.loaded.bit_length() - 1 if instruction.loaded else 0
    if instruction.kind in _PRODUCTS or instruction.shifts or instruction.mnemonic in _TWO_STAGES:
        return instruction.writes
    if instruction.kind is Kind.DATA and instruction.level == "dsp" and instruction.mnemonic not in _ONE_STAGE_DSP:
        return instruction.writes
    return 0


def _needed(instruction: Instruction, previous: Instruction) -> int:
    """Registers that must hold their value when the instruction behind ``previous`` begins. What is stored is needed later; what
    products are added to as well, if ``previous`` is a load, or ends in the stage that adds."""
    needed = instruction.address_registers | (0 if instruction.kind in _STORES else instruction.reads)
    adds_late = previous.kind in _PRODUCTS or previous.shifts or previous.accumulates
    if not adds_late and not (previous.kind in _LOADS and instruction.kind in _PRODUCTS):
        needed |= instruction.accumulates
    return needed
