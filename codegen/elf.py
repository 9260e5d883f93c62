"""Read a linked bare-metal ELF: sizes, symbols, what is code and what is data, which instructions the core lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from codegen.cores import Core

_WRITE, _ALLOCATE, _EXECUTE = 1, 2, 4  # section flags, System V ABI, chapter 4


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named address. ``address`` of a function has its Thumb bit (bit 0) cleared; ``size`` is in bytes, 0 if not stated."""

    name: str
    address: int
    size: int
    is_function: bool
    is_global: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes that the program finds at ``address`` when it starts."""

    address: int
    data: bytes
    writable: bool
    executable: bool


@dataclass(frozen=True)
class Elf:
    """A linked program; sizes in bytes.

    ``code`` counts executable sections with their literal pools, ``constants`` read-only sections, ``static`` writable ones (data
    and bss; what data costs in flash is ``initial_data``). ``symbols`` holds functions and objects by name, ``undefined`` the
    names that nothing defines, ``text`` the executable sections as ``(start, end)``, ``mapping`` the borders between code (True)
    and data (False) inside code, by address.
    """

    path: Path
    code: int
    constants: int
    static: int
    initial_data: int
    symbols: Mapping[str, Symbol]
    undefined: tuple[str, ...]
    segments: tuple[Segment, ...]
    text: tuple[tuple[int, int], ...]
    mapping: tuple[tuple[int, bool], ...]

    @cached_property
    def functions(self) -> tuple[Symbol, ...]:
        """One symbol per function address, in address order; where names share an address the global one is kept."""
        best: dict[int, Symbol] = {}
        for symbol in self.symbols.values():
            if symbol.is_function:
                held = best.get(symbol.address)
                if held is None or (symbol.is_global, symbol.name) > (held.is_global, held.name):
                    best[symbol.address] = symbol
        return tuple(best[address] for address in sorted(best))

    def function_at(self, address: int) -> str:
        """Name of the function that holds ``address``, or the address in hexadecimal where none does."""
        for symbol in self.functions:
            if symbol.address <= address < symbol.address + max(symbol.size, 2):
                return symbol.name
        return f"{address:#010x}"

    def read(self, address: int, size: int) -> bytes:
        """``size`` loaded bytes at ``address``.

        :raises ValueError: if they are not in one segment.
        """
        for segment in self.segments:
            offset = address - segment.address
            if offset >= 0 and offset + size <= len(segment.data):
                return segment.data[offset : offset + size]
        raise ValueError(f"{self.path.name}: nothing is loaded at {address:#010x}")

    def instruction_ranges(self) -> Iterator[tuple[int, int]]:
        """``(start, end)`` of every stretch of instructions, literal pools and tables left out, in address order."""
        kinds = dict(self.mapping)
        for start, end in self.text:
            inside = [address for address, _ in self.mapping if start < address < end]
            for low, high in pairwise([start, *inside, end]):
                if kinds.get(low, True):
                    yield low, high

    def code_ranges(self) -> Iterator[tuple[str, int, int]]:
        """``(function, start, end)`` of every stretch of instructions inside a function."""
        stretches = list(self.instruction_ranges())
        for function in self.functions:
            start, end = function.address, function.address + function.size
            for low, high in stretches:
                if max(start, low) < min(end, high):
                    yield function.name, max(start, low), min(end, high)


def read(path: Path) -> Elf:
    """Read the ELF at ``path``.

    :raises ValueError: if it is not a linked little-endian Arm ELF with a symbol table.
    """
    with path.open("rb") as file:
        try:
            image = ELFFile(file)
        except Exception as error:  # the reader's own exception types are not exported in one place
            raise ValueError(f"{path}: not an ELF file ({error})") from error
        if image["e_machine"] != "EM_ARM" or not image.little_endian:
            raise ValueError(f"{path}: not a little-endian Arm program")
        table = image.get_section_by_name(".symtab")
        if table is None:
            raise ValueError(f"{path}: has no symbol table")
        code, constants, static, initial = _sizes(image)
        symbols, undefined, mapping = _symbols(table)
        segments = tuple(
            Segment(s["p_vaddr"], bytes(s.data()).ljust(s["p_memsz"], b"\0"), bool(s["p_flags"] & 2), bool(s["p_flags"] & 1))
            for s in image.iter_segments()
            if s["p_type"] == "PT_LOAD" and s["p_memsz"]
        )
        text = tuple(
            (s["sh_addr"], s["sh_addr"] + s["sh_size"])
            for s in image.iter_sections()
            if s["sh_flags"] & (_ALLOCATE | _EXECUTE) == _ALLOCATE | _EXECUTE and s["sh_size"]
        )
    return Elf(path, code, constants, static, initial, symbols, undefined, segments, text, mapping)


def load_image(path: Path) -> tuple[tuple[int, bytes], ...]:
    """What has to be written to memory before the program at ``path`` starts: load addresses with their bytes, in address order.

    Variables with an initial value are where the startup code copies them from; those without have none.
    """
    with path.open("rb") as file:
        segments = ELFFile(file).iter_segments()
        found = [(s["p_paddr"], bytes(s.data())) for s in segments if s["p_type"] == "PT_LOAD" and s["p_filesz"]]
    return tuple(sorted(found))


def _sizes(image: Any) -> tuple[int, int, int, int]:
    code = constants = static = initial = 0
    for section in image.iter_sections():
        flags, size = section["sh_flags"], section["sh_size"]
        if not flags & _ALLOCATE:
            continue
        if flags & _WRITE:
            static += size
            initial += size if section["sh_type"] != "SHT_NOBITS" else 0
        elif flags & _EXECUTE:
            code += size
        else:
            constants += size
    return code, constants, static, initial


def _symbols(table: Any) -> tuple[dict[str, Symbol], tuple[str, ...], tuple[tuple[int, bool], ...]]:
    symbols: dict[str, Symbol] = {}
    undefined: list[str] = []
    mapping: dict[int, bool] = {}
    for entry in table.iter_symbols():
        name, kind = entry.name, entry["st_info"]["type"]
        if not name or kind in ("STT_FILE", "STT_SECTION"):
            continue
        if entry["st_shndx"] == "SHN_UNDEF":
            undefined.append(name)
        elif name.startswith(("$t", "$d")):  # ELF for the Arm Architecture, section 5.5.5: mapping symbols
            mapping[entry["st_value"]] = name.startswith("$t")
        elif not name.startswith("$"):
            is_function = kind == "STT_FUNC"
            is_global = entry["st_info"]["bind"] != "STB_LOCAL"
            if name in symbols and not is_global:
                continue
            address = entry["st_value"] & ~1 if is_function else entry["st_value"]
            symbols[name] = Symbol(name, address, entry["st_size"], is_function, is_global)
    return symbols, tuple(sorted(undefined)), tuple(sorted(mapping.items()))


@dataclass(frozen=True, slots=True)
class ForbiddenOpcode:
    """An instruction that a core lacks; ``instruction`` names mnemonic, opcode and address."""

    function: str
    instruction: str

    def __str__(self) -> str:
        return f"{self.instruction} in {self.function}"


def forbidden_opcodes(elf: Elf, core: Core) -> tuple[ForbiddenOpcode, ...]:
    """Instructions of ``elf``, executed or not, that ``core`` does not have, in address order. Emulators accept some of them.

    Opcodes that generated code never needs on any core (floating point included) are among them; behind one the rest of its stretch
    is not read.
    """
    return tuple(
        ForbiddenOpcode(elf.function_at(address), text)
        for low, high in elf.instruction_ranges()
        for address, text in _lacking(low, elf.read(low, high - low), core)
    )


def _lacking(address: int, code: bytes, core: Core) -> Iterator[tuple[int, str]]:
    from codegen.thumb import UnknownInstruction, decode_range

    levels = {"armv6-m"} | ({"armv7-m"} if core.thumb2 else set()) | ({"dsp"} if core.dsp else set())
    levels |= {"armv8-m"} if core.architecture == "armv8-m.main" else set()
    try:
        for instruction in decode_range(address, code):
            if instruction.level not in levels:
                yield instruction.address, str(instruction)
    except UnknownInstruction as unknown:
        yield unknown.address, str(unknown)
