"""Runs the C function of single kernels, on this machine or on an emulated core, in a memory block that shows every stray write."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from codegen.cores import CORES, Core
from codegen.elf import read
from codegen.ir import Graph, Op
from codegen.kernels import MICRO, Kernel
from codegen.kernels._base import Constant
from codegen.optimize import Optimize
from codegen.reference import run
from codegen.toolchain import ZigCompiler

WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wcast-align", "-Werror")
CORE_BUILDS = (
    ("cortex-m4", "balanced"),
    ("cortex-m4", "size"),
    ("cortex-m3", "speed"),
    ("cortex-m0plus", "size"),
    ("cortex-m0plus", "speed"),
)
"""Every core, and every path of the micro-kernels."""
_GUARD, _PAGE = 16, 0x1000
_CODE, _RAM, _STACK_TOP, _RETURN = 0x0800_0000, 0x2000_0000, 0x3000_8000, 0x0F00_0000


@dataclass(frozen=True, eq=False)
class Case:
    """An operator of a graph, the kernel's spec for it and its packed constants."""

    symbol: str
    kernel: Kernel[Any]
    graph: Graph
    op: Op
    spec: Any
    constants: tuple[Constant, ...]

    @property
    def activations(self) -> tuple[str, ...]:
        """The inputs that are no constants."""
        return tuple(name for name in self.op.inputs if not self.graph[name].constant)


class Machine(Protocol):
    """Something that can run a function on a memory block."""

    def call(self, symbol: str, memory: bytearray, arguments: Sequence[int]) -> bytes:
        """Call ``symbol`` with pointers to these offsets in the block; returns the block afterwards."""


def prepare(
    kernel: Kernel[Any], graphs: Sequence[Graph], core: Core = CORES["cortex-m4"], optimize: Optimize = "balanced"
) -> list[Case]:
    """A case for each graph, which has one operator."""
    cases = []
    for number, graph in enumerate(graphs):
        (op,) = graph.ops
        spec = kernel.specialize(op, graph, core, optimize)
        assert spec is not None, f"{op}: {kernel.name} does not take it"
        constants = kernel.pack(op, graph, spec)
        assert sum(c.data.nbytes for c in constants) == kernel.constant_bytes(spec)
        cases.append(Case(f"case{number}", kernel, graph, op, spec, constants))
    return cases


def write_source(cases: Sequence[Case], directory: Path) -> Path:
    """One C file with the functions of all cases."""
    from codegen.tvm_build import build_c

    specs: dict[Any, str] = {}
    for case in cases:
        specs.setdefault(case.spec, case.symbol)
    kernel = cases[0].kernel
    shared = {name: make for spec in specs for name, make in kernel.shared_functions(spec).items()}
    functions = build_c(
        {symbol: kernel.prim_func(spec) for spec, symbol in specs.items()}, {name: make() for name, make in shared.items()}
    )
    headers = dict.fromkeys(itertools.chain.from_iterable(case.kernel.micro_kernels for case in cases))
    lines = [f'#include "{header}.h"' for header in headers] + [functions[name] for name in shared]
    for case in cases:
        text = functions[specs[case.spec]].replace(f"NN_{specs[case.spec]}(", f"{case.symbol}(")
        lines += [text[: text.index("{")].strip() + ";", text]
    source = directory / "cases.c"
    source.write_text("\n".join(lines))
    return source


class Host:
    """The portable path, compiled for this machine with every undefined behaviour trapped."""

    def __init__(self, source: Path) -> None:
        flags = ("-shared", "-fPIC", "-fsanitize=undefined", "-fsanitize-trap=undefined", *WARNINGS)
        library = ZigCompiler().build_host([source], include_dirs=[MICRO], output=source.with_suffix(".so"), flags=flags)
        self._library = ctypes.CDLL(str(library))

    def call(self, symbol: str, memory: bytearray, arguments: Sequence[int]) -> bytes:
        padded = (ctypes.c_int8 * (len(memory) + 8))()
        skip = -ctypes.addressof(padded) % 8
        ctypes.memmove(ctypes.addressof(padded) + skip, bytes(memory), len(memory))
        function = getattr(self._library, symbol)
        function.restype = None
        function(*(ctypes.c_void_p(ctypes.addressof(padded) + skip + offset) for offset in arguments))
        return bytes(padded)[skip : skip + len(memory)]


class Device:
    """A bare-metal build on an emulated core; ``halfwords`` counts the code executed by the last call."""

    def __init__(self, source: Path, cases: Sequence[Case], core: str, optimize: str) -> None:
        self._core = CORES[core]
        output = source.with_name(f"cases-{core}-{optimize}.elf")
        roots = [case.symbol for case in cases]
        ZigCompiler().link([source], include_dirs=[MICRO], core=self._core, optimize=optimize, roots=roots, output=output)
        self.elf = read(output)
        self.halfwords = 0

    def call(self, symbol: str, memory: bytearray, arguments: Sequence[int]) -> bytes:
        import unicorn
        from unicorn import arm_const

        machine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB)
        machine.ctl_set_cpu_model(getattr(arm_const, self._core.unicorn_model))
        ranges = [(s.address // _PAGE, (s.address + len(s.data)) // _PAGE + 1) for s in self.elf.segments]
        pages = sorted({page for start, end in ranges for page in range(start, end)})
        for page in pages:
            machine.mem_map(page * _PAGE, _PAGE)
        for segment in self.elf.segments:
            machine.mem_write(segment.address, segment.data)
        machine.mem_map(_RAM, -(-len(memory) // _PAGE) * _PAGE)
        machine.mem_write(_RAM, bytes(memory))
        machine.mem_map(_STACK_TOP - 0x8000, 0x8000)
        machine.mem_map(_RETURN, _PAGE)
        registers = (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1, arm_const.UC_ARM_REG_R2, arm_const.UC_ARM_REG_R3)
        pointers = [_RAM + offset for offset in arguments]
        for register, pointer in zip(registers, pointers, strict=False):
            machine.reg_write(register, pointer)
        stack = _STACK_TOP - 8 * -(-4 * len(pointers[4:]) // 8)
        machine.mem_write(stack, b"".join(p.to_bytes(4, "little") for p in pointers[4:]))
        machine.reg_write(arm_const.UC_ARM_REG_SP, stack)
        machine.reg_write(arm_const.UC_ARM_REG_LR, _RETURN | 1)
        self.halfwords = 0

        def count(_machine: Any, _address: int, size: int, _data: Any) -> None:
            self.halfwords += size // 2  # halfwords: a block hook is far quicker than one per instruction

        machine.hook_add(unicorn.UC_HOOK_BLOCK, count)
        machine.emu_start(self.elf.symbols[symbol].address | 1, _RETURN)
        return bytes(machine.mem_read(_RAM, len(memory)))


def compute(
    machine: Machine, case: Case, inputs: Sequence[NDArray[Any]], leads: Sequence[int | None] | None = None
) -> NDArray[Any]:
    """The output of ``case``; fails if anything but the output, its scratch and overlapped inputs has changed.

    With ``leads`` (one per activation) the output lies that many bytes before each input where it is not None, otherwise apart.
    """
    output = case.graph[case.op.output]
    memory = bytearray(np.random.default_rng(0).integers(0, 256, _GUARD, dtype=np.uint8).tobytes())

    def place(data: bytes) -> int:
        offset = len(memory)
        memory.extend(data)
        memory.extend(b"\xa5" * (_GUARD + -len(memory) % 8))
        return offset

    constants = [place(c.data.tobytes()) for c in case.constants]
    scratch_bytes = case.kernel.scratch_bytes(case.spec)
    scratch = place(b"\x5a" * scratch_bytes)
    leads = [None] * len(inputs) if leads is None else leads
    shared = [(x, lead) for x, lead in zip(inputs, leads, strict=True) if lead is not None]
    before = max([0, *(-lead for _, lead in shared)])
    behind = max([output.nbytes, *(lead + x.nbytes for x, lead in shared)])
    region = place(b"\x3c" * (before + behind))
    y = region + before
    offsets = []
    for x, lead in zip(inputs, leads, strict=True):
        if lead is None:
            offsets.append(place(x.tobytes()))
        else:
            offsets.append(y + lead)
            memory[y + lead : y + lead + x.nbytes] = x.tobytes()
    arguments = [*offsets, *constants, *([scratch] if scratch_bytes else []), y]
    after = machine.call(case.symbol, memory, arguments)
    free = np.zeros(len(memory), bool)
    free[scratch : scratch + scratch_bytes] = True
    free[y : y + output.nbytes] = True
    changed = np.flatnonzero((np.frombuffer(bytes(memory), np.uint8) != np.frombuffer(after, np.uint8)) & ~free)
    assert not changed.size, f"{case.spec}: wrote outside its output, first at {changed[0] - y} from its start"
    return np.frombuffer(after[y : y + output.nbytes], output.dtype).reshape(output.shape)


def random_and_extreme(case: Case) -> list[NDArray[np.int8]]:
    """Inputs of a kernel of one activation: random bytes, and every byte at either end of the range."""
    shape = case.graph[case.activations[0]].shape
    rng = np.random.default_rng(0)
    return [rng.integers(-128, 128, shape).astype(np.int8), np.full(shape, -128, np.int8), np.full(shape, 127, np.int8)]


def expected(case: Case, inputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The reference's output."""
    batched = {name: x.reshape(1, *x.shape[x.shape[:1] == (1,) :]) for name, x in zip(case.activations, inputs, strict=True)}
    return run(case.graph, batched)[case.op.output].reshape(case.graph[case.op.output].shape)
