"""A linked program as the emulator sees it: its instructions by address, and those that must be watched one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.cores import Core
from codegen.elf import Elf
from codegen.emulator import profiler
from codegen.emulator.interface import ExecutionFault
from codegen.emulator.timing import Timing, timing_of
from codegen.thumb import Instruction, Kind, UnknownInstruction, decode_range
from codegen.thumb.instruction import ALWAYS, SP


class Program:
    """Every instruction of ``elf``.

    :raises ExecutionFault: naming the first opcode that the decoder does not know, whether it would be executed or not.
    """

    def __init__(self, elf: Elf, core: Core) -> None:
        self.elf = elf
        self.core = core
        self.timing: Timing = timing_of(core)
        self.instructions: dict[int, Instruction] = {}
        try:
            for low, high in elf.instruction_ranges():
                self.instructions.update((i.address, i) for i in decode_range(low, elf.read(low, high - low)))
        except UnknownInstruction as unknown:
            raise ExecutionFault(f"{unknown} in {elf.function_at(unknown.address)}") from None
        self.start = min(start for start, _ in elf.text)
        self.bytes = max(end for _, end in elf.text) - self.start

    def block(self, start: int, size: int) -> tuple[Instruction, ...]:
        """The instructions of a block.

        :raises ExecutionFault: where an address is not the start of an instruction.
        """
        found = []
        address = start
        while address < start + size:
            instruction = self.instructions.get(address)
            if instruction is None:
                raise ExecutionFault(f"{self.elf.function_at(address)}: data at {address:#010x} was executed")
            found.append(instruction)
            address += instruction.size
        return tuple(found)

    def watched(self) -> NDArray[Any]:
        """What the profiler must look at each time it is executed, by halfword of code: divisions, conditional instructions that
        cost more when executed, and the instruction behind one that moves the stack pointer without storing anything."""
        table = np.zeros(self.bytes // 2 + 1, profiler.WATCH)
        for address, instruction in self.instructions.items():
            at = (address - self.start) // 2
            conditional = instruction.condition != ALWAYS and instruction.kind not in (Kind.IF_THEN, Kind.BRANCH)
            if instruction.kind is Kind.DIVIDE:
                kind = profiler.SIGNED_DIVIDE if instruction.mnemonic == "sdiv" else profiler.UNSIGNED_DIVIDE
                extra = self.timing.executed(instruction) if conditional else 0
                table[at] = (kind, *instruction.operands, 0, extra)
            elif conditional and not instruction.writes_pc and instruction.kind is not Kind.TRAP:
                if extra := self.timing.executed(instruction):
                    table[at] = (profiler.CONDITIONAL, 0, 0, 0, extra)
            elif instruction.kind is Kind.DATA and instruction.writes >> SP & 1:
                behind = at + instruction.size // 2
                if behind < len(table) and not table[behind]["kind"]:
                    table[behind] = (profiler.STACK_POINTER, 0, 0, 0, 0)
        return table
