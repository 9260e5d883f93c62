"""A handful of inputs with their outputs: chosen, written as ``test/vectors.h`` and read back from it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Graph
from codegen.project.borders import Border, borders
from codegen.project.c_text import C_TYPES, initializer
from codegen.project.rendering import render
from codegen.samples import Arrays, fit_inputs, sample_shape

if TYPE_CHECKING:
    from codegen.compile import CompiledModel

MOST_VECTORS = 8
_MOST_BYTES = 64 * 1024
_INDENT = "    "
_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"


def choose(graph: Graph, given: Arrays | None) -> dict[str, NDArray[Any]]:
    """Inputs for the vectors, per graph input ``(n, *sample shape)``: the first of ``given``, as many as are a handful.

    Without ``given``: both ends of the range, a ramp and two random inputs, always the same ones.

    :raises UserError: if ``given`` does not fit the graph's inputs.
    """
    if given is None:
        tensors = {name: graph[name] for name in graph.inputs}
        return {name: _made_up(t.size).astype(t.dtype).reshape(-1, *sample_shape(t)) for name, t in tensors.items()}
    fitted = fit_inputs(graph, given, "test vectors")
    largest = max(graph[name].nbytes for name in graph.inputs)
    most = min(MOST_VECTORS, max(2, _MOST_BYTES // largest))
    return {name: array[:most] for name, array in fitted.items()}


def _made_up(size: int) -> NDArray[np.int8]:
    random = np.random.default_rng(0).integers(-128, 128, (2, size))
    ramp = np.arange(size) * 255 // max(size - 1, 1) - 128
    return np.stack([np.full(size, -128), np.full(size, 127), ramp, *random]).astype(np.int8)


def expected_outputs(graph: Graph, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Outputs of the numpy reference for a batch of inputs, per graph output ``(n, *sample shape)``."""
    from codegen.reference import run

    return run(graph, inputs)


def vectors_header(model: CompiledModel, inputs: Mapping[str, NDArray[Any]]) -> str:
    """``test/vectors.h``."""
    values = {**inputs, **expected_outputs(model.graph, inputs)}
    sides = borders(model.graph, model.plan.offsets)
    return render(
        "vectors.h",
        m=model.name,
        M=model.name.upper(),
        count=vector_count(inputs),
        arrays="\n\n".join(_array(border, values[border.tensor.name], model.name) for border in sides),
    )


def vector_count(inputs: Mapping[str, NDArray[Any]]) -> int:
    """How many vectors there are."""
    return len(next(iter(inputs.values())))


def _array(border: Border, values: NDArray[Any], name: str) -> str:
    tensor = border.tensor
    rows = [f"{_INDENT}{initializer(row.reshape(tensor.shape), 2 * _INDENT)}," for row in values]
    size = f"[{name.upper()}_VECTOR_COUNT][{tensor.size}]"
    return f"static const {border.c_type} {name}_vector_{border.label}{size} = {{\n" + "\n".join(rows) + "\n};"


def read_inputs(text: str, name: str, graph: Graph) -> dict[str, NDArray[Any]]:
    """The inputs in the text of ``test/vectors.h``, as :func:`choose` gave them.

    :raises ValueError: if they are not there in whole.
    """
    found = {}
    for i, tensor_name in enumerate(graph.inputs):
        tensor = graph[tensor_name]
        label = "input" if len(graph.inputs) == 1 else f"input_{i}"
        pattern = rf"static const {C_TYPES[tensor.dtype]} {name}_vector_{label}\[\w+\]\[{tensor.size}\] = \{{(.*?)\}};"
        array = re.search(pattern, text, re.DOTALL)
        numbers = [float(number) for number in re.findall(_NUMBER, array[1])] if array else []
        if not numbers or len(numbers) % tensor.size:
            raise ValueError(f"no vectors for {label}")
        found[tensor_name] = np.array(numbers).astype(tensor.dtype).reshape(-1, *sample_shape(tensor))
    if len({len(array) for array in found.values()}) != 1:
        raise ValueError("a different number of vectors per input")
    return found


def self_test_source(model: CompiledModel, sides: Sequence[Border]) -> str:
    """``test/<m>_self_test.c``."""
    name = model.name
    copies = [
        f"            copy_bytes({name}_{b.label}(arena), {name}_vector_{b.label}[v], sizeof {name}_vector_{b.label}[v]);"
        for b in sides
        if b.direction == "input"
    ]
    comparisons = [
        f"!equal_bytes({name}_{b.label}(arena), {name}_vector_{b.label}[v], sizeof {name}_vector_{b.label}[v])"
        for b in sides
        if b.direction == "output"
    ]
    return render(
        "self_test.c",
        m=name,
        M=name.upper(),
        copies="\n".join(copies),
        comparisons="\n            || ".join(comparisons),
    )
