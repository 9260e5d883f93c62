"""From bytes to instructions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from codegen.thumb.instruction import Instruction, Kind, UnknownInstruction
from codegen.thumb.narrow import decode_narrow
from codegen.thumb.wide import decode_wide


def decode(address: int, code: bytes) -> Instruction:
    """The instruction at the start of ``code``, which lies at ``address``.

    :raises UnknownInstruction: if it is undefined, cut off, or of a coprocessor (floating point).
    """
    first = int.from_bytes(code[:2], "little")
    if first >> 11 in (0b11101, 0b11110, 0b11111):
        second = int.from_bytes(code[2:4], "little")
        found = decode_wide(address, first, second) if len(code) >= 4 else None
        if found is None:
            raise UnknownInstruction(address, first << 16 | second, 4)
        return found
    found = decode_narrow(address, first) if len(code) >= 2 else None
    if found is None:
        raise UnknownInstruction(address, first, 2)
    return found


def decode_range(address: int, code: bytes) -> Iterator[Instruction]:
    """Every instruction of ``code``, which must begin outside an IT block; instructions that an IT governs get its condition.

    :raises UnknownInstruction: at the first one that :func:`decode` does not know.
    """
    conditions: list[int] = []
    offset = 0
    while offset < len(code):
        instruction = decode(address + offset, code[offset : offset + 4])
        if conditions:
            instruction = replace(instruction, condition=conditions.pop(0))
        elif instruction.kind is Kind.IF_THEN:
            # Bit n of the mask, from the top, replaces the lowest bit of the condition of instruction n + 2 (DDI 0403, A7.3.2).
            mask, base = instruction.opcode & 15, instruction.condition
            conditions = [base, *(base & 14 | mask >> (3 - i) & 1 for i in range(instruction.it_length - 1))]
        offset += instruction.size
        yield instruction
