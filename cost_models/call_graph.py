"""Stack and callees of every function of a linked program, read off its instructions.

A function's *frame* is what its own instructions take off the stack pointer: PUSH, STMDB, STR and STRD with write-back, SUB
(encodings: Armv7-M Architecture Reference Manual, Arm DDI 0403, chapter A7). Its *depth* adds the deepest callee.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from codegen.elf import Elf

_SP = 13


@dataclass(frozen=True, slots=True)
class Function:
    """``frame`` in bytes; ``calls`` return to this function, ``jumps`` (tail calls) give its frame back first."""

    size: int
    frame: int
    calls: frozenset[str]
    jumps: frozenset[str]


class CallGraph:
    """Functions of ``elf`` by name.

    :raises ValueError: if a function moves the stack pointer by an amount that is not in the instruction, or calls itself.
    """

    def __init__(self, elf: Elf) -> None:
        self._elf = elf

    @cached_property
    def functions(self) -> Mapping[str, Function]:
        """Every function with a size."""
        starts = {symbol.address: symbol.name for symbol in self._elf.functions}
        found: dict[str, tuple[int, set[str], set[str]]] = {}
        for name, low, high in self._elf.code_ranges():
            frame, calls, jumps = found.get(name, (0, set(), set()))
            loaded: dict[int, int] = {}  # register → the constant that the instruction before loaded into it
            for address, first, second in _instructions(self._elf.read(low, high - low), low):
                if second is None and first & 0xFF87 == 0x4485:  # ADD SP, Rm
                    frame += self._dropped(name, loaded.get(first >> 3 & 0xF))
                else:
                    frame += _taken(first, second)
                loaded = self._literal(address, first, second)
                target, returns = _branch(address, first, second)
                callee = None if target is None else starts.get(target)
                if callee is not None and callee != name:
                    (calls if returns else jumps).add(callee)
            found[name] = (frame, calls, jumps)
        sizes = {symbol.name: symbol.size for symbol in self._elf.functions}
        return {n: Function(sizes[n], frame, frozenset(calls), frozenset(jumps)) for n, (frame, calls, jumps) in found.items()}

    def _literal(self, address: int, first: int, second: int | None) -> dict[int, int]:
        """What LDR Rt, [PC, #imm8 * 4] loads: Armv6-M moves the stack pointer far by such a constant."""
        if second is not None or first & 0xF800 != 0x4800:
            return {}
        at = (address + 4 & ~3) + 4 * (first & 0xFF)
        return {first >> 8 & 7: int.from_bytes(self._elf.read(at, 4), "little", signed=True)}

    def _dropped(self, name: str, step: int | None) -> int:
        if step is None:
            raise ValueError(f"{self._elf.path.name}: {name} moves the stack pointer by an unknown amount")
        return max(0, -step)

    def depth(self, name: str, among: Collection[str] | None = None, _path: tuple[str, ...] = ()) -> int:
        """Bytes of stack that ``name`` and all that it calls may take; of the callees only those ``among`` some, if given."""
        if name in _path:
            raise ValueError(f"{self._elf.path.name}: {name} calls itself")
        function = self.functions.get(name)
        if function is None:
            return 0
        path = (*_path, name)
        calls, jumps = ([n for n in callees if among is None or n in among] for callees in (function.calls, function.jumps))
        called = max((self.depth(callee, among, path) for callee in calls), default=0)
        jumped = max((self.depth(callee, among, path) for callee in jumps), default=0)
        return max(function.frame + called, jumped)

    def reached(self, name: str) -> frozenset[str]:
        """Every function that ``name`` calls, directly or not."""
        seen: set[str] = set()
        todo = [name]
        while todo:
            function = self.functions.get(todo.pop())
            if function is not None:
                fresh = (function.calls | function.jumps) - seen
                seen |= fresh
                todo += fresh
        return frozenset(seen - {name})


def _instructions(code: bytes, address: int) -> Iterator[tuple[int, int, int | None]]:
    """``(address, halfword, second halfword of a 32-bit instruction or None)``."""
    at = 0
    while at + 2 <= len(code):
        first = int.from_bytes(code[at : at + 2], "little")
        wide = first >> 11 in (0b11101, 0b11110, 0b11111) and at + 4 <= len(code)
        second = int.from_bytes(code[at + 2 : at + 4], "little") if wide else None
        yield address + at, first, second
        at += 4 if wide else 2


def _taken(first: int, second: int | None) -> int:
    """Bytes that an instruction takes off the stack pointer, 0 for any other instruction."""
    if second is None:
        if first & 0xFE00 == 0xB400:  # PUSH
            return 4 * (first & 0x1FF).bit_count()
        if first & 0xFF80 == 0xB080:  # SUB SP, #imm7 * 4
            return 4 * (first & 0x7F)
        return 0
    if first == 0xE92D:  # STMDB SP!
        return 4 * second.bit_count()
    if first == 0xF84D and second & 0xF00 == 0xD00:  # STR Rt, [SP, #-imm8]!
        return second & 0xFF
    if first == 0xE96D:  # STRD Rt, Rt2, [SP, #-imm8 * 4]!
        return 4 * (second & 0xFF)
    if first & 0xFBEF == 0xF1AD and second >> 8 & 0xF == _SP:  # SUB SP, SP, #modified immediate
        return _modified_immediate((first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF)
    if first & 0xFBFF == 0xF2AD and second >> 8 & 0xF == _SP:  # SUB SP, SP, #imm12
        return (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF
    if first & 0xFFEF == 0xEBAD and second >> 8 & 0xF == _SP:  # SUB SP, SP, Rm
        raise ValueError("a function moves the stack pointer by a register")
    return 0


def _modified_immediate(bits: int) -> int:
    """ThumbExpandImm (Arm DDI 0403, A5.3.2)."""
    low = bits & 0xFF
    if bits >> 10 == 0:
        return (low, low << 16 | low, low << 24 | low << 8, low * 0x01010101)[bits >> 8 & 3]
    value, turn = 0x80 | bits & 0x7F, bits >> 7
    return (value >> turn | value << (32 - turn)) & 0xFFFFFFFF


def _branch(address: int, first: int, second: int | None) -> tuple[int | None, bool]:
    """Target of BL (returns: True), B.W or B (False)."""
    if second is None:
        if first & 0xF800 == 0xE000:
            return address + 4 + ((first & 0x7FF ^ 0x400) - 0x400 << 1), False
        return None, False
    if first >> 11 == 0b11110 and second & 0x9000 == 0x9000:  # BL (bit 14 set) and B.W
        sign = first >> 10 & 1
        i1, i2 = 1 ^ (second >> 13 & 1) ^ sign, 1 ^ (second >> 11 & 1) ^ sign
        offset = sign << 24 | i1 << 23 | i2 << 22 | (first & 0x3FF) << 12 | (second & 0x7FF) << 1
        return address + 4 + offset - (sign << 25), bool(second & 0x4000)
    return None, False
