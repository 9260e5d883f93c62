"""32-bit instructions: Armv7-M Architecture Reference Manual (Arm DDI 0403), section A5.3, and the ordered loads and stores of
Armv8-M. No floating point or coprocessors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from codegen.thumb.instruction import LR, PC, SP, Instruction, Kind

Builder = Callable[..., Instruction]

_LOGIC = {0: "and", 1: "bic", 2: "orr", 3: "orn", 4: "eor", 8: "add", 10: "adc", 11: "sbc", 13: "sub", 14: "rsb"}
_TESTS = {0: "tst", 4: "teq", 8: "cmn", 13: "cmp"}
_MOVES = {2: "mov", 3: "mvn"}
_PLAIN = {
    0: "addw",
    4: "movw",
    10: "subw",
    12: "movt",
    16: "ssat",
    18: "ssat",
    20: "sbfx",
    22: "bfi",
    24: "usat",
    26: "usat",
    28: "ubfx",
}
_SHIFTS = ("lsl", "lsr", "asr", "ror")
_EXTENDS = ("sxth", "uxth", "sxtb16", "uxtb16", "sxtb", "uxtb")
_PARALLEL = {0: "add8", 1: "add16", 2: "asx", 4: "sub8", 5: "sub16", 6: "sax"}
_PARALLEL_PREFIX = {0: "s", 1: "q", 2: "sh", 4: "u", 5: "uq", 6: "uh"}
_CONDITIONS = ("eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")


def decode_wide(address: int, h1: int, h2: int) -> Instruction | None:
    """The instruction with halfwords ``h1`` and ``h2``, or None if it is undefined or of a coprocessor."""

    def made(mnemonic: str, kind: Kind = Kind.DATA, **fields: object) -> Instruction:
        fields.setdefault("level", "armv7-m")
        return Instruction(address, 4, h1 << 16 | h2, mnemonic, kind, **fields)  # type: ignore[arg-type]

    group, operation = h1 >> 11 & 3, h1 >> 4 & 0x7F
    if group == 1:
        if operation & 0x64 == 0:
            return _multiple(h1, h2, made)
        if operation & 0x64 == 4:
            return _double_or_table(h1, h2, made)
        if operation & 0x60 == 0x20:
            return _data(h1, h2, made, packs=True)
        return None
    if group == 2:
        if h2 >> 15:
            return _branch(h1, h2, made)
        return _plain(h1, h2, made) if operation & 0x20 else _data(h1, h2, made, packs=False)
    if operation & 0x71 == 0:
        return _single(h1, h2, made, load=False)
    if operation & 0x61 == 1:
        return _single(h1, h2, made, load=True)
    if operation & 0x70 == 0x20:
        return _register(h1, h2, made)
    if operation & 0x78 == 0x30:
        return _multiply(h1, h2, made)
    if operation & 0x78 == 0x38:
        return _long_multiply(h1, h2, made)
    return None


def _multiple(h1: int, h2: int, made: Builder) -> Instruction | None:
    """A5.3.5: load and store multiple."""
    base, load = h1 & 15, h1 >> 4 & 1
    direction = h1 >> 7 & 3
    count = h2.bit_count()
    if direction not in (1, 2) or count < 2 or h2 >> SP & 1:
        return None
    name = ("ldm" if load else "stm") + ("" if direction == 1 else "db")
    writeback = (h1 >> 5 & 1) << base
    if load:
        written = h2 | writeback
        return made(name, Kind.LOAD_MULTIPLE, writes=written, writeback=writeback, address_registers=1 << base, count=count)
    return made(name, Kind.STORE_MULTIPLE, writes=writeback, reads=h2, address_registers=1 << base, count=count)


def _double_or_table(h1: int, h2: int, made: Builder) -> Instruction | None:
    """A5.3.6: load and store double and exclusive, table branches."""
    base, first, second = h1 & 15, h2 >> 12, h2 >> 8 & 15
    if h1 >> 8 & 1 or h1 >> 5 & 1:  # pre-indexed or written back: a double transfer
        writeback = (h1 >> 5 & 1) << base
        if h1 >> 4 & 1:
            written = 1 << first | 1 << second | writeback
            return made("ldrd", Kind.LOAD_DOUBLE, writes=written, writeback=writeback, address_registers=1 << base, count=2)
        stored = 1 << first | 1 << second
        return made("strd", Kind.STORE_DOUBLE, writes=writeback, reads=stored, address_registers=1 << base, count=2)
    detail = h2 >> 4 & 15
    load = h1 >> 4 & 1
    if not h1 >> 7 & 1:
        if load:
            return made("ldrex", Kind.LOAD, writes=1 << first, address_registers=1 << base)
        return made("strex", Kind.STORE, writes=1 << second, reads=1 << first, address_registers=1 << base)
    if load and detail in (0, 1):
        return made(("tbb", "tbh")[detail], Kind.TABLE_BRANCH, writes=1 << PC, address_registers=1 << base | 1 << (h2 & 15))
    if detail in (4, 5):
        width = "bh"[detail - 4]
        if load:
            return made("ldrex" + width, Kind.LOAD, writes=1 << first, address_registers=1 << base)
        return made("strex" + width, Kind.STORE, writes=1 << (h2 & 15), reads=1 << first, address_registers=1 << base)
    if detail & 8 and detail & 3 != 3:  # Armv8-M (Arm DDI 0553, C2.3.6): acquire, release, with bit 2 also exclusive
        suffix = "ex" * (detail >> 2 & 1) + ("b", "h", "")[detail & 3]
        ordered = partial(made, address_registers=1 << base, level="armv8-m")
        if load:
            return ordered("lda" + suffix, Kind.LOAD, writes=1 << first)
        return ordered("stl" + suffix, Kind.STORE, writes=1 << (h2 & 15) if detail & 4 else 0, reads=1 << first)
    return None


def _data(h1: int, h2: int, made: Builder, *, packs: bool) -> Instruction | None:
    """A5.3.1 and A5.3.11: data processing with a modified immediate or a shifted register (which has PKH)."""
    operation, sets_flags = h1 >> 5 & 15, h1 >> 4 & 1
    source, destination = h1 & 15, h2 >> 8 & 15
    second = 1 << (h2 & 15) if packs else 0
    shifts = bool(h2 & 0x70F0) if packs else bool(h1 >> 10 & 1 or h2 >> 14 & 1)  # a constant is a byte, a pattern, or shifted
    if operation == 6 and packs and not sets_flags:
        both = 1 << source | second
        return made("pkhtb" if h2 >> 5 & 1 else "pkhbt", writes=1 << destination, reads=both, level="dsp")
    if destination == PC and sets_flags and operation in _TESTS:
        return made(_TESTS[operation], reads=1 << source | second, sets_flags=True, shifts=shifts)
    name = _MOVES.get(operation) if source == PC else None
    first = 0 if name else 1 << source
    if name == "mov" and packs:
        name = _SHIFTS[h2 >> 4 & 3] if shifts else "mov"
        if name == "ror" and not h2 & 0x70C0:
            name = "rrx"
        shifts = False  # the shift is all it does
    name = name or _LOGIC.get(operation)
    if name is None:
        return None
    flags = bool(sets_flags)
    return made(name + "s" * sets_flags, writes=1 << destination, reads=first | second, sets_flags=flags, shifts=shifts)


def _plain(h1: int, h2: int, made: Builder) -> Instruction | None:
    """A5.3.3: data processing with a plain binary immediate."""
    operation, source, destination = h1 >> 4 & 0x1F, h1 & 15, h2 >> 8 & 15
    name = _PLAIN.get(operation)
    if name is None:
        return None
    if operation in (18, 26) and not h2 & 0x70C0:
        return made(name + "16", writes=1 << destination, reads=1 << source, level="dsp")
    if operation in (0, 10) and source == PC:
        name = "adr"
    if operation == 22 and source == PC:
        name = "bfc"
    read = {"movw": 0, "movt": 1 << destination, "bfc": 1 << destination, "bfi": 1 << source | 1 << destination}
    return made(name, writes=1 << destination, reads=read.get(name, 1 << source))


def _branch(h1: int, h2: int, made: Builder) -> Instruction | None:
    """A5.3.4: branches, barriers, special registers."""
    operation, form = h1 >> 4 & 0x7F, h2 >> 12 & 7
    if form & 5 == 5:
        return made("bl", Kind.CALL, writes=1 << PC | 1 << LR, level="armv6-m")
    if form & 5 == 1:
        return made("b", Kind.BRANCH, writes=1 << PC)
    if form & 5 == 4:
        return None
    if operation & 0x38 != 0x38:
        condition = h1 >> 6 & 15
        return made("b" + _CONDITIONS[condition], Kind.BRANCH, writes=1 << PC, condition=condition)
    match operation:
        case 0x38 | 0x39:
            return made("msr", Kind.SYSTEM, reads=1 << (h1 & 15), level="armv6-m")
        case 0x3A if not h2 & 0x700:
            return made(("nop", "yield", "wfe", "wfi", "sev")[h2 & 0xFF], Kind.HINT) if h2 & 0xFF < 5 else None
        case 0x3B:
            barriers = {2: "clrex", 4: "dsb", 5: "dmb", 6: "isb"}
            name = barriers.get(h2 >> 4 & 15)
            return made(name, Kind.BARRIER, level="armv7-m" if name == "clrex" else "armv6-m") if name else None
        case 0x3E | 0x3F:
            return made("mrs", Kind.SYSTEM, writes=1 << (h2 >> 8 & 15), level="armv6-m")
        case 0x7F if form == 2:
            return made("udf", Kind.TRAP, level="armv6-m")
        case _:
            return None


def _single(h1: int, h2: int, made: Builder, *, load: bool) -> Instruction | None:
    """A5.3.7 to A5.3.10: loads and stores of one register, memory hints."""
    width, signed = h1 >> 5 & 3, h1 >> 8 & 1
    base, register = h1 & 15, h2 >> 12
    if width == 3 or (signed and (not load or width == 2)):
        return None
    name = ("ldrs" if signed else "ldr" if load else "str") + ("b", "h", "")[width]
    writeback, indexed, addresses = 0, False, 1 << base
    offset: int | None = None if base == PC else h2 & 0xFFF
    if not (load and base == PC) and not h1 >> 7 & 1:
        if h2 >> 11 & 1:
            mode = h2 >> 8 & 7
            if mode in (0, 2):
                return None
            name += "t" if mode == 6 else ""
            writeback = (h2 >> 8 & 1) << base
            offset = (h2 & 0xFF) * (1 if mode & 2 else -1) if mode & 4 else 0
        elif h2 >> 6 & 63:
            return None
        else:
            offset, indexed, addresses = None, True, addresses | 1 << (h2 & 15)
    elif not load and base == PC:
        return None
    if load and register == PC and width < 2:
        return made("pli" if signed else "pld", Kind.HINT)
    placed = partial(made, writeback=writeback, address_registers=addresses, register_offset=indexed, offset=offset)
    if load:
        return placed(name, Kind.LOAD, writes=1 << register | writeback)
    return placed(name, Kind.STORE, writes=writeback, reads=1 << register)


def _register(h1: int, h2: int, made: Builder) -> Instruction | None:
    """A5.3.12 to A5.3.15: shifts by register, extensions, parallel and miscellaneous operations."""
    operation, detail, source = h1 >> 4 & 15, h2 >> 4 & 15, h1 & 15
    if h2 >> 12 != 15:
        return None
    second = 1 << (h2 & 15)
    written = partial(made, writes=1 << (h2 >> 8 & 15), reads=1 << source | second)
    if operation < 8:
        if detail == 0:
            return written(_SHIFTS[operation >> 1] + "s" * (operation & 1), sets_flags=bool(operation & 1))
        if detail < 8 or operation > 5:
            return None
        name = _EXTENDS[operation]
        if source != PC:
            return written(name.replace("xt", "xta", 1), reads=second, accumulates=1 << source, level="dsp")
        return written(name, reads=second, level="dsp" if name.endswith("16") else "armv7-m")
    if detail < 8:
        if operation & 7 not in _PARALLEL or detail not in _PARALLEL_PREFIX:
            return None
        return written(_PARALLEL_PREFIX[detail] + _PARALLEL[operation & 7], level="dsp")
    match operation, detail:
        case 8, (8 | 9 | 10 | 11):
            return written(("qadd", "qdadd", "qsub", "qdsub")[detail - 8], level="dsp")
        case 9, (8 | 9 | 10 | 11):
            return written(("rev", "rev16", "rbit", "revsh")[detail - 8], reads=second)
        case 10, 8:
            return written("sel", level="dsp")
        case 11, 8:
            return written("clz", reads=second)
        case _:
            return None


def _multiply(h1: int, h2: int, made: Builder) -> Instruction | None:
    """A5.3.16: multiplies with a 32-bit result."""
    operation, detail, addend = h1 >> 4 & 7, h2 >> 4 & 15, h2 >> 12
    if detail > 3:
        return None
    factors = 1 << (h1 & 15) | 1 << (h2 & 15)
    added = 1 << addend if addend != PC else 0
    written = partial(made, writes=1 << (h2 >> 8 & 15), reads=factors, accumulates=added)
    if operation == 0:
        if detail > 1 or (detail == 1 and addend == PC):
            return None
        if detail == 1:
            return written("mls", Kind.MULTIPLY_ADD)
        return written("mul", Kind.MULTIPLY) if addend == PC else written("mla", Kind.MULTIPLY_ADD)
    alone = addend == PC
    if operation == 1:
        name = ("smul" if alone else "smla") + "bt"[detail >> 1] + "bt"[detail & 1]
    elif operation == 7:
        if detail:
            return None
        name = "usad8" if alone else "usada8"
    else:
        if detail > 1 or (operation == 6 and alone):
            return None
        stem = {
            2: ("smlad", "smuad"),
            3: ("smlaw", "smulw"),
            4: ("smlsd", "smusd"),
            5: ("smmla", "smmul"),
            6: ("smmls", ""),
        }[operation][alone]
        suffix = {3: "bt"[detail], 2: "x" * detail, 4: "x" * detail}.get(operation, "r" * detail)
        name = stem + suffix
    return written(name, Kind.DSP, level="dsp")


def _long_multiply(h1: int, h2: int, made: Builder) -> Instruction | None:
    """A5.3.17: multiplies with a 64-bit result, divisions."""
    operation, detail = h1 >> 4 & 7, h2 >> 4 & 15
    high, low = h2 >> 8 & 15, h2 >> 12
    factors, result = 1 << (h1 & 15) | 1 << (h2 & 15), 1 << high | 1 << low
    both = partial(made, writes=result, reads=factors, accumulates=result)
    match operation, detail:
        case 0, 0:
            return both("smull", Kind.MULTIPLY_LONG, accumulates=0)
        case 2, 0:
            return both("umull", Kind.MULTIPLY_LONG, accumulates=0)
        case 4, 0:
            return both("smlal", Kind.MULTIPLY_ADD_LONG)
        case 6, 0:
            return both("umlal", Kind.MULTIPLY_ADD_LONG)
        case 4, (8 | 9 | 10 | 11):
            return both("smlal" + "bt"[detail >> 1 & 1] + "bt"[detail & 1], Kind.DSP, level="dsp")
        case ((4 | 5), (12 | 13)):
            return both(("smlald", "smlsld")[operation - 4] + "x" * (detail & 1), Kind.DSP, level="dsp")
        case 6, 6:
            return both("umaal", Kind.DSP, level="dsp")
        case ((1 | 3), 15) if low == 15:
            name = "sdiv" if operation == 1 else "udiv"
            return made(name, Kind.DIVIDE, writes=1 << high, reads=factors, operands=(h1 & 15, h2 & 15))
        case _:
            return None
