"""Which schedule each layer gets: the one that measurements found best for its trip counts, else the kernel's own rule.

What was measured is keyed by what a schedule's cost depends on, the trip counts of the kernel's loops, so that layers which differ
in weights and quantization alone share it. The files of ``codegen/data`` come with the package and are all that a build uses by
default: equal versions give equal C. A file that was made for other kernels is left out as a whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol
from zlib import crc32

from codegen.kernels import library_hash

if TYPE_CHECKING:
    from codegen.cores import Core
    from codegen.ir import Op
    from codegen.kernels._base import Kernel
    from codegen.optimize import Optimize

FORMAT = 1


class Chooser(Protocol):
    """Picks one of the schedules of a layer's spec."""

    def __call__(self, op: Op, kernel: Kernel[Any], spec: Hashable, /) -> Hashable:
        """One of ``kernel.schedules(spec, core)``."""


def schedule_key(kernel: Kernel[Any], spec: Hashable, core: Core) -> str:
    """Identifies what the choice between the schedules of ``spec`` depends on. 16 hexadecimal digits."""
    return _key(kernel, kernel.work(spec), len(kernel.schedules(spec, core)))


def _key(kernel: Kernel[Any], work: Mapping[str, int], alternatives: int) -> str:
    return hashlib.sha256(repr((kernel.name, alternatives, sorted(work.items()))).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Schedules:
    """Measured choices for one core and optimisation level: :func:`schedule_key` → position in ``Kernel.schedules``."""

    core: Core
    optimize: Optimize
    choices: Mapping[str, int]
    _chosen: dict[tuple[str, Hashable], Hashable] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, op: Op, kernel: Kernel[Any], spec: Hashable) -> Hashable:
        """The measured schedule for ``spec``, or ``spec`` itself where nothing is known of it."""
        if not self.choices:
            return spec
        known = self._chosen.get((kernel.name, spec))
        if known is None:
            known = self._chosen[kernel.name, spec] = self.with_work(kernel, spec)[0]
        return known

    def with_work(self, kernel: Kernel[Any], spec: Hashable) -> tuple[Hashable, Mapping[str, int]]:
        """The same schedule, and its trip counts, which the choice depends on. It is not kept for the next time."""
        work = kernel.work(spec)
        if not self.choices:
            return spec, work
        alternatives = kernel.schedules(spec, self.core)
        position = self.choices.get(_key(kernel, work, len(alternatives)), 0) if len(alternatives) > 1 else 0
        chosen: Hashable = alternatives[position]
        return chosen, work if chosen is spec or chosen == spec else kernel.work(chosen)

    def with_choices(self, choices: Mapping[str, int]) -> Schedules:
        """These choices and others, which win."""
        return Schedules(self.core, self.optimize, {**self.choices, **choices})

    def to_json(self, compiler: str) -> dict[str, Any]:
        """As :func:`shipped_schedules` reads it."""
        return {
            "format": FORMAT,
            "core": self.core.name,
            "optimize": self.optimize,
            "compiler": compiler,
            "kernel_library": library_hash(),
            "choices": dict(sorted(self.choices.items())),
        }


@dataclass(frozen=True, slots=True)
class RandomSchedules:
    """Picks any schedule of a layer, by the layer's name and ``seed``."""

    core: Core
    seed: int

    def __call__(self, op: Op, kernel: Kernel[Any], spec: Hashable) -> Hashable:
        """One of the schedules of ``spec``."""
        alternatives: Sequence[Hashable] = kernel.schedules(spec, self.core)
        return alternatives[crc32(f"{self.seed} {op.name} {self.core.name}".encode()) % len(alternatives)]


@cache
def shipped_schedules(core: Core, optimize: Optimize) -> Schedules:
    """What comes with the package for ``core`` and ``optimize``; no choices where there is nothing, or it is of other kernels."""
    path = resources.files("codegen").joinpath("data", f"{core.name}-{optimize}.json")
    if not path.is_file():
        return Schedules(core, optimize, {})
    content = json.loads(path.read_text(encoding="utf-8"))
    fits = content["format"] == FORMAT and content["kernel_library"] == library_hash()
    return Schedules(core, optimize, content["choices"] if fits else {})
