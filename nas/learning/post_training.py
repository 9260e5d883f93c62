"""Post-training quantisation of a person's own torch module, and how well its int8 form agrees with it.

Ranges of activations are those of the calibration data; nothing is trained. The scheme and the search for them are those of
:mod:`codegen.importers`. Signal to quantisation noise: 10 log10 of the power of the float values over that of the difference
(A. Oppenheim, R. Schafer, "Discrete-Time Signal Processing", section 4.8); 20 dB is an error of a tenth, 40 dB of a hundredth.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from codegen import reference
from codegen.errors import UserError
from codegen.importers.torch_network import QuantizedNetwork, prepare, to_graph
from codegen.ir import Graph
from nas.evenly_spaced import evenly_spaced
from nas.learning.quantization import OBSERVATION_BATCH, quantize_input

if TYPE_CHECKING:
    from codegen.int4 import WeightBits

    Batch: TypeAlias = "torch.Tensor | NDArray[Any]"

MOST_EXAMPLES = 4096
"""Examples that are taken from batches at most: ranges hardly change after a thousand."""
COMPARED = 256
"""Examples on which float and int8 are compared at most, at equal distances."""
STEP = 32
MEASURED = 16
"""Examples that the built program is run on."""


@dataclass(frozen=True, slots=True)
class LayerAgreement:
    """How well an int8 layer agrees with the float one: signal to quantisation noise of its output in dB, where every layer up to
    it is int8 (``sqnr_db``) and where it alone is (``own_sqnr_db``). ``inf``: equal."""

    name: str
    operator: str
    sqnr_db: float
    own_sqnr_db: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well the int8 network agrees with the float module on ``examples`` of the calibration data.

    ``sqnr_db`` is the signal to quantisation noise of the output in dB: over 20 is usual, under 10 bad. ``same_answer`` is the
    fraction of examples (0..1) with the greatest output in the same place, None where there is one output only. ``worst`` is the
    layer that adds most noise on its own, the first to look at.
    """

    examples: int
    sqnr_db: float
    same_answer: float | None
    worst: LayerAgreement
    layers: tuple[LayerAgreement, ...] = field(repr=False)

    def __str__(self) -> str:
        same = "" if self.same_answer is None else f", the same answer for {self.same_answer:.1%}"
        return (
            f"int8 against float on {self.examples} examples: {self.sqnr_db:.1f} dB{same}; "
            f"worst layer {self.worst.name} ({self.worst.operator}), {self.worst.own_sqnr_db:.1f} dB on its own"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; null where float and int8 are equal or there is no answer to compare."""

        def number(value: float | None) -> float | None:
            return None if value is None or not math.isfinite(value) else round(value, 4)

        def about(layer: LayerAgreement) -> dict[str, Any]:
            figures = {"sqnr_db": number(layer.sqnr_db), "own_sqnr_db": number(layer.own_sqnr_db)}
            return {"name": layer.name, "op": layer.operator, **figures}

        return {
            "examples": self.examples,
            "sqnr_db": number(self.sqnr_db),
            "same_answer": number(self.same_answer),
            "worst": self.worst.name,
            "layers": [about(layer) for layer in self.layers],
        }


@dataclass(frozen=True, slots=True)
class QuantizedModule:
    """The int8 ``graph`` of a module, its ``agreement`` with it, and int8 ``inputs`` ``(n, ...)`` from the calibration data."""

    graph: Graph
    agreement: Agreement
    inputs: NDArray[np.int8]


def quantize_module(module: nn.Module, calibration_data: object, name: str, weight_bits: WeightBits = 8) -> QuantizedModule:
    """The int8 form of ``module`` with ranges from ``calibration_data``; ``module`` itself stays as it is.

    Weights of wide layers have ``weight_bits``, rounded at the scale that leaves the least squared error.

    :param calibration_data: real float32 inputs as the module takes them, ``(N, C, H, W)``, ``(N, C, L)`` or ``(N, F)``: an array,
        a tensor, or batches of either, alone or first of a tuple as a ``DataLoader`` gives them.
    :raises UserError: if there are no such inputs, the module does not take them, or an operation of it has no int8 form; the
        message names the first.
    """
    x = read_calibration(calibration_data)
    network = prepare(module, _graph_shape(x), weight_bits).eval()
    network.observe()
    with torch.no_grad():
        for begin in range(0, len(x), OBSERVATION_BATCH):
            network(x[begin : begin + OBSERVATION_BATCH])
    graph = to_graph(network, name)
    agreement = _agreement(module, network, graph, x[evenly_spaced(len(x), COMPARED)])
    return QuantizedModule(graph, agreement, quantize_input(graph, _to_graph_layout(x[evenly_spaced(len(x), MEASURED)])))


def read_calibration(data: object) -> torch.Tensor:
    """The examples of ``data`` (see :func:`quantize_module`) as one float32 tensor on the CPU.

    :raises UserError: saying what is wrong with them.
    """
    if isinstance(data, (torch.Tensor, np.ndarray)):
        x = _tensor(data)
    elif isinstance(data, Iterable) and not isinstance(data, (str, bytes, dict)):
        parts = list(_batches(data))
        if not parts:
            raise UserError("calibration_data: holds no batches; give some hundred inputs")
        if len({part.shape[1:] for part in parts}) > 1:
            raise UserError("calibration_data: batches hold inputs of different shapes; give inputs of one shape")
        x = torch.cat(parts)
    else:
        raise UserError(f"calibration_data: {type(data).__name__} is no array, tensor or batches of them")
    if x.ndim not in (2, 3, 4) or 0 in x.shape:
        raise UserError(
            f"calibration_data: of shape {tuple(x.shape)}; give inputs as the module takes them: (N, C, H, W), (N, C, L) or (N, F)"
        )
    if not bool(torch.isfinite(x).all()):
        raise UserError("calibration_data: holds numbers that are not finite")
    return x


def _batches(data: Iterable[Any]) -> Iterator[torch.Tensor]:
    taken = 0
    for item in data:
        batch = _tensor(item[0] if isinstance(item, (tuple, list)) and item else item)
        yield batch
        taken += len(batch) if batch.ndim else 0
        if taken >= MOST_EXAMPLES:
            return


def _tensor(batch: object) -> torch.Tensor:
    if isinstance(batch, np.ndarray) and batch.dtype.kind == "f":
        batch = torch.from_numpy(np.array(batch, dtype=np.float32))  # a copy: what is mapped from a file may be read-only
    if not isinstance(batch, torch.Tensor) or not batch.is_floating_point():
        what = f"of {batch.dtype}" if isinstance(batch, (torch.Tensor, np.ndarray)) else f"a {type(batch).__name__}"
        raise UserError(f"calibration_data: inputs are {what}; give float32 numbers, as the module takes them")
    return batch.detach().cpu().to(torch.float32)


def _graph_shape(x: torch.Tensor) -> tuple[int, ...]:
    """The shape of one input with channels last."""
    channels, *size = x.shape[1:]
    return (*size, channels)


def _to_graph_layout(x: torch.Tensor) -> NDArray[np.float32]:
    """``(N, C, H, W)`` → ``(N, H, W, C)``, ``(N, C, L)`` → ``(N, 1, L, C)``; vectors stay."""
    if x.ndim == 3:
        x = x.unsqueeze(2)
    array: NDArray[np.float32] = (x.permute(0, 2, 3, 1) if x.ndim == 4 else x).contiguous().numpy()
    return array


class _Noise:
    """Power of a signal and of the noise on it, summed over batches."""

    def __init__(self) -> None:
        self._signal = self._noise = 0.0

    def add(self, signal: torch.Tensor, noisy: torch.Tensor) -> None:
        self._signal += float(signal.double().square().sum())
        self._noise += float((signal.double() - noisy.double()).square().sum())

    @property
    def decibels(self) -> float:
        if self._noise == 0:
            return math.inf
        return 10 * math.log10(self._signal / self._noise) if self._signal else -math.inf


def _agreement(module: nn.Module, network: QuantizedNetwork, graph: Graph, x: torch.Tensor) -> Agreement:
    original = copy.deepcopy(module).cpu().eval()
    output, same, answers = _Noise(), 0, 1
    layers = [(_Noise(), _Noise()) for _ in graph.ops]
    result = graph[graph.outputs[0]]
    for begin in range(0, len(x), STEP):
        batch = x[begin : begin + STEP]
        with torch.no_grad():
            wanted = torch.as_tensor(_to_graph_layout(original(batch)))
            for (noise, own), outputs in zip(layers, network.compare(batch), strict=True):
                noise.add(outputs.float, outputs.int8)
                own.add(outputs.float, outputs.alone)
        stored = reference.run(graph, {graph.inputs[0]: quantize_input(graph, _to_graph_layout(batch))})[graph.outputs[0]]
        given = torch.from_numpy((stored.astype(np.float32) - result.zero_point) * np.float32(result.scale)).reshape(wanted.shape)
        output.add(wanted, given)
        answers = wanted[0].numel()
        same += int((wanted.flatten(1).argmax(1) == given.flatten(1).argmax(1)).sum())
    found = tuple(
        LayerAgreement(op.name, op.kind, noise.decibels, own.decibels) for op, (noise, own) in zip(graph.ops, layers, strict=True)
    )
    worst = min(found, key=lambda layer: layer.own_sqnr_db)
    return Agreement(len(x), output.decibels, same / len(x) if answers > 1 else None, worst, found)
