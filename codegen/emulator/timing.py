"""Cycles of single instructions, given the one before: the cores' Technical Reference Manuals with zero-wait-state memory.

A core's rules answer three questions: what an instruction costs when control goes on to the next one, how much more when it
jumps, and how much more a conditional one (in an IT block) costs when its condition holds. The last two are added by how often that
happened, which the emulator counts.

Assumptions where a manual gives a range:

* pipeline refill ``P`` is 2 (the manual says 1 to 3);
* SDIV and UDIV take 2 to 12 cycles "depending on the number of leading ones and zeroes": 2 when the quotient is 0 or the divisor
  is 0, else 4 plus one for every started 4 bits of the quotient, as far as the operands' widths tell them (5 to 12);
* long multiplications of a Cortex-M3 take their longest time (5, with accumulation 7): they end early only for short operands, and
  a requantisation multiplier is a full 31 bits long;
* IT is folded (0 cycles) behind a 16-bit instruction of its own block that is no branch and touches no memory, else it takes 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from codegen.cores import Core
from codegen.emulator.interface import ExecutionFault
from codegen.thumb import Instruction, Kind
from codegen.thumb.instruction import ALWAYS

_COMPUTES = {
    Kind.DATA,
    Kind.MULTIPLY,
    Kind.MULTIPLY_ADD,
    Kind.MULTIPLY_LONG,
    Kind.MULTIPLY_ADD_LONG,
    Kind.DSP,
    Kind.DIVIDE,
}
_ADDRESSES = {
    Kind.LOAD,
    Kind.STORE,
    Kind.LOAD_MULTIPLE,
    Kind.STORE_MULTIPLE,
    Kind.LOAD_DOUBLE,
    Kind.STORE_DOUBLE,
    Kind.TABLE_BRANCH,
}


class UntimedInstruction(ExecutionFault):
    """An instruction for which the core's manual gives no time; the message names it and its address."""


class Timing(ABC):
    """The rules of one core."""

    unaligned_loads_cost: bool
    """Whether an unaligned load takes a cycle more (two for a word at an odd address)."""

    @abstractmethod
    def alone(self, instruction: Instruction) -> int:
        """Cycles of an instruction that is executed, jumps if it can, and gains or loses nothing by its neighbours."""

    @abstractmethod
    def beside(self, instruction: Instruction, previous: Instruction) -> int:
        """Cycles that an unconditional instruction gains (negative) or loses behind ``previous``."""

    def cost(self, instruction: Instruction, previous: Instruction | None) -> int:
        """Cycles of an instruction behind which control goes on to the next one, its condition (if any) having failed."""
        if instruction.writes_pc or (instruction.condition != ALWAYS and instruction.kind is not Kind.IF_THEN):
            cycles = 1
            if instruction.condition != ALWAYS:
                return cycles
        else:
            cycles = self.alone(instruction)
        return cycles if previous is None else cycles + self.beside(instruction, previous)

    def jump(self, instruction: Instruction) -> int:
        """Cycles that the last instruction of a block costs more when it jumps."""
        return self.alone(instruction) - 1

    def executed(self, instruction: Instruction) -> int:
        """Cycles that a conditional instruction inside a block costs more when its condition holds."""
        return 0 if instruction.writes_pc else self.alone(instruction) - 1

    def block(self, instructions: Sequence[Instruction], previous: Instruction | None) -> int:
        """Cycles of a block that is left at its end, entered behind ``previous`` (None: by a jump)."""
        total = 0
        for instruction in instructions:
            total += self.cost(instruction, previous)
            previous = instruction
        return total


class CortexM4Timing(Timing):
    """Cortex-M4 Technical Reference Manual (Arm DDI 0439), table 3-1 and section 3.3.2."""

    refill = 2
    multiply_add = 1
    multiply_long = 1
    multiply_add_long = 1
    unaligned_loads_cost = True

    def alone(self, instruction: Instruction) -> int:
        """Table 3-1. LDR to the program counter takes at least 5 and TBB at least 6 cycles (section 3.3.2)."""
        match instruction.kind:
            case Kind.DATA | Kind.MULTIPLY | Kind.DSP | Kind.SYSTEM | Kind.IF_THEN:
                cycles = 1
            case Kind.MULTIPLY_ADD:
                cycles = self.multiply_add
            case Kind.MULTIPLY_LONG:
                cycles = self.multiply_long
            case Kind.MULTIPLY_ADD_LONG:
                cycles = self.multiply_add_long
            case Kind.DIVIDE:
                cycles = 2
            case Kind.LOAD:
                cycles = 3 if instruction.writes_pc else 2
            case Kind.STORE:
                cycles = 2 if instruction.register_offset or instruction.mnemonic.startswith("strex") else 1
            case Kind.LOAD_MULTIPLE | Kind.STORE_MULTIPLE | Kind.LOAD_DOUBLE | Kind.STORE_DOUBLE:
                cycles = 1 + instruction.count
            case Kind.TABLE_BRANCH:
                cycles = 4
            case Kind.BRANCH | Kind.COMPARE_BRANCH | Kind.CALL | Kind.BRANCH_REGISTER | Kind.CALL_REGISTER:
                cycles = 1
            case Kind.HINT if instruction.mnemonic in ("nop", "pld", "pli"):
                cycles = 1
            case Kind.BARRIER:
                cycles = 1 + (self.refill if instruction.mnemonic == "isb" else 0)
            case _:
                raise UntimedInstruction(f"no time is published for {instruction}")
        return cycles + (self.refill if instruction.writes_pc else 0)

    def beside(self, instruction: Instruction, previous: Instruction) -> int:
        """Section 3.3.2: a load or store whose address needs the result of the data-processing instruction just before it waits one
        cycle; one behind a load, whose address does not need what was loaded, overlaps with it by one. STR with an immediate offset
        takes one cycle anyway, and nothing overlaps with a store, a multiple or a double transfer."""
        if instruction.kind is Kind.IF_THEN:
            folds = previous.size == 2 and not previous.writes_pc and previous.kind in _COMPUTES
            return -1 if folds else 0
        if instruction.kind not in _ADDRESSES:
            return 0
        if previous.kind in _COMPUTES:
            return 1 if previous.writes & instruction.address_registers else 0
        pipelined = (
            previous.kind is Kind.LOAD and previous.condition == ALWAYS and not previous.loaded & instruction.address_registers
        )
        if pipelined and instruction.kind in (Kind.LOAD, Kind.STORE) and self.alone(instruction) == 2:
            return -1
        return 0


class CortexM3Timing(CortexM4Timing):
    """Cortex-M3 Technical Reference Manual r2p1 (Arm DDI 0337I), table 3-1 and section 3.3.2: the pipeline of the Cortex-M4 without
    the DSP extension and with a slower multiplier (SMULL 3 to 5, SMLAL 4 to 7)."""

    multiply_add = 2
    multiply_long = 5
    multiply_add_long = 7


class CortexM0PlusTiming(Timing):
    """Cortex-M0+ Technical Reference Manual (Arm DDI 0484), table 3-1, memory on the AHB-Lite bus."""

    unaligned_loads_cost = False

    def __init__(self, multiply_cycles: int) -> None:
        self._multiply_cycles = multiply_cycles

    def alone(self, instruction: Instruction) -> int:
        """Table 3-1."""
        match instruction.kind:
            case Kind.DATA | Kind.BRANCH | Kind.BRANCH_REGISTER | Kind.CALL_REGISTER:
                return 2 if instruction.writes_pc else 1
            case Kind.MULTIPLY:
                return self._multiply_cycles
            case Kind.LOAD | Kind.STORE:
                return 2
            case Kind.LOAD_MULTIPLE | Kind.STORE_MULTIPLE:
                return instruction.count + (3 if instruction.writes_pc else 1)
            case Kind.CALL | Kind.BARRIER:
                return 3
            case Kind.SYSTEM:
                return 1 if instruction.mnemonic == "cps" else 3
            case Kind.HINT if instruction.mnemonic == "nop":
                return 1
            case _:
                raise UntimedInstruction(f"no time is published for {instruction}")

    def beside(self, instruction: Instruction, previous: Instruction) -> int:
        """Nothing overlaps in the two-stage pipeline."""
        return 0


def timing_of(core: Core) -> Timing:
    """The rules for ``core``."""
    if core.architecture == "armv6-m":
        return CortexM0PlusTiming(core.multiply_cycles)
    return CortexM4Timing() if core.dsp else CortexM3Timing()
