"""Transposes moved to where fewer bytes are left, or into weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from codegen.ir import FullyConnected, Graph, Op, Reduction, Reshape, Tensor, Transpose
from codegen.passes._base import Pass
from codegen.passes._draft import Draft


class SinkTransposes(Pass):
    """A Transpose after a Transpose is one; before a reduction it moves behind it; before a matrix product of one row, also with
    Reshapes between, it is an order of the weights' columns."""

    name = "sink_transposes"

    def run(self, graph: Graph) -> Graph:
        draft = Draft(graph)
        pending = [op.name for op in graph.ops if isinstance(op, Transpose)]
        for name in pending:
            transpose = draft.named(name)
            if not isinstance(transpose, Transpose):
                continue
            for reader in draft.readers(transpose.output):
                if isinstance(reader, Transpose):
                    together = tuple(transpose.permutation[axis] for axis in reader.permutation)
                    draft.put(reader, replace(reader, inputs=transpose.inputs, permutation=together))
                elif isinstance(reader, Reduction):
                    pending.append(_reduce_first(draft, transpose, reader))
            _order_weights(draft, transpose)
        return draft.finish()


def _reduce_first(draft: Draft, transpose: Transpose, reduction: Reduction) -> str:
    """Reduce the same axes of what is transposed, then transpose what is left; the new Transpose's name."""
    x, y = draft[transpose.inputs[0]], draft[reduction.output]
    order = transpose.permutation
    axes = tuple(sorted(order[axis] for axis in reduction.axes))
    if reduction.keep_dims:
        shape = tuple(1 if axis in axes else d for axis, d in enumerate(x.shape))
        left = order
    else:
        kept = [axis for axis in range(len(x.shape)) if axis not in axes]
        shape = tuple(x.shape[axis] for axis in kept)
        left = tuple(kept.index(axis) for place, axis in enumerate(order) if place not in reduction.axes)
    reduced = draft.add(Tensor(f"{y.name}_reduced", shape, y.dtype, y.quantization))
    first = replace(reduction, inputs=(x.name,), output=reduced, axes=axes)
    name = draft.free_op_name(f"{reduction.name}_transpose")
    draft.put(reduction, first, Transpose(name=name, inputs=(reduced,), output=y.name, permutation=left))
    return name


def _order_weights(draft: Draft, transpose: Transpose) -> None:
    x, reader, last = draft[transpose.inputs[0]], _only_reader(draft, transpose), transpose.output
    while isinstance(reader, Reshape):
        last = reader.output
        reader = _only_reader(draft, reader)
    if not isinstance(reader, FullyConnected) or draft[last].quantization != x.quantization:
        return
    weight = draft[reader.weight]
    if weight.data is None or weight.shape[1] != x.size:
        return
    moved = np.arange(x.size).reshape(x.shape).transpose(transpose.permutation).reshape(-1)
    data = np.empty_like(weight.data)
    data[:, moved] = weight.data
    ordered = draft.add(replace(weight, name=f"{weight.name}_ordered", data=data))
    draft.put(reader, replace(reader, inputs=(x.name,), weight=ordered))


def _only_reader(draft: Draft, op: Op) -> Op | None:
    readers = draft.readers(op.output)
    return readers[0] if len(readers) == 1 and draft.read_only_by(op.output, readers[0]) else None
