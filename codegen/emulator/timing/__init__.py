"""What instructions cost on each core: one file of rules per family of pipelines, memory without wait states."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from codegen.cores import Core
from codegen.emulator.timing._base import Timing, UntimedInstruction
from codegen.emulator.timing.cortex_m0plus import CortexM0PlusTiming
from codegen.emulator.timing.cortex_m3_m4 import CortexM3Timing, CortexM4Timing
from codegen.emulator.timing.cortex_m7 import CortexM7Timing
from codegen.emulator.timing.cortex_m33 import CortexM33Timing

__all__ = ["Timing", "UntimedInstruction", "timing_of"]

_OF_CORE: Mapping[str, Callable[[Core], Timing]] = {
    "cortex-m0plus": lambda core: CortexM0PlusTiming(core.multiply_cycles),
    "cortex-m3": lambda core: CortexM3Timing(),
    "cortex-m4": lambda core: CortexM4Timing(),
    "cortex-m7": lambda core: CortexM7Timing(),
    "cortex-m33": lambda core: CortexM33Timing(),
}


def timing_of(core: Core) -> Timing:
    """The rules for ``core``."""
    return _OF_CORE[core.name](core)
