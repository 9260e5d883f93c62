"""From a trained float network to its int8 graph, and what the graph gives on data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from codegen import reference
from codegen.anomaly import AnomalyDetector
from codegen.importers.torch_network import QuantizedNetwork, prepare, to_graph
from codegen.ir import Graph
from codegen.requantize import round_half_away
from nas.datasets import Dataset
from nas.learning.anomaly import alarm_threshold, unfitted_detector
from nas.learning.training import Recipe, suitable_augmentation, tensors, train

if TYPE_CHECKING:
    from codegen.int4 import WeightBits
    from nas.learning.distillation import Teacher

FINE_TUNING = Recipe(epochs=5, batch_size=32, learning_rate=1e-3, weight_decay=0.0, warm_up=0.1)
"""Quantization-aware fine-tuning: short, and too slow to leave the minimum that training found. Whether on varied examples,
:func:`fine_tunes_varied` says."""
OBSERVATION_BATCH = 128
SATURATED = 1e-3
"""Share of a channel's recorded values beyond either end of the int8 input: a few extremes would coarsen it for all others
(percentile calibration: H. Wu et al., "Integer Quantization for Deep Learning Inference", 2020, section 3.3)."""


def fine_tunes_varied(train_set: Dataset) -> bool:
    """Whether varied examples suit fine-tuning, too: of series, where it would else adapt to the people that it sees, not of images
    and sounds, for which it is a last training on examples as they are (``scripts/bench_fine_tuning.py``)."""
    return train_set.kind == "series" and suitable_augmentation(train_set) is not None


def observe_ranges(
    module: nn.Module, train_set: Dataset, saturated: float = SATURATED, weight_bits: WeightBits = 8
) -> QuantizedNetwork:
    """The folded network with the ranges of its activations over ``train_set``, ready for :func:`to_graph` without fine-tuning.

    The network's input has the range of :func:`input_range`, which leaves out ``saturated``; ``weight_bits`` as for
    :func:`codegen.importers.torch_network.prepare`.

    :raises UserError: if the module has an operation without int8 form.
    """
    x, _ = tensors(train_set)
    network = prepare(module, train_set.input_shape, weight_bits).to(x.device).eval()
    network.observe()
    low, high = input_range(train_set, saturated)
    with torch.no_grad():
        network.input_observer(torch.tensor([low, high], device=x.device))
        for batch in x.batches(OBSERVATION_BATCH):
            network(batch.clamp(low, high))
    network.quantize()
    return network


def input_range(train_set: Dataset, saturated: float = SATURATED) -> tuple[float, float]:
    """The least and the largest number that the int8 input of networks for ``train_set`` stands for; it saturates beyond.

    Data that is quantised already has a grid of its own. Of recorded values the range takes in all but the fraction ``saturated``
    of every channel at either end, or all where nothing but the same value would be left.
    """
    if (grid := train_set.grid) is not None:
        return grid
    values = train_set.x.reshape(-1, train_set.input_shape[-1])
    beyond = int(saturated * len(values))
    ordered = np.partition(values, (beyond, len(values) - 1 - beyond), axis=0)
    low, high = float(ordered[beyond].min()), float(ordered[-1 - beyond].max())
    return (low, high) if low < high else (float(values.min()), float(values.max()))


def quantize_network(
    module: nn.Module,
    train_set: Dataset,
    recipe: Recipe,
    seed: int,
    name: str,
    teacher: Teacher | None = None,
    *,
    saturated: float = SATURATED,
    weight_bits: WeightBits = 8,
) -> Graph:
    """The int8 graph of ``module`` after quantization-aware fine-tuning by ``recipe``; ``module`` itself stays as it is.
    The weights of wide layers have ``weight_bits``.

    The ranges adapt during the first half of the epochs and are fixed in the second. Filters that are zero stay zero, so that the
    compiler can leave their channels out.

    :raises UserError: if the module has an operation without int8 form.
    """
    network = observe_ranges(module, train_set, saturated, weight_bits)

    def fix_ranges(epoch: int, _: float | None) -> None:
        if 2 * epoch >= recipe.epochs:
            network.quantize()

    if recipe.epochs:
        network.quantize(observing=recipe.epochs > 1)
        train(network, train_set, None, recipe, seed, fix_ranges, teacher=teacher, after_step=_keep_zeros(network))
    return to_graph(network, name)


def _keep_zeros(network: QuantizedNetwork) -> Callable[[float], None] | None:
    """After a step makes the filters zero that were it before; None where there are none."""
    dead = list(network.dead_filters())

    def keep(_: float) -> None:
        with torch.no_grad():
            for parameter, zero in dead:
                parameter[zero] = 0

    return keep if dead else None


def quantize_input(graph: Graph, x: NDArray[np.float32]) -> NDArray[np.int8]:
    """Real inputs ``(N, ...)`` as the integers of the graph's input: rounded with ties away from zero, clipped."""
    tensor = graph[graph.inputs[0]]
    steps = round_half_away(x / np.float32(tensor.scale)) + tensor.zero_point
    quantized: NDArray[np.int8] = np.clip(steps, -128, 127).astype(np.int8)
    return quantized


def int8_outputs(graph: Graph, x: NDArray[np.float32]) -> NDArray[np.int8]:
    """Integer outputs ``(N, classes)`` of the graph, by the numpy reference, for real inputs ``(N, H, W, C)``."""
    outputs = reference.run(graph, {graph.inputs[0]: quantize_input(graph, x)})
    return outputs[graph.outputs[0]].reshape(len(x), -1)


def int8_answers(graph: Graph, dataset: Dataset, detector: AnomalyDetector | None) -> NDArray[Any]:
    """What the integer network answers ``(N,)``: the class that it takes each example for (of equal outputs the first counts), or
    how anomalous ``detector`` finds the example, by the integers that go in and come out."""
    outputs = int8_outputs(graph, dataset.x)
    if detector is not None:
        return detector.real(detector(quantize_input(graph, dataset.x), outputs))
    classes: NDArray[np.intp] = outputs.argmax(1)
    return classes


def fitted_detector(graph: Graph, validation: Dataset) -> AnomalyDetector | None:
    """The detector for which the errors of the normal examples of ``validation``, in the form that the program sees, are usual, and
    whose alarm is above what few of them pass; None where there are no anomalies to detect."""
    if validation.normal is None:
        return None
    normal = validation.normal_examples()
    given, made = quantize_input(graph, normal.x), int8_outputs(graph, normal.x)
    plain = unfitted_detector(graph, validation)
    fitted = plain.relative_to(plain.logarithms(given, made))
    return replace(fitted, threshold=int(alarm_threshold(fitted(given, made).astype(np.float64))))


def int8_accuracy(graph: Graph, dataset: Dataset) -> float:
    """The data's metric (0..1) of what the integer network answers; of an autoencoder, ``dataset`` is the validation data."""
    return dataset.score(int8_answers(graph, dataset, fitted_detector(graph, dataset)))
