"""What a calibrated cost model is made of: the costs of a kernel, of the routines it calls, and of the run function around it."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from cost_models.descriptors import leaves_rest, shared_names
from cost_models.function_effects import effect
from cost_models.joint_trees import JointTrees
from cost_models.regression import Linear
from cost_models.trees import Trees

REACH = 4096
"""Bytes from its start that an ADD reaches by its immediate (ADDW; Arm DDI 0403, A7.7.3): addresses of the arena that lie further
take registers of the run function, which it saves on the stack."""
FEW_CALLS = 12
"""So many calls or fewer repeat few of these addresses: the compiler keeps hardly any of them in registers."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Something that loops cause, cycles for example: ``loops`` of a kernel's work, times the exponential of ``correction`` of its
    descriptors and of the ``effects`` of the functions that it shares; off by about ``spread``, relative to the value."""

    loops: Linear
    correction: Trees
    effects: Mapping[str, float]
    spread: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "loops": dict(self.loops.coefficients),
            "correction": self.correction.to_json(),
            "effects": dict(self.effects),
            "spread": self.spread,
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Rate:
        """The inverse of :meth:`to_json`."""
        return Rate(Linear(content["loops"]), Trees.from_json(content["correction"]), content["effects"], content["spread"])


class LayerCosts(NamedTuple):
    """What one kernel and spec cost, each estimate with the size of its likely error.

    Cycles of a call and ``reads``, the bytes of constants it reads from flash; bytes of the function's ``code`` and of its
    ``constants`` (exact); bytes of ``stack``; ``calls``, the routines it needs beside its own code, and ``shared``, those of them
    that layers share: what calls the same ones is off in the same way.
    """

    cycles: float
    cycles_spread: float
    reads: float
    reads_spread: float
    code: float
    code_spread: float
    constants: int
    stack: float
    calls: tuple[str, ...]
    shared: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Routine:
    """Code that functions share, a kernel's shared function, a helper of the micro-kernels or a support routine of the
    compiler: ``code`` bytes, off by about
    ``spread``, since compilers fit a helper to the calls that a program happens to hold."""

    code: float
    spread: float


@dataclass(frozen=True, slots=True)
class CallRule:
    """Tells by a spec's descriptors whether its function calls a routine: all ``present`` ones are there, no ``absent`` one is."""

    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def __call__(self, described: Mapping[str, float]) -> bool:
        return all(described.get(name) for name in self.present) and not any(described.get(name) for name in self.absent)


@dataclass(frozen=True)
class KernelCosts:
    """What one kernel costs.

    ``code`` is the bytes of one function by its descriptors, off by about ``code_spread`` bytes. ``stack`` estimates the bytes
    that a function and all that it calls take; with ``stack_margin`` it bounds them, or with ``rest_stack_margin`` where channels
    leave a rest (:func:`cost_models.descriptors.leaves_rest`). ``calls`` maps the routines that a function
    may need to the rule that tells whether it does; those that descriptors name
    (:func:`cost_models.descriptors.shared_functions`) it always needs. ``shared`` estimates the bytes of such a one that was not
    measured, off by about ``shared_spread`` bytes; the margin of the stack is ``unmet_stack_margin`` with one.
    """

    cycles: Rate
    reads: Rate
    code: Trees
    code_spread: float
    stack: Trees
    stack_margin: int
    rest_stack_margin: int
    unmet_stack_margin: int
    calls: Mapping[str, CallRule]
    shared: Trees
    shared_spread: float

    def costs(self, work: Mapping[str, float], described: Mapping[str, float], constants: int, met: Container[str]) -> LayerCosts:
        """Those of specs with this work, these descriptors and this many bytes of constants; ``met`` are the routines that were
        measured."""
        shared = shared_names(described)
        cycles_correction, reads_correction, code, stack = self._joint_trees(described)
        cycles = self.cycles.loops(work) * math.exp(cycles_correction + effect(self.cycles.effects, shared))
        reads = self.reads.loops(work) * math.exp(reads_correction + effect(self.reads.effects, shared))
        return LayerCosts(
            cycles=cycles,
            cycles_spread=cycles * self.cycles.spread,
            reads=reads,
            reads_spread=reads * self.reads.spread,
            code=code,
            code_spread=self.code_spread,
            constants=constants,
            stack=stack + self._margin(described, all(name in met for name in shared)),
            calls=tuple(dict.fromkeys((*self._called(described), *shared))),
            shared=tuple(shared),
        )

    def _margin(self, described: Mapping[str, float], met: bool) -> int:
        if not met:
            return self.unmet_stack_margin
        return self.rest_stack_margin if leaves_rest(described) else self.stack_margin

    def shared_function(self, described: Mapping[str, float]) -> Routine:
        """What a shared function with these descriptors of it alone is likely to take."""
        return Routine(max(0.0, self.shared(described)), self.shared_spread)

    @cached_property
    def _joint_trees(self) -> JointTrees:
        """Corrections of cycles and reads, code and stack."""
        return JointTrees((self.cycles.correction, self.reads.correction, self.code, self.stack))

    @cached_property
    def _signs(self) -> tuple[str, ...]:
        """The descriptors that rules ask for."""
        return tuple(dict.fromkeys(name for rule in self.calls.values() for name in (*rule.present, *rule.absent)))

    @cached_property
    def _known_calls(self) -> dict[tuple[float | None, ...], tuple[str, ...]]:
        return {}

    def _called(self, described: Mapping[str, float]) -> tuple[str, ...]:
        """The routines that rules tell. Specs have few combinations of signs."""
        signs = tuple(map(described.get, self._signs))
        known = self._known_calls.get(signs)
        if known is None:
            known = self._known_calls[signs] = tuple(name for name, rule in self.calls.items() if rule(described))
        return known

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "cycles": self.cycles.to_json(),
            "reads": self.reads.to_json(),
            "code": self.code.to_json(),
            "code_spread": self.code_spread,
            "stack": self.stack.to_json(),
            "stack_margin": self.stack_margin,
            "rest_stack_margin": self.rest_stack_margin,
            "unmet_stack_margin": self.unmet_stack_margin,
            "calls": {name: [list(rule.present), list(rule.absent)] for name, rule in self.calls.items()},
            "shared": self.shared.to_json(),
            "shared_spread": self.shared_spread,
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> KernelCosts:
        """The inverse of :meth:`to_json`."""
        return KernelCosts(
            cycles=Rate.from_json(content["cycles"]),
            reads=Rate.from_json(content["reads"]),
            code=Trees.from_json(content["code"]),
            code_spread=content["code_spread"],
            stack=Trees.from_json(content["stack"]),
            stack_margin=content["stack_margin"],
            rest_stack_margin=content["rest_stack_margin"],
            unmet_stack_margin=content["unmet_stack_margin"],
            calls={name: CallRule(tuple(present), tuple(absent)) for name, (present, absent) in content["calls"].items()},
            shared=Trees.from_json(content["shared"]),
            shared_spread=content["shared_spread"],
        )


@dataclass(frozen=True, slots=True)
class RunCosts:
    """What lies outside the layers, each linear in the run features.

    ``flash`` is that of ``<m>_run``, the accessors, gaps that alignment leaves and tables that the compiler made, with an error of
    about ``flash_spread`` of it. ``stack`` bounds what run's own frame adds to the deepest layer's where the arena is within
    :data:`REACH`, ``far_stack`` where it is not, and ``few_far_stack`` where it is not but :data:`FEW_CALLS` are made.
    """

    cycles: Linear
    reads: Linear
    flash: Linear
    flash_spread: float
    stack: int
    few_far_stack: int
    far_stack: int

    def stack_beside(self, arena: int, calls: int) -> int:
        """Bytes for an arena of so many and this number of calls."""
        if arena <= REACH:
            return self.stack
        return self.few_far_stack if calls <= FEW_CALLS else self.far_stack

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "cycles": dict(self.cycles.coefficients),
            "reads": dict(self.reads.coefficients),
            "flash": dict(self.flash.coefficients),
            "flash_spread": self.flash_spread,
            "stack": self.stack,
            "few_far_stack": self.few_far_stack,
            "far_stack": self.far_stack,
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> RunCosts:
        """The inverse of :meth:`to_json`."""
        return RunCosts(
            cycles=Linear(content["cycles"]),
            reads=Linear(content["reads"]),
            flash=Linear(content["flash"]),
            flash_spread=content["flash_spread"],
            stack=content["stack"],
            few_far_stack=content["few_far_stack"],
            far_stack=content["far_stack"],
        )
