"""What it costs that a layer's weights have four bits: the call that unpacks them (:mod:`codegen.int4`).

Everything else is as it is of weights of eight bits, so calibration builds the same layers in both forms and looks at the
differences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from codegen.int4 import UNPACK, Int4Kernel, Int4Spec
from cost_models.costs import LayerCosts
from cost_models.measured import MeasuredLayer, MeasuredProgram
from cost_models.regression import Linear, fit

WORD_BYTES = 4


class Added(NamedTuple):
    """To a layer's function: bytes of ``code``, and at most of ``stack``."""

    code: float
    stack: int


@dataclass(frozen=True, slots=True)
class Unpacking:
    """``cycles`` of a layer, linear in ``calls`` and ``words`` of 32 bits; what is ``added`` to its function, and to one that loops
    over parts, the code off by about ``code_spread`` bytes; ``function``: bytes of the routine that all layers call."""

    cycles: Linear
    added: Added
    added_with_loop: Added
    code_spread: float
    function: float

    def added_to(self, eight: LayerCosts, kernel: Int4Kernel, spec: Int4Spec) -> LayerCosts:
        """Costs of a layer on weights of four bits, from those of a part of it on ``eight``.

        What is read of the other constants stays; all of them are read equally often, as long as weights lie in flash.
        """
        constants, words, parts = kernel.constant_bytes(spec), spec.words * spec.parts, spec.parts
        added = self.added if parts == 1 else self.added_with_loop
        others = (constants - WORD_BYTES * words) / (parts * eight.constants)
        return eight._replace(
            cycles=parts * eight.cycles + self.cycles({"calls": float(parts), "words": float(words)}),
            cycles_spread=parts * eight.cycles_spread,
            reads=parts * eight.reads * others + WORD_BYTES * words,
            reads_spread=parts * eight.reads_spread,
            code=eight.code + added.code,
            code_spread=math.hypot(eight.code_spread, self.code_spread),
            constants=constants,
            stack=eight.stack + added.stack,
            calls=(*eight.calls, UNPACK),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "cycles": dict(self.cycles.coefficients),
            "added": list(self.added),
            "added_with_loop": list(self.added_with_loop),
            "code_spread": self.code_spread,
            "function": self.function,
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Unpacking:
        """The inverse of :meth:`to_json`."""
        added = {key: Added(*content[key]) for key in ("added", "added_with_loop")}
        return Unpacking(**{**content, **added, "cycles": Linear(content["cycles"])})


def fit_unpacking(pairs: Sequence[tuple[MeasuredProgram, MeasuredProgram]]) -> Unpacking:
    """From programs of layers on weights of four bits, and programs of a part of each on weights of eight.

    With weights elsewhere the compiler now and then fits registers otherwise, which makes a percent of a layer's cycles: errors
    count relative to these.

    :raises ValueError: if there is no such part of a layer.
    """
    both: list[tuple[MeasuredLayer, MeasuredLayer]] = []
    for on_four, on_eight in pairs:
        known = {_spec(layer, ""): layer for layer in on_eight.layers}
        for layer in on_four.layers:
            if (spec := _spec(layer, _EIGHT)) not in known:
                raise ValueError("a layer on four bits has no part on eight")
            both.append((layer, known[spec]))
    plain, looped = ([pair for pair in both if (_parts(pair[0]) > 1) == several] for several in (False, True))
    codes = [[a.code - b.code for a, b in found] for found in (plain, looped)]
    errors = np.concatenate([np.subtract(code, np.mean(code)) for code in codes])
    added = [
        Added(float(f"{np.mean(code):.5g}"), max(0, *(a.stack - b.stack for a, b in found)))
        for code, found in zip(codes, (plain, looped), strict=True)
    ]
    return Unpacking(
        cycles=fit([_features(a, b) for a, b in both], [a.cycles / b.cycles - _parts(a) for a, b in both], relative=False),
        added=added[0],
        added_with_loop=added[1],
        code_spread=float(f"{np.std(errors):.5g}"),
        function=float(max(program.routines[UNPACK] for program, _ in pairs)),
    )


_EIGHT = "eight."
"""Before the names of what describes the kernel on eight bits, see :class:`codegen.int4.Int4Spec`."""
_OF_WORK = "has "


def _spec(layer: MeasuredLayer, prefix: str) -> frozenset[tuple[str, float]]:
    """What describes the spec of the kernel on eight bits, without the trip counts."""
    described = layer.descriptors.items()
    return frozenset(
        (name.removeprefix(prefix), value) for name, value in described if name.startswith(prefix) and not name.startswith(_OF_WORK)
    )


def _parts(four: MeasuredLayer) -> float:
    return four.descriptors["parts"]


def _features(four: MeasuredLayer, eight: MeasuredLayer) -> Mapping[str, float]:
    return {"calls": _parts(four) / eight.cycles, "words": _parts(four) * four.descriptors["words"] / eight.cycles}
