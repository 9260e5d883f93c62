"""What the emulator is told of a built model, what it reports, and the errors it raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RUN_LAYER = "run"
"""Name of the pseudo-layer that holds the time spent in ``<model>_run`` itself, outside every layer."""


@dataclass(frozen=True, slots=True)
class ModelInterface:
    """The C interface of a built model; sizes in bytes.

    ``run`` is the symbol of ``int run(void *arena)``. ``inputs`` and ``outputs`` are pairs of an accessor's symbol
    (``int8_t *accessor(void *arena)``) and the tensor's size. ``layers`` are pairs of a layer's name and the symbol of its
    function, in the order in which ``run`` calls them; several layers may name one function. Where ``argument_bytes`` is above 0,
    it is ``int run(void *arena, const void *argument)`` of so many bytes, which are the last of the inputs and can only be read.
    """

    run: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    arena_bytes: int
    arena_align: int
    layers: tuple[tuple[str, str], ...] = ()
    argument_bytes: int = 0


@dataclass(frozen=True, slots=True)
class LayerProfile:
    """One layer's instructions and cycles, mean per inference, the bytes that its loads read from flash in the first one, and the
    functions that it ran."""

    name: str
    instructions: float
    cycles: float
    flash_bytes: int
    functions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Execution:
    """What came of running a model: for each inference the bytes of every output, and means per inference.

    ``layers`` follow the interface's order and end with the pseudo-layer ``run``; they add up to ``instructions``, ``cycles`` and
    ``flash_bytes`` (constants and literals read, instruction fetch not counted; 0 without ``watch_memory``).
    ``stack_bytes`` is the deepest stack of any inference, from the stack pointer with which ``run`` is entered.
    """

    outputs: tuple[tuple[bytes, ...], ...]
    instructions: float
    cycles: float
    flash_bytes: int
    layers: tuple[LayerProfile, ...]
    stack_bytes: int


class ExecutionFault(Exception):  # noqa: N818 - a fault is what the architecture calls it
    """The program did what a real core would answer with a fault, or what a model's code must not do."""


class StrayAccess(ExecutionFault):
    """An access outside code, constants, arena and stack; ``function`` is the one that holds the instruction at ``pc``."""

    def __init__(
        self, kind: Literal["read", "write", "fetch"], address: int, size: int, layer: str, pc: int, function: str, near: str
    ):
        self.kind = kind
        self.address = address
        self.size = size
        self.layer = layer
        self.pc = pc
        self.function = function
        self.near = near
        super().__init__(f"layer {layer!r}: stray {kind} of {size} bytes at {address:#010x} ({near}) in {function} (pc {pc:#010x})")

    def __reduce__(self) -> tuple[type[StrayAccess], tuple[object, ...]]:
        """Exceptions are made again of their message alone if not told otherwise."""
        return StrayAccess, (self.kind, self.address, self.size, self.layer, self.pc, self.function, self.near)
