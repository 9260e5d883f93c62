"""The native block counter, handed to unicorn as function pointers."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.native import load_native

_NO_BLOCK = 2**32 - 1
_SOURCE = Path(__file__).with_name("profile.c")
BLOCK_BUDGET = 1_000_000_000
"""Basic blocks after which a run counts as endless: a hundred times what ten million multiply-accumulates take."""

WATCH = np.dtype([("kind", "u1"), ("dividend", "u1"), ("divisor", "u1"), ("unused", "u1"), ("cycles", "<u4")])
UNSIGNED_DIVIDE, SIGNED_DIVIDE, CONDITIONAL, STACK_POINTER = 1, 2, 3, 4

_ARRAYS = (
    *("block_of", "block_start", "block_bytes", "layer_entry", "layer_address", "counters"),
    *("extra_cycles", "unaligned_cycles", "flash_bytes", "unaligned", "watched", "register_ids"),
)
_FUNCTIONS = ("register_read", "register_write", "stop")
_NUMBERS = (
    *("capacity", "layers", "blocks", "budget", "enabled", "current", "next", "return_address", "unexpected_layer"),
    *("resized", "previous_end", "lowest_stack", "unaligned_even_cycles", "unaligned_odd_cycles", "flash_end", "cpsr_id"),
)


class _Struct(ctypes.Structure):
    _fields_ = (
        ("code_start", ctypes.c_uint64),
        ("code_bytes", ctypes.c_uint64),
        *((name, ctypes.c_void_p) for name in (*_ARRAYS, *_FUNCTIONS)),
        *((name, ctypes.c_uint64) for name in _NUMBERS),
        ("previous", ctypes.c_void_p),
    )


@dataclass(frozen=True, slots=True)
class BlockCount:
    """How often a basic block of ``size`` bytes ran within a layer, and how often it was left by a jump."""

    layer: int
    start: int
    size: int
    executed: int
    taken: int


class Profiler:
    """Counters of one emulated machine. Layer ``len(layer_addresses)`` is the time outside every layer."""

    def __init__(
        self, code_start: int, code_bytes: int, flash_end: int, layer_addresses: Sequence[int], watched: NDArray[Any]
    ) -> None:
        halfwords = code_bytes // 2 + 1
        layers = len(layer_addresses)
        self._arrays: dict[str, NDArray[Any]] = {
            "block_of": np.full(halfwords, _NO_BLOCK, np.uint32),
            "block_start": np.zeros(halfwords, np.uint64),
            "block_bytes": np.zeros(halfwords, np.uint32),
            "layer_entry": np.zeros(halfwords, np.uint8),
            "layer_address": np.array([*layer_addresses, 0], np.uint64),
            "counters": np.zeros((layers + 1, halfwords, 2), np.uint64),
            "extra_cycles": np.zeros(layers + 1, np.uint64),
            "unaligned_cycles": np.zeros(layers + 1, np.uint64),
            "flash_bytes": np.zeros(layers + 1, np.uint64),
            "unaligned": np.zeros(halfwords, np.uint8),
            "watched": np.ascontiguousarray(watched, WATCH),
        }
        for address in layer_addresses:
            self._arrays["layer_entry"][(address - code_start) // 2] = 1
        self._code_start = code_start
        self._struct = _Struct(code_start=code_start, code_bytes=code_bytes, capacity=halfwords, layers=layers, current=layers)
        self._struct.lowest_stack = 2**64 - 1
        self._struct.flash_end = flash_end

    def attach(self, machine: Any, *, memory: bool, unaligned_load_cycles: tuple[int, int]) -> None:
        """Add the hooks to a ``unicorn.Uc``; ``memory`` also watches every access (slow), which finds the unaligned ones."""
        import unicorn
        from unicorn import arm_const
        from unicorn.unicorn_py3.unicorn import uclib

        registers = [getattr(arm_const, f"UC_ARM_REG_{name}") for name in (*(f"R{i}" for i in range(13)), "SP", "LR", "PC")]
        self._arrays["register_ids"] = np.array(registers, np.int32)
        for name, array in self._arrays.items():
            setattr(self._struct, name, array.ctypes.data)
        self._struct.register_read = ctypes.cast(uclib.uc_reg_read, ctypes.c_void_p).value
        self._struct.register_write = ctypes.cast(uclib.uc_reg_write, ctypes.c_void_p).value
        self._struct.cpsr_id = arm_const.UC_ARM_REG_CPSR
        self._struct.stop = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value
        self._struct.unaligned_even_cycles, self._struct.unaligned_odd_cycles = unaligned_load_cycles

        def add(kind: int, function: str, begin: int = 1, end: int = 0) -> None:
            # The binding's own hook_add wraps a Python callable; a native one goes to the library directly.
            handle = ctypes.c_size_t()
            status = uclib.uc_hook_add(
                machine._uch,
                ctypes.byref(handle),
                kind,
                ctypes.cast(getattr(load_native(_SOURCE), function), ctypes.c_void_p),
                ctypes.cast(ctypes.byref(self._struct), ctypes.c_void_p),
                ctypes.c_uint64(begin),
                ctypes.c_uint64(end),
            )
            if status != unicorn.UC_ERR_OK:
                raise unicorn.UcError(status)

        add(unicorn.UC_HOOK_BLOCK, "on_block")
        for index in np.flatnonzero(self._arrays["watched"]["kind"]):
            address = self._code_start + 2 * int(index)
            add(unicorn.UC_HOOK_CODE, "on_watched", address, address)
        if memory:
            add(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, "on_memory")

    def allow(self, blocks: int) -> None:
        """Stop the machine once it has run that many basic blocks."""
        self._struct.budget = blocks

    def start(self) -> None:
        """Count from here on, as of the entry of ``run``."""
        self._struct.enabled = 1
        self._struct.current = self._struct.layers
        self._struct.next = 0
        self._struct.previous = None

    def stop(self) -> None:
        """Count no more. The last block was left by the return to the caller."""
        self._struct.enabled = 0
        if self._struct.previous:
            ctypes.c_uint64.from_address(self._struct.previous + 8).value += 1
            self._struct.previous = None

    @property
    def current_layer(self) -> int:
        """Index of the layer that runs, or the number of layers outside them."""
        return int(self._struct.current)

    @property
    def finished_layers(self) -> int:
        """How many of the layers ``run`` has called, in order, since :meth:`start`."""
        return int(self._struct.next)

    @property
    def unexpected_layer(self) -> int:
        """Address of the first layer function that was called out of order, or 0."""
        return int(self._struct.unexpected_layer)

    @property
    def exhausted(self) -> bool:
        """Whether the budget of blocks is used up."""
        return bool(self._struct.budget == 0)

    @property
    def lowest_stack(self) -> int:
        """The lowest stack pointer seen at a watched instruction."""
        return int(self._struct.lowest_stack)

    @property
    def resized_block(self) -> int:
        """Address of a block that the emulator cut in two ways, which would make the counts meaningless, or 0."""
        return int(self._struct.resized)

    @property
    def extra_cycles(self) -> list[int]:
        """Cycles that depend on data, per layer and for the time outside."""
        return [int(n) for n in self._arrays["extra_cycles"]]

    @property
    def unaligned_cycles(self) -> list[int]:
        """Cycles lost by unaligned loads, per layer and for the time outside (only with ``memory``)."""
        return [int(n) for n in self._arrays["unaligned_cycles"]]

    @property
    def flash_bytes(self) -> list[int]:
        """Bytes that loads read from flash, per layer and for the time outside (only with ``memory``)."""
        return [int(n) for n in self._arrays["flash_bytes"]]

    @property
    def unaligned(self) -> list[int]:
        """Addresses of the instructions that made an unaligned access (only with ``memory``)."""
        return [self._code_start + 2 * int(i) for i in np.flatnonzero(self._arrays["unaligned"])]

    def blocks(self) -> Iterator[BlockCount]:
        """Every block that ran, per layer, in order of layer and first execution."""
        used = int(self._struct.blocks)
        counters = self._arrays["counters"][:, :used]
        starts, sizes = self._arrays["block_start"], self._arrays["block_bytes"]
        for layer, block in zip(*np.nonzero(counters[:, :, 0]), strict=True):
            executed, taken = counters[layer, block]
            yield BlockCount(int(layer), int(starts[block]), int(sizes[block]), int(executed), int(taken))
