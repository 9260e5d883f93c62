"""Operators on one image each where a model has a batch of them."""

from __future__ import annotations

from dataclasses import replace

from codegen.ir import Concatenation, Conv2D, DepthwiseConv2D, Graph, Pool2D, Slice
from codegen.passes._base import Pass
from codegen.passes._draft import Draft


class SplitBatches(Pass):
    """Convolutions and pools take one image. Those of a batch lie one behind the other: where they begin on words, taking them
    apart and joining the outputs costs nothing (see :mod:`codegen.views`). All images share the weights."""

    name = "split_batches"

    def run(self, graph: Graph) -> Graph:
        draft = Draft(graph)
        for op in graph.ops:
            if isinstance(op, Conv2D | DepthwiseConv2D | Pool2D) and graph[op.inputs[0]].shape[0] > 1:
                _split(op, draft)
        return draft.finish()


def _split(op: Conv2D | DepthwiseConv2D | Pool2D, draft: Draft) -> None:
    x, y = draft[op.inputs[0]], draft[op.output]
    count, *image = x.shape
    slices, parts = [], []
    for number in range(count):
        taken = draft.add(replace(x, name=f"{x.name}_{number}", shape=(1, *image), data=None))
        made = draft.add(replace(y, name=f"{y.name}_{number}", shape=(1, *y.shape[1:])))
        slices.append(
            Slice(
                name=draft.free_op_name(f"{op.name}_image_{number}"),
                inputs=(x.name,),
                output=taken,
                begin=(number, *(0 for _ in image)),
                size=(1, *image),
                strides=(1, *(1 for _ in image)),
            )
        )
        parts.append(replace(op, name=draft.free_op_name(f"{op.name}_{number}"), inputs=(taken,), output=made))
    joined = Concatenation(name=op.name, inputs=tuple(part.output for part in parts), output=y.name, axis=0)
    draft.put(op, *slices, *parts, joined)
