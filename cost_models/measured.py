"""What calibration measures of built programs, as it is cached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MeasuredLayer:
    """One layer of a built program.

    ``shape`` identifies the operator with its shapes, whatever its weights and quantization; ``work`` and ``descriptors`` are
    what the models see of it. ``cycles`` and ``instructions`` are means per call, ``reads`` the bytes of constants that a call
    reads from flash, ``code`` the bytes of its function alone, ``stack`` the bytes that function and all that it called take,
    with those of its arguments that are passed there, ``calls`` the routines outside of the function that it needs.
    """

    shape: str
    kernel: str
    macs: int
    work: Mapping[str, float]
    descriptors: Mapping[str, float]
    cycles: float
    instructions: float
    reads: int
    code: int
    stack: int
    scratch: int
    calls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MeasuredProgram:
    """A built and emulated program: a whole network, or operators side by side.

    Sizes are bytes. ``run_*`` is what lies outside of the layers: ``run_flash`` the run function, the accessors, gaps that
    alignment leaves and tables that the compiler made. ``routines`` maps routines that layers call to their bytes; ``stack`` is
    what the emulator saw.
    """

    layers: tuple[MeasuredLayer, ...]
    run_features: Mapping[str, float]
    run_cycles: float
    run_reads: int
    run_flash: int
    run_stack: int
    routines: Mapping[str, int]
    arena: int
    stack: int
    static: int
    code: int
    constants: int
    cycles: float
    instructions: float
    reads: int
    macs: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> MeasuredProgram:
        """The inverse of :meth:`to_json`."""
        layers = tuple(MeasuredLayer(**{**layer, "calls": tuple(layer["calls"])}) for layer in content["layers"])
        return MeasuredProgram(**{**content, "layers": layers})
