"""A decoded instruction."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

SP, LR, PC = 13, 14, 15
ALWAYS = 14
"""The condition of an instruction that is always executed."""


class Kind(Enum):
    """What an instruction does, as far as its timing depends on it."""

    DATA = auto()
    MULTIPLY = auto()
    MULTIPLY_ADD = auto()
    MULTIPLY_LONG = auto()
    MULTIPLY_ADD_LONG = auto()
    DSP = auto()
    DIVIDE = auto()
    LOAD = auto()
    STORE = auto()
    LOAD_MULTIPLE = auto()
    STORE_MULTIPLE = auto()
    LOAD_DOUBLE = auto()
    STORE_DOUBLE = auto()
    BRANCH = auto()
    COMPARE_BRANCH = auto()
    CALL = auto()
    BRANCH_REGISTER = auto()
    CALL_REGISTER = auto()
    TABLE_BRANCH = auto()
    IF_THEN = auto()
    HINT = auto()
    BARRIER = auto()
    SYSTEM = auto()
    TRAP = auto()


Level = Literal["armv6-m", "armv7-m", "armv8-m", "dsp"]
"""The least that a core must have: Armv6-M, Armv7-M, Armv8-M with the main extension, or the DSP extension."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. Sets of registers are bit masks (bit ``n`` is register ``n``).

    ``size`` is 2 or 4 bytes. ``writeback`` is the part of ``writes`` that only updates an address, ``address_registers`` are those
    that an address is computed from, ``reads`` all other operands (what a store stores among them) but those that
    ``accumulates`` holds: what a product or an extended value is added to. ``sets_flags`` is as outside an IT block; ``shifts``
    marks a second operand that is a shifted register, or a constant that is a shifted byte. ``register_offset`` marks
    ``[Rn, Rm]`` addressing, ``offset`` is the constant added to a single load's or store's base, None where there is none;
    ``count`` is how many registers a multiple or double transfer moves. A division's ``operands`` are the numbers of its dividend
    and divisor registers. ``it_length`` is the number of instructions that an IT governs; those get its ``condition`` (or
    :data:`ALWAYS`).
    """

    address: int
    size: int
    opcode: int
    mnemonic: str
    kind: Kind
    writes: int = 0
    writeback: int = 0
    address_registers: int = 0
    reads: int = 0
    accumulates: int = 0
    sets_flags: bool = False
    shifts: bool = False
    count: int = 0
    register_offset: bool = False
    offset: int | None = None
    operands: tuple[int, int] = (0, 0)
    it_length: int = 0
    condition: int = ALWAYS
    level: Level = "armv6-m"

    @property
    def writes_pc(self) -> bool:
        """Whether the instruction may jump."""
        return bool(self.writes >> PC & 1)

    @property
    def loaded(self) -> int:
        """Registers that a load fills from memory."""
        return self.writes & ~self.writeback

    @property
    def target(self) -> int | None:
        """Where BL or an unconditional B goes (Arm DDI 0403, A7.7.12 and A7.7.18); None of all others, which stay in their function
        or take the address from a register."""
        if self.kind not in (Kind.BRANCH, Kind.CALL):
            return None
        if self.size == 2:
            return self.address + 4 + _signed(self.opcode << 1, 12) if self.opcode & 0xF800 == 0xE000 else None
        first, second = self.opcode >> 16, self.opcode & 0xFFFF
        if not second & 0x1000:
            return None
        sign = first >> 10 & 1
        high = sign << 2 | (second >> 13 & 1 ^ sign ^ 1) << 1 | second >> 11 & 1 ^ sign ^ 1
        return self.address + 4 + _signed(high << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1, 25)

    def __str__(self) -> str:
        digits = 4 if self.size == 2 else 8
        return f"{self.mnemonic} ({self.opcode:0{digits}x}) at {self.address:#010x}"


def _signed(bits: int, width: int) -> int:
    """The lowest ``width`` of ``bits`` as a number in two's complement."""
    value = bits & (1 << width) - 1
    return value - (value >> width - 1 << width)


class UnknownInstruction(Exception):  # noqa: N818 - names what was met, not an error of ours
    """An opcode that the decoder does not know; the message names opcode and address."""

    def __init__(self, address: int, opcode: int, size: int) -> None:
        self.address = address
        self.opcode = opcode
        super().__init__(f"unknown instruction {opcode:0{size * 2}x} at {address:#010x}")
