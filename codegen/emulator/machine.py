"""One emulated core with a built model in its flash: memory, calls, and what went wrong.

Only code and constants (read, execute), the arena and the stack (read, write), the argument (read) and the program's static
variables exist; everything else faults. Pages have 1,024 bytes, so what the arena leaves of its first and last page is filled with
a pattern and checked after each run.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any, Literal, NoReturn

import numpy as np

from codegen.emulator.interface import RUN_LAYER, ExecutionFault, ModelInterface, StrayAccess
from codegen.emulator.profiler import BLOCK_BUDGET, Profiler
from codegen.emulator.program import Program
from codegen.thumb import Instruction, Kind

PAGE = 1024
ARENA_PAGE, ARGUMENT_PAGE, STACK_BASE, RETURN_ADDRESS = 0x2400_0000, 0x2600_0000, 0x2800_0000, 0x0F00_0000
STACK_BYTES = 64 * 1024
STACK_TOP = STACK_BASE + STACK_BYTES
ARGUMENT_ALIGN = 4

_garbage = np.random.default_rng(0x5EED)
_STACK_PATTERN = _garbage.integers(0, 256, STACK_BYTES, np.uint8)
_PAGE_PATTERN = _garbage.integers(0, 256, PAGE, np.uint8).tobytes()
_PRESERVED = {number: 0xC0DE_0000 + number for number in range(4, 12)}  # Procedure Call Standard, section 6.1.1


class Machine:
    """A core that is about to run the model of ``interface``; ``arena_at`` puts the arena to the start or the end of its pages."""

    def __init__(
        self, program: Program, interface: ModelInterface, *, arena_at: Literal["start", "end"], memory_hook: bool
    ) -> None:
        import unicorn
        from unicorn import arm_const

        self._program = program
        self._interface = interface
        self._registers = arm_const
        self._fault: Callable[[], NoReturn] | None = None
        # UC_MODE_MCLASS would turn every model into a Cortex-M33
        self._uc: Any = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        self._uc.ctl_set_cpu_model(getattr(arm_const, program.core.unicorn_model))
        self._map_program(unicorn)
        self._map_arena(arena_at)
        self._map_argument(arena_at)
        self._uc.mem_map(STACK_BASE, STACK_BYTES, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE)
        layers = [program.elf.symbols[function].address for _, function in interface.layers]
        flash_end = max(s.address + len(s.data) for s in program.elf.segments if not s.writable)
        self.profiler = Profiler(program.start, program.bytes, flash_end, layers, program.watched())
        self.profiler.attach(self._uc, memory=memory_hook, unaligned_load_cycles=program.timing.unaligned_load_cycles)
        self._uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._on_stray_access)

    def _map_program(self, unicorn: Any) -> None:
        pages: dict[int, int] = {}
        for segment in self._program.elf.segments:
            access = unicorn.UC_PROT_READ | (unicorn.UC_PROT_WRITE if segment.writable else unicorn.UC_PROT_EXEC)
            for page in range(segment.address // PAGE, -(-(segment.address + len(segment.data)) // PAGE)):
                pages[page] = pages.get(page, 0) | access
        # Runs of pages with one access: a lookup of the emulator takes longer the more regions there are.
        for (_, access), run in groupby(enumerate(sorted(pages)), lambda item: (item[1] - item[0], pages[item[1]])):
            numbers = [page for _, page in run]
            self._uc.mem_map(numbers[0] * PAGE, len(numbers) * PAGE, access)
            self._uc.mem_write(numbers[0] * PAGE, b"\xde" * (len(numbers) * PAGE))  # UDF
        for segment in self._program.elf.segments:
            self._uc.mem_write(segment.address, segment.data)

    def _map_arena(self, arena_at: Literal["start", "end"]) -> None:
        size, align = self._interface.arena_bytes, self._interface.arena_align
        self._arena_bytes = -(-size // PAGE) * PAGE
        self._uc.mem_map(ARENA_PAGE, self._arena_bytes, 3)
        offset = 0 if arena_at == "start" else (self._arena_bytes - size) // align * align
        self.arena = ARENA_PAGE + offset

    def _map_argument(self, arena_at: Literal["start", "end"]) -> None:
        size = self._interface.argument_bytes
        pages = -(-size // PAGE) * PAGE
        if size:
            self._uc.mem_map(ARGUMENT_PAGE, pages, 1)
        self.argument = ARGUMENT_PAGE + (0 if arena_at == "start" else (pages - size) // ARGUMENT_ALIGN * ARGUMENT_ALIGN)

    def prepare(self) -> None:
        """Fill arena and stack with garbage, as a freshly started device has it."""
        self._uc.mem_write(ARENA_PAGE, _PAGE_PATTERN * (self._arena_bytes // PAGE))
        self._uc.mem_write(STACK_BASE, _STACK_PATTERN.tobytes())

    def call(self, function: str) -> int:
        """Call ``function(arena, argument)``; returns register 0.

        :raises ExecutionFault: if it faults, does not end, or comes back with another stack pointer or other values in the
            registers that a function must preserve.
        """
        import unicorn

        registers, write = self._registers, self._uc.reg_write
        self._fault = None
        self.profiler.allow(BLOCK_BUDGET)
        write(registers.UC_ARM_REG_R0, self.arena)
        write(registers.UC_ARM_REG_R1, self.argument)
        write(registers.UC_ARM_REG_SP, STACK_TOP)
        write(registers.UC_ARM_REG_LR, RETURN_ADDRESS | 1)
        for number, value in _PRESERVED.items():
            write(registers.UC_ARM_REG_R0 + number, value)
        try:
            self._uc.emu_start(self._program.elf.symbols[function].address | 1, RETURN_ADDRESS)
        except unicorn.UcError as error:
            if self._fault is not None:
                self._fault()
            pc = self._uc.reg_read(registers.UC_ARM_REG_PC)
            instruction = self._program.instructions.get(pc)
            what = str(error) if instruction is None else f"{instruction} faults ({_reason(instruction)})"
            raise ExecutionFault(f"layer {self._layer()!r}: {what} in {self.function_at(pc)}") from None
        if self.profiler.exhausted:
            raise ExecutionFault(f"layer {self._layer()!r}: {function} does not come to an end")
        pc, stack = self._uc.reg_read(registers.UC_ARM_REG_PC), self._uc.reg_read(registers.UC_ARM_REG_SP)
        if pc & ~1 != RETURN_ADDRESS or stack != STACK_TOP:
            raise ExecutionFault(f"{function} stopped at {pc:#010x} with stack pointer {stack:#010x} instead of {STACK_TOP:#010x}")
        for number, value in _PRESERVED.items():
            if self._uc.reg_read(registers.UC_ARM_REG_R0 + number) != value:
                raise ExecutionFault(f"{function} does not preserve register r{number}")
        return int(self._uc.reg_read(registers.UC_ARM_REG_R0))

    def read(self, address: int, size: int) -> bytes:
        """``size`` bytes of memory."""
        return bytes(self._uc.mem_read(address, size))

    def write(self, address: int, data: bytes) -> None:
        """Change memory."""
        self._uc.mem_write(address, data)

    def function_at(self, address: int) -> str:
        """Name of the function that holds ``address``."""
        return self._program.elf.function_at(address)

    def check_canaries(self) -> None:
        """Compare what surrounds the arena within its pages with what was put there.

        :raises ExecutionFault: naming the first byte that was overwritten.
        """
        found = self.read(ARENA_PAGE, self._arena_bytes)
        expected = _PAGE_PATTERN * (self._arena_bytes // PAGE)
        start = self.arena - ARENA_PAGE
        for low, high in ((0, start), (start + self._interface.arena_bytes, self._arena_bytes)):
            if found[low:high] != expected[low:high]:
                at = next(i for i in range(low, high) if found[i] != expected[i])
                raise ExecutionFault(f"the byte at {ARENA_PAGE + at:#010x} ({self._near(ARENA_PAGE + at)}) was overwritten")

    def stack_used(self) -> int:
        """Bytes of stack written or claimed since :meth:`prepare`, rounded up to words."""
        changed = np.flatnonzero(np.frombuffer(self.read(STACK_BASE, STACK_BYTES), np.uint8) != _STACK_PATTERN)
        lowest = STACK_BASE + int(changed[0]) // 4 * 4 if len(changed) else STACK_TOP
        return STACK_TOP - min(lowest, self.profiler.lowest_stack)

    def _layer(self) -> str:
        current = self.profiler.current_layer
        return self._interface.layers[current][0] if current < len(self._interface.layers) else RUN_LAYER

    def _near(self, address: int) -> str:
        end = self.arena + self._interface.arena_bytes
        if self.arena - 0x10_0000 <= address < self.arena:
            return f"{self.arena - address} bytes before the arena"
        if end <= address < end + 0x10_0000:
            return f"{address - end + 1} bytes behind the arena's last"
        if self.arena <= address < end:
            return "in the arena"
        if self.argument - 0x10_0000 <= address < self.argument + 0x10_0000:
            return f"{address - self.argument} bytes behind the argument's first"
        if STACK_BASE <= address < STACK_TOP:
            return "in the stack"
        if STACK_BASE - 0x10_0000 <= address < STACK_BASE:
            return f"below the stack of {STACK_BYTES} bytes"
        if STACK_TOP <= address < STACK_TOP + 0x10_0000:
            return "above the stack's start"
        for segment in self._program.elf.segments:
            if segment.address <= address < segment.address + len(segment.data):
                return "code or constants"
        return "nothing is there"

    def _on_stray_access(self, uc: Any, access: int, address: int, size: int, value: int, _: Any) -> bool:
        import unicorn

        kinds: dict[int, Literal["read", "write", "fetch"]] = {
            unicorn.UC_MEM_READ_UNMAPPED: "read",
            unicorn.UC_MEM_READ_PROT: "read",
            unicorn.UC_MEM_WRITE_UNMAPPED: "write",
            unicorn.UC_MEM_WRITE_PROT: "write",
        }
        pc = uc.reg_read(self._registers.UC_ARM_REG_PC)
        stray = StrayAccess(kinds.get(access, "fetch"), address, size, self._layer(), pc, self.function_at(pc), self._near(address))

        def fault() -> NoReturn:
            raise stray

        self._fault = fault
        return False


def _reason(instruction: Instruction) -> str:
    if instruction.kind in (Kind.LOAD, Kind.STORE, Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE):
        return "unaligned access"
    return "a trap, or not an instruction of this core"
