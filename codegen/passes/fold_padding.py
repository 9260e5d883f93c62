"""Padding that the window after it can do by itself."""

from __future__ import annotations

from dataclasses import replace

from codegen.ir import Conv2D, DepthwiseConv2D, Graph, MaxPool2D, Op, Pad, Padding
from codegen.passes._base import Pass
from codegen.passes._draft import Draft


class FoldPadding(Pass):
    """A convolution pads with its input's zero point, a maximum pool leaves outside cells out, which equals cells that are no
    greater than its clamp's lower end. An average pool would count the cells."""

    name = "fold_padding"

    def run(self, graph: Graph) -> Graph:
        draft = Draft(graph)
        for pad in graph.ops:
            if not isinstance(pad, Pad) or len(pad.amounts) != 4 or any(pad.amounts[0]) or any(pad.amounts[3]):
                continue
            x, padded = draft[pad.inputs[0]], draft[pad.output]
            if x.constant or x.quantization != padded.quantization:
                continue
            (top, bottom), (left, right) = pad.amounts[1:3]
            for op in draft.readers(padded.name):
                extent = _window(op, draft)
                if not isinstance(op, Conv2D | DepthwiseConv2D | MaxPool2D) or extent is None:
                    continue
                own = op.padding
                joint = Padding(own.top + top, own.bottom + bottom, own.left + left, own.right + right)
                fills = pad.value <= op.clamp[0] if isinstance(op, MaxPool2D) else pad.value == x.zero_point
                if fills and max(joint.top, joint.bottom) < extent[0] and max(joint.left, joint.right) < extent[1]:
                    draft.put(op, replace(op, inputs=(x.name,), padding=joint))
        return draft.finish()


def _window(op: Op, draft: Draft) -> tuple[int, int] | None:
    """Height and width that a window spans in its input."""
    match op:
        case Conv2D() | DepthwiseConv2D():
            _, rows, columns, _ = draft[op.weight].shape
            return (rows - 1) * op.dilation[0] + 1, (columns - 1) * op.dilation[1] + 1
        case MaxPool2D():
            return op.window
        case _:
            return None
