"""The processor cores that code is generated, built and emulated for.

What a core can execute comes from its architecture manual: Armv6-M (Arm DDI 0419) for Cortex-M0+, Armv7-M (Arm DDI 0403) for
Cortex-M3, M4 and M7, Armv8-M (Arm DDI 0553) for Cortex-M33. Code is generated for the soft-float ABI on every core: the networks
are int8 and a routine that never touches the floating-point registers adds nothing to the stack of an interrupt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from codegen.errors import UserError


@dataclass(frozen=True, slots=True)
class Core:
    """A processor core. Hashable; two cores are equal when every property is.

    ``zig_cpu`` and ``gcc_cpu`` are the values of ``-mcpu=`` for the two compilers. ``unaligned_access`` says whether LDR, LDRH, STR
    and STRH may be unaligned (LDRD, LDM and their stores never may). ``fpu`` is informational. ``multiply_cycles`` is the time of a
    32-bit MULS, 32 for a Cortex-M0+ built with the small multiplier. ``timing_source`` names what is behind the cycle model;
    ``timing_uncertainty`` is the relative half-width of what is not known of its cycles, 0 where the core's manual states them;
    elsewhere they are an estimate.
    """

    name: str
    title: str
    architecture: Literal["armv6-m", "armv7-m", "armv7e-m", "armv8-m.main"]
    zig_cpu: str
    gcc_cpu: str
    dsp: bool
    divide: bool
    unaligned_access: bool
    fpu: bool
    unicorn_model: str
    timing_source: str
    timing_uncertainty: float = 0.0
    multiply_cycles: int = 1

    @property
    def thumb2(self) -> bool:
        """Whether the 32-bit Thumb-2 encodings, CBZ and IT exist."""
        return self.architecture != "armv6-m"

    @property
    def timing_note(self) -> str:
        """What has to be said beside cycles of this core: ``estimate, ±10 %``, or nothing where its manual states them."""
        return f"estimate, ±{self.timing_uncertainty:.0%}".replace("%", " %") if self.timing_uncertainty else ""


CORES: Mapping[str, Core] = {
    core.name: core
    for core in (
        Core(
            name="cortex-m0plus",
            title="Cortex-M0+",
            architecture="armv6-m",
            zig_cpu="cortex_m0plus",
            gcc_cpu="cortex-m0plus",
            dsp=False,
            divide=False,
            unaligned_access=False,
            fpu=False,
            unicorn_model="UC_CPU_ARM_CORTEX_M0",
            timing_source="Cortex-M0+ Technical Reference Manual, Arm DDI 0484, table 3-1",
        ),
        Core(
            name="cortex-m3",
            title="Cortex-M3",
            architecture="armv7-m",
            zig_cpu="cortex_m3",
            gcc_cpu="cortex-m3",
            dsp=False,
            divide=True,
            unaligned_access=True,
            fpu=False,
            unicorn_model="UC_CPU_ARM_CORTEX_M3",
            timing_source="Cortex-M3 Technical Reference Manual r2p1, Arm DDI 0337, section 3.3",
        ),
        Core(
            name="cortex-m4",
            title="Cortex-M4",
            architecture="armv7e-m",
            zig_cpu="cortex_m4",
            gcc_cpu="cortex-m4",
            dsp=True,
            divide=True,
            unaligned_access=True,
            fpu=True,
            unicorn_model="UC_CPU_ARM_CORTEX_M4",
            timing_source="Cortex-M4 Technical Reference Manual r0p1, Arm DDI 0439, section 3.3",
        ),
        Core(
            name="cortex-m33",
            title="Cortex-M33",
            architecture="armv8-m.main",
            zig_cpu="cortex_m33+dsp",  # the compiler takes the extension to be absent
            gcc_cpu="cortex-m33",
            dsp=True,
            divide=True,
            unaligned_access=True,
            fpu=True,
            unicorn_model="UC_CPU_ARM_CORTEX_M33",
            timing_source="estimate: published measurements of an RP2350 (J. K. Nowakowski, 2026); Arm publishes no table",
            timing_uncertainty=0.1,
        ),
        Core(
            name="cortex-m7",
            title="Cortex-M7",
            architecture="armv7e-m",
            zig_cpu="cortex_m7",
            gcc_cpu="cortex-m7",
            dsp=True,
            divide=True,
            unaligned_access=True,
            fpu=True,
            unicorn_model="UC_CPU_ARM_CORTEX_M7",
            timing_source="estimate: published measurements of an STM32H743 (J. K. Nowakowski, 2026) and LLVM's scheduling model; "
            "Arm publishes no table",
            timing_uncertainty=0.25,
        ),
    )
}
"""Every known core by name, smallest first."""


def find_core(name: str, *, multiply_cycles: int | None = None) -> Core:
    """The core called ``name`` (``cortex-m4``; ``cortex_m4`` and capitals are accepted), with the board's multiplier if given.

    :raises UserError: if the core is unknown, or cannot have a multiplier that takes ``multiply_cycles``.
    """
    core = CORES.get(name.strip().lower().replace("_", "-").replace("m0+", "m0plus"))
    if core is None:
        raise UserError(f"core {name!r} is unknown; choose one of {', '.join(CORES)}")
    if multiply_cycles is None or multiply_cycles == core.multiply_cycles:
        return core
    if core.architecture != "armv6-m" or multiply_cycles != 32:
        raise UserError(f"core {name!r}: multiply_cycles is {multiply_cycles}, must be {'1 or 32' if not core.thumb2 else '1'}")
    return replace(core, multiply_cycles=multiply_cycles)
