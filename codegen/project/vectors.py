"""A handful of inputs with their outputs: chosen, written as ``test/vectors.h`` and read back from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codegen.c_text import C_TYPES, initializer
from codegen.ir import Graph
from codegen.project.borders import borders
from codegen.project.templates import render
from codegen.samples import Arrays, fit_inputs, sample_shape

if TYPE_CHECKING:
    from codegen.compile import CompiledModel
    from codegen.features import Preprocessing

MOST_VECTORS = 8
SAMPLES = "samples"
"""What raw inputs, such as sounds, are called in ``test/vectors.h``."""
_MOST_BYTES = 64 * 1024
_INDENT = "    "
_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"


@dataclass(frozen=True, slots=True)
class Vectors:
    """Inputs of the vectors: per graph input ``(n, *sample shape)``, and the raw ``samples`` ``(n, size)`` that they come of, where
    the model has a front end."""

    inputs: Mapping[str, NDArray[Any]]
    samples: NDArray[Any] | None = None


def choose(model: CompiledModel, given: Arrays | None) -> Vectors:
    """Inputs for the vectors: the first of ``given``, as many as are a handful. Of a model with a front end these are raw.

    Without ``given``: both ends of the range, a ramp and two random inputs, always the same ones.

    :raises UserError: if ``given`` does not fit the model's inputs.
    """
    graph, front_end = model.graph, model.front_end
    if front_end is None:
        return Vectors(_chosen_inputs(graph, given))
    raw = front_end.made_up() if given is None else front_end.fit(given, "test vectors")[: _handful(_raw_bytes(front_end))]
    return Vectors({graph.inputs[0]: front_end(raw)}, raw)


def _chosen_inputs(graph: Graph, given: Arrays | None) -> dict[str, NDArray[Any]]:
    if given is None:
        tensors = {name: graph[name] for name in graph.inputs}
        return {name: _made_up(t.size).astype(t.dtype).reshape(-1, *sample_shape(t)) for name, t in tensors.items()}
    fitted = fit_inputs(graph, given, "test vectors")
    most = _handful(max(graph[name].nbytes for name in graph.inputs))
    return {name: array[:most] for name, array in fitted.items()}


def _raw_bytes(front_end: Preprocessing) -> int:
    return front_end.raw_size * front_end.raw_type.itemsize


def _handful(nbytes: int) -> int:
    """How many inputs of so many bytes."""
    return min(MOST_VECTORS, max(2, _MOST_BYTES // nbytes))


def _made_up(size: int) -> NDArray[np.int8]:
    random = np.random.default_rng(0).integers(-128, 128, (2, size))
    ramp = np.arange(size) * 255 // max(size - 1, 1) - 128
    return np.stack([np.full(size, -128), np.full(size, 127), ramp, *random]).astype(np.int8)


def expected_outputs(graph: Graph, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Outputs of the numpy reference for a batch of inputs, per graph output ``(n, *sample shape)``."""
    from codegen.reference import run

    return run(graph, inputs)


def vectors_header(model: CompiledModel, vectors: Vectors) -> str:
    """``test/vectors.h``: of a model with a front end the samples instead of the inputs that come of them."""
    values = {**vectors.inputs, **expected_outputs(model.graph, vectors.inputs)}
    sides = borders(model.graph, model.plan.offsets)
    shown = [b for b in sides if vectors.samples is None or b.direction == "output"]
    arrays = [_array(b.label, values[b.tensor.name].reshape(-1, *b.tensor.shape), model.name) for b in shown]
    if vectors.samples is not None:
        arrays.insert(0, _array(SAMPLES, vectors.samples, model.name))
    return render("vectors.h", m=model.name, M=model.name.upper(), count=vector_count(vectors), arrays="\n\n".join(arrays))


def vector_count(vectors: Vectors) -> int:
    """How many vectors there are."""
    return len(next(iter(vectors.inputs.values())))


def vector_bytes(model: CompiledModel, vectors: Vectors) -> int:
    """Bytes of the arrays in ``test/vectors.h``."""
    given = vectors.inputs.values() if vectors.samples is None else [vectors.samples]
    outputs = sum(model.graph[name].nbytes for name in model.graph.outputs)
    return sum(array.nbytes for array in given) + vector_count(vectors) * outputs


def _array(label: str, values: NDArray[Any], name: str) -> str:
    rows = [f"{_INDENT}{initializer(row, 2 * _INDENT)}," for row in values]
    size = f"[{name.upper()}_VECTOR_COUNT][{values[0].size}]"
    return f"static const {C_TYPES[values.dtype.name]} {name}_vector_{label}{size} = {{\n" + "\n".join(rows) + "\n};"


def read_inputs(text: str, name: str, graph: Graph) -> dict[str, NDArray[Any]]:
    """The inputs in the text of ``test/vectors.h``, as :func:`choose` gave them.

    :raises ValueError: if they are not there in whole.
    """
    found = {}
    for i, tensor_name in enumerate(graph.inputs):
        tensor = graph[tensor_name]
        label = "input" if len(graph.inputs) == 1 else f"input_{i}"
        found[tensor_name] = _read_array(text, name, label, tensor.dtype, tensor.size).reshape(-1, *sample_shape(tensor))
    if len({len(array) for array in found.values()}) != 1:
        raise ValueError("a different number of vectors per input")
    return found


def read_samples(text: str, name: str, front_end: Preprocessing) -> NDArray[Any]:
    """The raw samples in the text of ``test/vectors.h``, ``(n, size)``, as :func:`choose` gave them.

    :raises ValueError: if they are not there in whole.
    """
    return _read_array(text, name, SAMPLES, front_end.raw_type.name, front_end.raw_size)


def _read_array(text: str, name: str, label: str, dtype: str, size: int) -> NDArray[Any]:
    pattern = rf"static const {C_TYPES[dtype]} {name}_vector_{label}\[\w+\]\[{size}\] = \{{(.*?)\}};"
    array = re.search(pattern, text, re.DOTALL)
    numbers = [float(number) for number in re.findall(_NUMBER, array[1])] if array else []
    if not numbers or len(numbers) % size:
        raise ValueError(f"no vectors for {label}")
    return np.array(numbers).astype(dtype).reshape(-1, size)


def self_test_source(model: CompiledModel) -> str:
    """``test/<m>_self_test.c``."""
    name, front_end = model.name, model.front_end
    sides = borders(model.graph, model.plan.offsets)
    copies = [
        f"            copy_bytes({name}_{b.label}(arena), {name}_vector_{b.label}[v], sizeof {name}_vector_{b.label}[v]);"
        for b in sides
        if b.direction == "input" and front_end is None
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
        header=f"{name}.h" if front_end is None else f"{name}_{front_end.noun}.h",
        copy=render("copy_bytes.c") if front_end is None else "",
        copies="\n".join(["        if (arena != NULL) {", *copies, "        }", ""]) if front_end is None else "",
        run=f"{name}_run(arena)" if front_end is None else f"{name}_{front_end.entry}(arena, {name}_vector_{SAMPLES}[v])",
        comparisons="\n            || ".join(comparisons),
    )
