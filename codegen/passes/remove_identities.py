"""Operators that leave every byte where and as it is."""

from __future__ import annotations

import numpy as np

from codegen.ir import Concatenation, Graph, Op, Pad, Pool2D, Reshape, ResizeNearestNeighbor, Slice, Transpose
from codegen.passes._base import Pass
from codegen.passes._bytes import mapping
from codegen.passes._draft import Draft


class RemoveIdentities(Pass):
    """One whose output has another shape or quantization than its input, or cannot go because both ends belong to the graph's
    interface, becomes a Reshape, which costs nothing. Of a chain of Reshapes the last one is enough."""

    name = "remove_identities"

    def run(self, graph: Graph) -> Graph:
        draft = Draft(graph)
        for name in [op.name for op in graph.ops]:
            op = draft.named(name)
            if op is None or not (isinstance(op, Reshape) or _keeps_bytes(op, draft)):
                continue
            x, y = draft[op.inputs[0]], draft[op.output]
            if x.shape == y.shape and x.quantization == y.quantization and draft.bypass(op):
                continue
            before = draft.producer(x.name)
            if isinstance(before, Reshape):
                draft.put(op, Reshape(name=op.name, inputs=before.inputs, output=op.output))
            elif not isinstance(op, Reshape):
                draft.put(op, Reshape(name=op.name, inputs=op.inputs, output=op.output))
        return draft.finish()


def _keeps_bytes(op: Op, draft: Draft) -> bool:
    shape = draft[op.inputs[0]].shape
    match op:
        case Slice():
            return op.size == shape and all(n == 1 or step == 1 for n, step in zip(op.size, op.strides, strict=True))
        case Pad():
            return not any(before or after for before, after in op.amounts)
        case Transpose():
            moved = [axis for axis in op.permutation if shape[axis] > 1]
            return moved == sorted(moved)
        case Concatenation():
            return len(op.inputs) == 1
        case ResizeNearestNeighbor():
            return shape == draft[op.output].shape
        case Pool2D():
            return op.window == op.strides == (1, 1) and op.clamp == (-128, 127)
        case _:
            found = mapping(op, draft)
            return found is not None and np.array_equal(*found)
