"""Cortex-M3 and Cortex-M4: the cores' Technical Reference Manuals with zero-wait-state memory.

Assumptions where the manuals give a range:

* pipeline refill ``P`` is 2 (the manual says 1 to 3);
* SDIV and UDIV take 2 to 12 cycles "depending on the number of leading ones and zeroes": 2 when the quotient is 0 or the divisor
  is 0, else 4 plus one for every started 4 bits of the quotient, as far as the operands' widths tell them (5 to 12);
* long multiplications of a Cortex-M3 take their longest time (5, with accumulation 7): they end early only for short operands, and
  a requantisation multiplier is a full 31 bits long;
* the manuals do not say whether transfers that update their base overlap. J. K. Nowakowski measured on an STM32F407 and an
  STM32F103 (repository ``jnk0le/random``, ``pipeline cycle test/doc/cortex_m3m4.md``) that back to back on one base neither loads
  nor stores do, and that a Cortex-M3 overlaps no such load with the one before it;
* IT is folded (0 cycles) behind a 16-bit instruction of its own block that is no branch and touches no memory, else it takes 1.
"""

from __future__ import annotations

from codegen.emulator.timing._base import SequentialTiming, UntimedInstruction
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


class CortexM4Timing(SequentialTiming):
    """Cortex-M4 Technical Reference Manual (Arm DDI 0439), table 3-1 and section 3.3.2."""

    refill = 2
    multiply_add = 1
    multiply_long = 1
    multiply_add_long = 1
    unaligned_load_cycles = (1, 2)
    overlaps_updating_loads = True

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
                raise UntimedInstruction(instruction)
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
        chained = previous.kind is instruction.kind and previous.writeback & instruction.address_registers
        if instruction.kind is Kind.STORE and instruction.writeback and chained:
            return 1
        if chained or (instruction.kind is Kind.LOAD and instruction.writeback and not self.overlaps_updating_loads):
            return 0
        if pipelined and instruction.kind in (Kind.LOAD, Kind.STORE) and self.alone(instruction) == 2:
            return -1
        return 0


class CortexM3Timing(CortexM4Timing):
    """Cortex-M3 Technical Reference Manual r2p1 (Arm DDI 0337I), table 3-1 and section 3.3.2: the pipeline of the Cortex-M4 without
    the DSP extension and with a slower multiplier (SMULL 3 to 5, SMLAL 4 to 7)."""

    overlaps_updating_loads = False
    multiply_add = 2
    multiply_long = 5
    multiply_add_long = 7
