"""Arrays that people hand in as inputs or outputs of a network, brought into the form the rest works with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.ir import Graph, Tensor

Arrays: TypeAlias = "NDArray[Any] | Mapping[str, NDArray[Any]]"
"""One array where there is one input (or output), else an array per name; ``(n, *sample shape)``."""


def sample_shape(tensor: Tensor) -> tuple[int, ...]:
    """Shape of one sample of an input or output: without its batch axis, where it has one."""
    return tensor.shape[1:] if tensor.shape[:1] == (1,) else tensor.shape


def quantize(values: NDArray[np.float32], scale: float, zero_point: int) -> NDArray[np.int8]:
    """Real values as int8, exactly as ``<m>_quantize_input`` does: float32 division, ties away from zero, saturated; NaN gives the
    zero point."""
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.clip(np.asarray(values, np.float32) / np.float32(scale), np.float32(-256), np.float32(256))
    exact = np.where(np.isnan(steps), np.float32(0), steps).astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(exact) + 0.5), exact)
    stored: NDArray[np.int8] = np.clip(rounded + zero_point, -128, 127).astype(np.int8)
    return stored


def fit_inputs(graph: Graph, inputs: Arrays, what: str) -> dict[str, NDArray[Any]]:
    """``inputs`` by name, each ``(n, *sample shape)`` of the tensor's dtype; float32 is quantized.

    :param what: names the arrays in messages, for example ``--inputs``.
    :raises UserError: if an array is missing, has another dtype or does not fit the input's shape.
    """
    fitted = {}
    for name, array in _by_name(graph.inputs, inputs, what).items():
        tensor = graph[name]
        samples = _samples(array, tensor, what)
        if samples.dtype == np.float32 and tensor.dtype == "int8" and tensor.quantization is not None:
            samples = quantize(samples, tensor.scale, tensor.zero_point)
        elif samples.dtype != np.dtype(tensor.dtype):
            raise UserError(f"{what}: the array is {samples.dtype}, input {name!r} takes {tensor.dtype} or float32")
        fitted[name] = samples
    counts = {len(array) for array in fitted.values()}
    if len(counts) != 1 or 0 in counts:
        raise UserError(f"{what}: give the same number of samples, at least one, for every input")
    return fitted


def fit_outputs(graph: Graph, outputs: Arrays, count: int, what: str) -> dict[str, NDArray[Any]]:
    """``outputs`` by name, each ``(count, *sample shape)`` of the tensor's dtype.

    :raises UserError: if an array is missing, has another dtype, does not fit the output's shape or holds another count.
    """
    fitted = {}
    for name, array in _by_name(graph.outputs, outputs, what).items():
        samples = _samples(array, graph[name], what)
        if samples.dtype != np.dtype(graph[name].dtype):
            raise UserError(f"{what}: the array is {samples.dtype}, output {name!r} is {graph[name].dtype}")
        if len(samples) != count:
            raise UserError(f"{what}: holds {len(samples)} outputs for {count} inputs")
        fitted[name] = samples
    return fitted


def _by_name(names: Sequence[str], arrays: Arrays, what: str) -> dict[str, NDArray[Any]]:
    if isinstance(arrays, Mapping):
        if set(arrays) != set(names):
            raise UserError(f"{what}: names {', '.join(sorted(arrays))}, the network has {', '.join(names)}")
        return {name: np.asarray(arrays[name]) for name in names}
    if len(names) != 1:
        raise UserError(f"{what}: the network has {len(names)} of them ({', '.join(names)}); give an array for each by name")
    return {names[0]: np.asarray(arrays)}


def _samples(array: NDArray[Any], tensor: Tensor, what: str) -> NDArray[Any]:
    """``array`` as ``(n, *sample shape)``: a batch of samples, each in whatever shape, or a single one."""
    shape = sample_shape(tensor)
    if array.ndim and array.size == len(array) * tensor.size:
        return array.reshape(len(array), *shape)
    if array.size == tensor.size:
        return array.reshape(1, *shape)
    raise UserError(f"{what}: the array has the shape {list(array.shape)}, should be {['n', *shape]}".replace("'", ""))
