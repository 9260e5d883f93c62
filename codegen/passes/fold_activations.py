"""Activations and changes of zero point that the operator before them can do by its clamp."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from codegen.ir import Clamped, Graph, Pool2D
from codegen.passes._base import Pass
from codegen.passes._bytes import UNARY, mapping
from codegen.passes._draft import Draft


class FoldActivations(Pass):
    """An operator that maps each byte ``x`` to ``clip(x + d)`` is folded if the operator before it has this one reader, requantises
    to the same scale, and adds its output's zero point last, so that ``d`` can be added along with it; pools add none."""

    name = "fold_activations"

    def run(self, graph: Graph) -> Graph:
        draft = Draft(graph)
        for op in graph.ops:
            if not isinstance(op, UNARY):
                continue
            x, y = draft[op.inputs[0]], draft[op.output]
            producer, found = draft.producer(x.name), mapping(op, draft)
            if found is None or not isinstance(producer, Clamped) or not draft.read_only_by(x.name, op):
                continue
            difference = y.zero_point - x.zero_point
            if x.scale != y.scale or (difference and isinstance(producer, Pool2D)):
                continue
            before, after = found
            low, high = int(after[0]), int(after[-1])
            if low <= high and np.array_equal(after, np.clip(before + difference, low, high)):
                draft.put(op)
                draft.put(producer, replace(producer, output=y.name, clamp=(low, high)))
        return draft.finish()
