"""What programs take: sounds, and windows, vectors and images as they were recorded; and what their networks see of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.features import FrontEnd, Preprocessing, RawInput
from codegen.features.raw_input import Form, RawType
from codegen.ir import Graph
from nas.datasets import Dataset, Kind, Normalization
from nas.inputs.spectrograms import clips, network_form

FORMS: Mapping[Kind, Form] = {"series": "window", "vector": "values", "image": "image"}
RAW_TYPES: Mapping[str, RawType] = {"float32": "float32", "int16": "int16", "uint8": "uint8"}
NOMINAL_SCALE = 1 / 32
"""Of a network's input whose range is not known yet; what raw input costs does not depend on it."""


def raw_input(dataset: Dataset, scale: float, zero_point: int) -> RawInput | None:
    """What makes the input, with ``scale`` and ``zero_point``, of networks for ``dataset``; None where it is sound, or nobody knows
    how it was recorded."""
    norm, dtype = dataset.normalization, RAW_TYPES.get(dataset.stored.dtype.name)
    if norm is None or dtype is None or dataset.kind not in FORMS:
        return None
    offset, gain = (tuple(values.astype(float).tolist()) for values in (norm.offset, norm.scale))
    return RawInput(FORMS[dataset.kind], dtype, dataset.input_shape, offset, gain, scale, zero_point)


def raw_input_of(dataset: Dataset, graph: Graph) -> RawInput | None:
    """The same for a finished network."""
    tensor = graph[graph.inputs[0]]
    return raw_input(dataset, tensor.scale, tensor.zero_point)


@dataclass(frozen=True)
class RawInputs:
    """What stands before every network for some data, before the range of its input is known: enough to tell what it costs."""

    nominal: RawInput

    def __call__(self, taken: object) -> Preprocessing:
        """The same, whatever a network takes."""
        return self.nominal


def raw_inputs_for(dataset: Dataset) -> RawInputs | None:
    """Those for ``dataset``, if it has raw numbers other than sound."""
    scale, zero_point = NOMINAL_SCALE, 0
    if (grid := dataset.grid) is not None:
        low, high = grid
        scale = (high - low) / 255
        zero_point = round(-128 - low / scale)
    found = raw_input(dataset, scale, zero_point)
    return None if found is None else RawInputs(found)


def program_form(dataset: Dataset, front_end: Preprocessing | None) -> Dataset:
    """``dataset`` as an int8 network sees it in a program: the bytes that ``front_end`` makes, with their grid. Without one it is
    left as it is."""
    if not isinstance(front_end, RawInput):
        return network_form(dataset, front_end)
    stored = front_end(dataset.stored)
    grid = Normalization(np.array([front_end.zero_point], np.float32), np.array([front_end.scale], np.float32))
    return dataclasses.replace(dataset, stored=stored, normalization=grid)


def program_inputs(dataset: Dataset, front_end: Preprocessing) -> NDArray[Any]:
    """What a built program is run on, ``(N, size)``: sounds, or numbers as they were recorded."""
    if isinstance(front_end, FrontEnd):
        return clips(dataset)[:, : front_end.samples]
    return dataset.stored.reshape(len(dataset), -1)
