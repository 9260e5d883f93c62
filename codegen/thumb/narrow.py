"""16-bit instructions: Armv7-M Architecture Reference Manual (Arm DDI 0403), section A5.2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codegen.thumb.instruction import LR, PC, SP, Instruction, Kind

_DATA = (
    "ands",
    "eors",
    "lsls",
    "lsrs",
    "asrs",
    "adcs",
    "sbcs",
    "rors",
    "tst",
    "rsbs",
    "cmp",
    "cmn",
    "orrs",
    "muls",
    "bics",
    "mvns",
)
_BY_REGISTER = ("str", "strh", "strb", "ldrsb", "ldr", "ldrh", "ldrb", "ldrsh")
_CONDITIONS = ("eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")
_HINTS = ("nop", "yield", "wfe", "wfi", "sev")


def decode_narrow(address: int, h: int) -> Instruction | None:
    """The instruction with opcode ``h``, or None if it is undefined."""

    def made(mnemonic: str, kind: Kind = Kind.DATA, **fields: Any) -> Instruction:
        return Instruction(address, 2, h, mnemonic, kind, **fields)

    top, low, middle = h >> 10, 1 << (h & 7), 1 << (h >> 3 & 7)
    if top < 0b010000:
        names = ("lsls", "lsrs", "asrs", ("adds", "subs")[h >> 9 & 1], "movs", "cmp", "adds", "subs")
        name, large = names[h >> 11], 1 << (h >> 8 & 7)
        if h >> 13 == 1:
            written, read = 0 if name == "cmp" else large, 0 if name == "movs" else large
        else:
            written, read = low, middle | (1 << (h >> 6 & 7) if h >> 10 == 0b000110 else 0)
        return made(name, writes=written, reads=read, sets_flags=True)
    if top == 0b010000:
        name = _DATA[h >> 6 & 15]
        kind = Kind.MULTIPLY if name == "muls" else Kind.DATA
        written = 0 if name in ("tst", "cmp", "cmn") else low
        return made(name, kind, writes=written, reads=middle if name in ("mvns", "rsbs") else low | middle, sets_flags=True)
    if top == 0b010001:
        return _special(h, made)
    if top >> 1 == 0b01001:
        return made("ldr", Kind.LOAD, writes=1 << (h >> 8 & 7), address_registers=1 << PC)
    if top >> 2 == 0b0101:
        name = _BY_REGISTER[h >> 9 & 7]
        addresses = middle | 1 << (h >> 6 & 7)
        if name.startswith("ldr"):
            return made(name, Kind.LOAD, writes=low, address_registers=addresses, register_offset=True)
        return made(name, Kind.STORE, reads=low, address_registers=addresses, register_offset=True)
    if top >> 3 == 0b011 or top >> 2 == 0b1000:
        width = "h" if top >> 2 == 0b1000 else "b" if h >> 12 & 1 else ""
        offset = (h >> 6 & 31) * {"": 4, "h": 2, "b": 1}[width]
        if h >> 11 & 1:
            return made("ldr" + width, Kind.LOAD, writes=low, address_registers=middle, offset=offset)
        return made("str" + width, Kind.STORE, reads=low, address_registers=middle, offset=offset)
    if top >> 2 == 0b1001:
        register, offset = 1 << (h >> 8 & 7), 4 * (h & 255)
        if h >> 11 & 1:
            return made("ldr", Kind.LOAD, writes=register, address_registers=1 << SP, offset=offset)
        return made("str", Kind.STORE, reads=register, address_registers=1 << SP, offset=offset)
    if top >> 2 == 0b1010:
        return made("add" if h >> 11 & 1 else "adr", writes=1 << (h >> 8 & 7), reads=1 << (SP if h >> 11 & 1 else PC))
    if top >> 2 == 0b1011:
        return _miscellaneous(h, made)
    if top >> 2 == 0b1100:
        base, registers = 1 << (h >> 8 & 7), h & 0xFF
        if not registers:
            return None
        count = registers.bit_count()
        if h >> 11 & 1:
            updated = base & ~registers
            written = registers | updated
            return made("ldm", Kind.LOAD_MULTIPLE, writes=written, writeback=updated, address_registers=base, count=count)
        return made("stm", Kind.STORE_MULTIPLE, writes=base, reads=registers, address_registers=base, count=count)
    if top >> 2 == 0b1101:
        condition = h >> 8 & 15
        if condition == 14:
            return made("udf", Kind.TRAP)
        if condition == 15:
            return made("svc", Kind.TRAP)
        return made("b" + _CONDITIONS[condition], Kind.BRANCH, writes=1 << PC, condition=condition)
    if top >> 1 == 0b11100:
        return made("b", Kind.BRANCH, writes=1 << PC)
    return None


def _special(h: int, made: Callable[..., Instruction]) -> Instruction | None:
    """Section A5.2.3: operations on high registers, BX and BLX."""
    high, source = 1 << (h & 7 | h >> 4 & 8), 1 << (h >> 3 & 15)
    operation = h >> 8 & 3
    if operation == 3:
        if h & 7:
            return None
        if h >> 7 & 1:
            return made("blx", Kind.CALL_REGISTER, writes=1 << PC | 1 << LR, reads=source)
        return made("bx", Kind.BRANCH_REGISTER, writes=1 << PC, reads=source)
    if operation == 1:
        return made("cmp", reads=high | source, sets_flags=True)
    return made("add", writes=high, reads=high | source) if operation == 0 else made("mov", writes=high, reads=source)


def _miscellaneous(h: int, made: Callable[..., Instruction]) -> Instruction | None:
    """Section A5.2.5."""
    low, middle, registers = 1 << (h & 7), 1 << (h >> 3 & 7), h & 0xFF
    match h >> 8 & 15:
        case 0b0000:
            return made("sub" if h >> 7 & 1 else "add", writes=1 << SP, reads=1 << SP)
        case 0b0001 | 0b0011 | 0b1001 | 0b1011:
            name = "cbnz" if h >> 11 & 1 else "cbz"
            return made(name, Kind.COMPARE_BRANCH, writes=1 << PC, reads=low, level="armv7-m")
        case 0b0010:
            return made(("sxth", "sxtb", "uxth", "uxtb")[h >> 6 & 3], writes=low, reads=middle)
        case 0b0100 | 0b0101:
            pushed = registers | (h >> 8 & 1) << LR
            if not pushed:
                return None
            stack = 1 << SP
            return made("push", Kind.STORE_MULTIPLE, writes=stack, reads=pushed, address_registers=stack, count=pushed.bit_count())
        case 0b1100 | 0b1101:
            popped = registers | (h >> 8 & 1) << PC
            if not popped:
                return None
            stack, count = 1 << SP, popped.bit_count()
            return made("pop", Kind.LOAD_MULTIPLE, writes=popped | stack, writeback=stack, address_registers=stack, count=count)
        case 0b1010 if h >> 6 & 3 != 2:
            return made(("rev", "rev16", "", "revsh")[h >> 6 & 3], writes=low, reads=middle)
        case 0b0110 if h & 0xEC == 0x60:
            return made("cps", Kind.SYSTEM)
        case 0b1110:
            return made("bkpt", Kind.TRAP)
        case 0b1111 if h & 15:
            mask = h & 15
            length = 4 - ((mask & -mask).bit_length() - 1)
            return made("it", Kind.IF_THEN, it_length=length, condition=h >> 4 & 15, level="armv7-m")
        case 0b1111 if h >> 4 & 15 < len(_HINTS):
            return made(_HINTS[h >> 4 & 15], Kind.HINT)
        case _:
            return None
