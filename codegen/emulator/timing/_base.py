"""What the emulator asks of a core's rules, and what the rules of cores that issue one instruction at a time have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from codegen.emulator.interface import ExecutionFault
from codegen.thumb import Instruction, Kind
from codegen.thumb.instruction import ALWAYS


class UntimedInstruction(ExecutionFault):
    """An instruction for which no time is known; the message names it and its address."""

    def __init__(self, instruction: Instruction) -> None:
        self.instruction = instruction
        super().__init__(f"no time is published for {instruction}")

    def __reduce__(self) -> tuple[type[UntimedInstruction], tuple[Instruction]]:
        """Exceptions are made again of their message alone if not told otherwise."""
        return UntimedInstruction, (self.instruction,)


class Timing(ABC):
    """The rules of one core: what a block costs when control goes on behind it, and what jumps, executed conditional instructions
    and unaligned loads cost more. The emulator counts how often each of them happened."""

    unaligned_load_cycles: tuple[int, int]
    """Cycles that an unaligned load takes more: a halfword or a word at an even address, a word at an odd one."""

    @abstractmethod
    def block(self, instructions: Sequence[Instruction], previous: Instruction | None) -> int:
        """Cycles of a block that is left at its end, its conditional instructions skipped, entered behind ``previous`` (None: by
        a jump)."""

    @abstractmethod
    def jumps(self, instructions: Sequence[Instruction], executed: int, taken: int) -> int:
        """Cycles that a block costs more because it was left by a jump ``taken`` of the ``executed`` times."""

    @abstractmethod
    def executed(self, instruction: Instruction) -> int:
        """Cycles that a conditional instruction inside a block costs more when its condition holds."""


class SequentialTiming(Timing):
    """A core whose time is that of each instruction by itself, and of what it gains or loses right behind the one before."""

    @abstractmethod
    def alone(self, instruction: Instruction) -> int:
        """Cycles of an instruction that is executed, jumps if it can, and gains or loses nothing by its neighbours."""

    @abstractmethod
    def beside(self, instruction: Instruction, previous: Instruction) -> int:
        """Cycles that an unconditional instruction or a branch not taken gains (negative) or loses behind ``previous``."""

    def jump(self, instruction: Instruction, previous: Instruction | None) -> int:
        """Cycles that ``instruction`` costs more when it jumps."""
        return self.alone(instruction) - 1

    def cost(self, instruction: Instruction, previous: Instruction | None) -> int:
        """Cycles of an instruction behind which control goes on to the next one, its condition (if any) having failed."""
        if instruction.condition != ALWAYS and instruction.kind not in (Kind.IF_THEN, Kind.BRANCH):
            return 1
        cycles = 1 if instruction.writes_pc else self.alone(instruction)
        return cycles if previous is None else cycles + self.beside(instruction, previous)

    def block(self, instructions: Sequence[Instruction], previous: Instruction | None) -> int:
        total = 0
        for instruction in instructions:
            total += self.cost(instruction, previous)
            previous = instruction
        return total

    def jumps(self, instructions: Sequence[Instruction], executed: int, taken: int) -> int:
        return taken * self.jump(instructions[-1], instructions[-2] if len(instructions) > 1 else None) if taken else 0

    def executed(self, instruction: Instruction) -> int:
        return 0 if instruction.writes_pc else self.alone(instruction) - 1
