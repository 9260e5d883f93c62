"""What it costs that a layer's weights have four bits: the call that unpacks them (:mod:`codegen.int4`).

Everything else is as it is of weights of eight bits, so calibration builds the same layers in both forms and looks at the
differences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from codegen.int4 import UNPACK, Int4Kernel, Int4Spec
from cost_models.costs import LayerCosts
from cost_models.measured import MeasuredLayer, MeasuredProgram
from cost_models.regression import Linear, fit

WORD_BYTES = 4


@dataclass(frozen=True, slots=True)
class Unpacking:
    """``cycles`` of a call, linear in ``calls`` (1) and ``words`` of 32 bits; bytes of ``code`` that it adds to the layer's
    function, off by about ``code_spread``, and at most of ``stack``; ``function``: bytes of the routine that all layers call."""

    cycles: Linear
    code: float
    code_spread: float
    stack: int
    function: float

    def added_to(self, eight: LayerCosts, kernel: Int4Kernel, spec: Int4Spec) -> LayerCosts:
        """Costs of a layer on weights of four bits, from those on ``eight``.

        What is read of the other constants stays; all of them are read equally often, as long as weights lie in flash.
        """
        constants = kernel.constant_bytes(spec)
        others = (constants - WORD_BYTES * spec.words) / eight.constants
        return eight._replace(
            cycles=eight.cycles + self.cycles({"calls": 1.0, "words": float(spec.words)}),
            reads=eight.reads * others + WORD_BYTES * spec.words,
            code=eight.code + self.code,
            code_spread=math.hypot(eight.code_spread, self.code_spread),
            constants=constants,
            stack=eight.stack + self.stack,
            calls=(*eight.calls, UNPACK),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "cycles": dict(self.cycles.coefficients),
            "code": self.code,
            "code_spread": self.code_spread,
            "stack": self.stack,
            "function": self.function,
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Unpacking:
        """The inverse of :meth:`to_json`."""
        return Unpacking(**{**content, "cycles": Linear(content["cycles"])})


def fit_unpacking(pairs: Sequence[tuple[MeasuredProgram, MeasuredProgram]]) -> Unpacking:
    """From programs of the same layers, on weights of four bits and of eight.

    With weights elsewhere the compiler now and then fits registers otherwise, which makes a percent of a layer's cycles: errors
    count relative to these.

    :raises ValueError: if layers of a pair differ in more than that.
    """
    both: list[tuple[MeasuredLayer, MeasuredLayer]] = []
    for on_four, on_eight in pairs:
        of_shape = {layer.shape: layer for layer in on_eight.layers}
        if set(of_shape) != {layer.shape for layer in on_four.layers}:
            raise ValueError("programs on four and on eight bits have other layers")
        both += [(layer, of_shape[layer.shape]) for layer in on_four.layers]
    code = [a.code - b.code for a, b in both]
    return Unpacking(
        cycles=fit([_features(a, b) for a, b in both], [a.cycles / b.cycles - 1 for a, b in both], relative=False),
        code=float(f"{np.mean(code):.5g}"),
        code_spread=float(f"{np.std(code):.5g}"),
        stack=max(0, *(a.stack - b.stack for a, b in both)),
        function=float(max(program.routines[UNPACK] for program, _ in pairs)),
    )


def _features(four: MeasuredLayer, eight: MeasuredLayer) -> Mapping[str, float]:
    return {"calls": 1 / eight.cycles, "words": four.descriptors["words"] / eight.cycles}
