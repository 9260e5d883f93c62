"""Operators that call every function that layers of search spaces share.

What a shared function takes of code and stack follows little from its few numbers: one that no calibration met is the worst
surprise that a prediction can hold. There are some two hundred, so calibration meets them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.ir import DepthwiseConv2D, Graph, Padding, Tensor, output_shape
from codegen.optimize import Optimize

STRIDES = (1, 2)
WIDEST = 64
"""Rows of more pixels call what shorter ones call."""
CALLS = ((4, 6), (6, 8), (12, 20))
"""Rows and channels of the operators that call a function: one operator for each."""


def covering_operators(kernels: Sequence[tuple[int, int]], core: str, optimize: Optimize) -> list[Graph]:
    """Depthwise convolutions with these kernels, padded by half of them, as shape-only graphs: for every function that such layers
    share, the narrowest ones that call it."""
    met: Counter[str] = Counter()
    found = []
    for kernel in kernels:
        for stride in STRIDES:
            for width in range(1, WIDEST + 1):
                for rows, channels in CALLS:
                    graph = _depthwise(kernel, stride, (rows if kernel[0] > 1 else 1, width), channels)
                    called = [
                        name for s in lay_out(graph, CORES[core], optimize).selections for name in s.kernel.shared_functions(s.spec)
                    ]
                    if any(met[name] < len(CALLS) for name in called):
                        met.update(called)
                        found.append(graph)
    return found


def _depthwise(kernel: tuple[int, int], stride: int, size: tuple[int, int], channels: int) -> Graph:
    tensors = [
        Tensor("x", (1, *size, channels)),
        Tensor("w", (1, *kernel, channels), constant=True),
        Tensor("b", (channels,), "int32", constant=True),
    ]
    padding = Padding(kernel[0] // 2, kernel[0] // 2, kernel[1] // 2, kernel[1] // 2)
    op = DepthwiseConv2D(name="depthwise", inputs=("x",), output="y", weight="w", bias="b", strides=(1, stride), padding=padding)
    graph = Graph("depthwise", {t.name: t for t in tensors}, (op,), ("x",), ("y",))
    shape = output_shape(op, graph)
    assert shape is not None, "half a kernel of padding lets it fit"
    return Graph(graph.name, {**graph.tensors, "y": Tensor("y", shape)}, graph.ops, graph.inputs, graph.outputs).validate()
