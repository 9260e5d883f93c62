"""Cortex-M0+: its Technical Reference Manual with zero-wait-state memory."""

from __future__ import annotations

from codegen.emulator.timing._base import SequentialTiming, UntimedInstruction
from codegen.thumb import Instruction, Kind


class CortexM0PlusTiming(SequentialTiming):
    """Cortex-M0+ Technical Reference Manual (Arm DDI 0484), table 3-1, memory on the AHB-Lite bus."""

    unaligned_load_cycles = (0, 0)

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
                raise UntimedInstruction(instruction)

    def beside(self, instruction: Instruction, previous: Instruction) -> int:
        """Nothing overlaps in the two-stage pipeline."""
        return 0
