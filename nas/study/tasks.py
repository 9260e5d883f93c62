"""What runs on the workers: plain data in, plain data out."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.datasets import Dataset, Split
from nas.executor import one_line
from nas.learning.rungs import Thresholds, misses
from search_spaces import SearchSpace

if TYPE_CHECKING:
    from torch import nn

    from codegen.boards import Board
    from codegen.features import Preprocessing
    from codegen.ir import Graph
    from codegen.optimize import Optimize
    from nas.learning.distillation import Distillation, Teacher
    from nas.learning.training import Recipe, TrainingResult

MEASURED_INPUTS = 16
"""Validation examples that a finalist's program is run on; cycles hardly depend on the data."""


def training_seed(seed: int, architecture: str) -> int:
    """Seed of everything random in training the architecture with this id, so that whoever trains it gets the same network."""
    return int.from_bytes(hashlib.blake2b(f"{seed} {architecture}".encode(), digest_size=4).digest(), "big") >> 1


@dataclass(frozen=True, slots=True)
class Screened:
    """A trial's result: the validation ``accuracy`` at the end, ``curve`` after each epoch (empty in runs of versions that did not
    keep it). ``checkpoint`` is a safetensors file with the weights, empty where the training was ``stopped`` before its end."""

    accuracy: float
    curve: tuple[float, ...]
    seconds: float
    checkpoint: bytes
    stopped: bool = False

    def under(self, thresholds: Thresholds) -> Screened | None:
        """What the training would have come to under these thresholds; None where it was stopped before that can be told."""
        for epoch, accuracy in enumerate(self.curve, start=1):
            if misses(thresholds, epoch, accuracy):
                seconds = self.seconds * epoch / len(self.curve)
                return Screened(accuracy, self.curve[:epoch], seconds, b"", stopped=True)
        return None if self.stopped else self


def screen(
    space: SearchSpace,
    params: Mapping[str, Any],
    splits: Sequence[Split],
    recipe: Recipe,
    seed: int,
    thresholds: Thresholds,
) -> Screened:
    """Train one architecture as trials are trained, to the end or to the rung where it misses its threshold.

    Of several ``splits``, for which there are no ``thresholds``, it is trained on each, from the same initial weights: accuracy and
    curve are means then, and the checkpoint is that of the first.

    :raises ValueError: for thresholds and several splits.
    """
    if thresholds and len(splits) > 1:
        raise ValueError("where there are several splits no training is stopped early")
    found = [_screen(space, params, split, recipe, seed, thresholds) for split in splits]
    if len(found) == 1:
        return found[0]
    curve = _mean_curve([screened.curve for screened in found])
    return Screened(curve[-1], curve, sum(screened.seconds for screened in found), found[0].checkpoint)


def _screen(
    space: SearchSpace, params: Mapping[str, Any], split: Split, recipe: Recipe, seed: int, thresholds: Thresholds
) -> Screened:
    from nas.inputs.spectrograms import network_data
    from nas.learning.training import train

    data = network_data(space, space.from_params(params), *split, varied=recipe.augment)
    module = _fresh(space, params, seed)
    result = train(module, data.train_set, data.validation, recipe, seed, thresholds=thresholds)
    assert result.accuracy is not None
    if len(result.curve) < recipe.epochs:
        return Screened(result.accuracy, result.curve, result.seconds, b"", stopped=True)
    about = {"params": dict(params), "accuracy": result.accuracy, "seed": seed}
    return Screened(result.accuracy, result.curve, result.seconds, checkpoint(module, about))


@dataclass(frozen=True, slots=True)
class Lesson:
    """What finalists learn from beside the labels: a trained network of the space (``checkpoint`` is a safetensors file with its
    weights), and how much it counts."""

    params: Mapping[str, Any]
    checkpoint: bytes
    how: Distillation

    def teacher(self, space: SearchSpace, train_set: Dataset, validation: Dataset, *, varied: bool) -> Teacher:
        """The network with the examples that finalists are trained on; ``varied`` as in :func:`network_data`."""
        from safetensors.torch import load

        from nas.inputs.spectrograms import network_data
        from nas.learning.distillation import Teacher

        architecture = space.from_params(self.params)
        module = space.module(architecture)
        module.load_state_dict(load(self.checkpoint))
        return Teacher(module, network_data(space, architecture, train_set, validation, varied=varied).train_set, self.how)


@dataclass(frozen=True, slots=True)
class Int8Form:
    """A network in int8: ``graph``, ``front_end``, which makes its inputs of raw numbers, and whether it was ``fine_tuned`` or
    only rounded. ``accuracy`` (0..1) is that on the validation data, None of a network that has learnt these."""

    graph: Graph
    front_end: Preprocessing | None
    fine_tuned: bool
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A fully trained network: ``float_accuracy`` (0..1) on the validation data by epoch in ``curve``, which is empty where it has
    learnt these; mean training loss by epoch in ``losses``. ``int8`` is its int8 form.

    Where there are several splits the weights are those of the first one, and figures are means over all of them.
    """

    float_accuracy: float | None
    curve: tuple[float, ...]
    losses: tuple[float, ...]
    checkpoint: bytes
    int8: Int8Form


def train_and_quantize(
    space: SearchSpace,
    params: Mapping[str, Any],
    splits: Sequence[Split],
    recipe: Recipe,
    quantization: Recipe,
    seed: int,
    name: str,
    lesson: Lesson | None = None,
    *,
    judge: TrainedNetwork | None = None,
) -> TrainedNetwork:
    """Train one architecture fully, by a ``lesson`` if there is one, and quantise it; ``name`` becomes the graph's.

    Fine-tuning is kept unless the network is better on the validation data when it is only rounded: where examples are few it may
    fit them too closely. Of several ``splits``, for which there is no lesson, it is trained on each, from the same initial weights.
    With a ``judge``, which this function has made before, it is a refit: it learns all examples, those to validate on, too, and is
    fine-tuned if the judge was.

    :raises ValueError: for a lesson and several splits: it may come of the examples that another split validates on.
    """
    if lesson is not None and len(splits) > 1:
        raise ValueError("where there are several splits networks learn from the labels alone")
    recipes = [replace(quantization, epochs=epochs) for epochs in sorted({quantization.epochs, 0}, reverse=True)]
    given = recipe, seed, name, lesson
    if judge is not None:
        train_set, validation = splits[0]
        whole = Split(train_set.joined(validation), validation)
        recipes = recipes[:1] if judge.int8.fine_tuned else recipes[-1:]
        attempt = _attempt(space, params, whole, recipes, *given, refit=True)
        return TrainedNetwork(None, (), attempt.trained.losses, attempt.weights, attempt.forms[0])
    attempts = [_attempt(space, params, split, recipes, *given) for split in splits]
    accuracies = [fmean(form.accuracy or 0.0 for form in forms) for forms in zip(*(a.forms for a in attempts), strict=True)]
    accuracy = max(accuracies)
    first = attempts[0]
    form = replace(first.forms[accuracies.index(accuracy)], accuracy=accuracy)  # of equals the first, fine-tuned
    curve, losses = (_mean_curve([getattr(a.trained, of) for a in attempts]) for of in ("curve", "losses"))
    return TrainedNetwork(curve[-1], curve, losses, first.weights, form)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A network trained on one split: its ``weights`` as a file, and an int8 form by each recipe."""

    trained: TrainingResult
    weights: bytes
    forms: list[Int8Form]


def _attempt(
    space: SearchSpace,
    params: Mapping[str, Any],
    split: Split,
    quantizations: Sequence[Recipe],
    recipe: Recipe,
    seed: int,
    name: str,
    lesson: Lesson | None,
    *,
    refit: bool = False,
) -> _Attempt:
    """With ``refit`` there is nothing to validate on."""
    from nas.inputs.program_inputs import program_form, raw_input_of
    from nas.inputs.spectrograms import network_data
    from nas.learning.quantization import int8_accuracy, quantize_network
    from nas.learning.training import train

    data = network_data(space, space.from_params(params), *split, varied=recipe.augment)
    module = _fresh(space, params, seed)
    teacher = None if lesson is None else lesson.teacher(space, *split, varied=recipe.augment)
    trained = train(module, data.train_set, None if refit else data.validation, recipe, seed, teacher=teacher)
    weights = checkpoint(module, {"params": dict(params), "accuracy": trained.accuracy, "seed": seed})

    def int8(recipe: Recipe) -> Int8Form:
        graph = quantize_network(module, data.train_set, recipe, seed, name, teacher, weight_bits=space.weight_bits)
        front_end = data.front_end or raw_input_of(split.train_set, graph)
        accuracy = None if refit else int8_accuracy(graph, program_form(split.validation, front_end))
        return Int8Form(graph, front_end, recipe.epochs > 0, accuracy)

    return _Attempt(trained, weights, [int8(quantization) for quantization in quantizations])


def _mean_curve(curves: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """By epoch."""
    return tuple(map(fmean, zip(*curves, strict=True)))


@dataclass(frozen=True, slots=True)
class Built:
    """What became of a network's program on each board, by name: ``figures`` as ``nas verify --json`` prints them, or the one-line
    error in ``failed``."""

    figures: Mapping[str, Mapping[str, Any]]
    failed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Finished:
    """A finalist: fully trained, quantised, built and measured.

    ``float_accuracy`` and ``int8_accuracy`` on the validation data; ``curve`` and ``losses`` as in :class:`TrainedNetwork`,
    ``fine_tuned`` as in :class:`Int8Form`; ``graph`` is the int8 graph's file, ``checkpoint`` the float weights'; ``front_end`` is
    what makes the network's inputs of raw numbers, as JSON. Where these are of a refit, which has learnt the validation data,
    ``judge`` has graph and front end of the network that the accuracies are of.
    """

    float_accuracy: float
    int8_accuracy: float
    fine_tuned: bool
    curve: tuple[float, ...]
    losses: tuple[float, ...]
    graph: bytes
    checkpoint: bytes
    front_end: Mapping[str, Any] | None
    judge: tuple[bytes, Mapping[str, Any] | None] | None
    built: Built
    seconds: float


def finish(
    space: SearchSpace,
    params: Mapping[str, Any],
    splits: Sequence[Split],
    recipe: Recipe,
    quantization: Recipe,
    seed: int,
    name: str,
    boards: Sequence[Board],
    optimize: Optimize,
    lesson: Lesson | None,
    refit: bool,
) -> Finished:
    """Train one architecture fully, quantise it, build its program for each of ``boards`` and measure it; the program is that of a
    ``refit`` where there is one."""
    start = time.perf_counter()
    given = space, params, splits, recipe, quantization, seed, name, lesson
    trained = train_and_quantize(*given)
    assert trained.float_accuracy is not None
    assert trained.int8.accuracy is not None
    shipped = train_and_quantize(*given, judge=trained) if refit else trained
    return Finished(
        float_accuracy=trained.float_accuracy,
        int8_accuracy=trained.int8.accuracy,
        fine_tuned=trained.int8.fine_tuned,
        curve=trained.curve,
        losses=trained.losses,
        graph=graph_bytes(shipped.int8.graph),
        checkpoint=shipped.checkpoint,
        front_end=_front_end_json(shipped.int8),
        judge=(graph_bytes(trained.int8.graph), _front_end_json(trained.int8)) if refit else None,
        built=_build(shipped.int8.graph, shipped.int8.front_end, splits[0].validation, name, boards, optimize),
        seconds=time.perf_counter() - start,
    )


def _front_end_json(form: Int8Form) -> Mapping[str, Any] | None:
    return None if form.front_end is None else form.front_end.to_json()


def build(
    graph: bytes, front_end: Preprocessing | None, splits: Sequence[Split], name: str, boards: Sequence[Board], optimize: Optimize
) -> Built:
    """Build the program of a network that was finished before, for more ``boards``, and measure it."""
    return _build(graph_from_bytes(graph), front_end, splits[0].validation, name, boards, optimize)


def _build(
    graph: Graph, front_end: Preprocessing | None, validation: Dataset, name: str, boards: Sequence[Board], optimize: Optimize
) -> Built:
    from codegen.compile import compile_graph
    from codegen.cores import find_core
    from codegen.verify import measure_model
    from nas.inputs.program_inputs import program_form, program_inputs
    from nas.learning.quantization import fitted_detector

    detector = fitted_detector(graph, program_form(validation, front_end))
    few = validation.subset(np.arange(min(MEASURED_INPUTS, len(validation))))
    given = {"inputs": few.x} if front_end is None else {"raw": program_inputs(few, front_end)}
    figures, failed = {}, {}
    for board in boards:
        try:
            core = find_core(board.core)
            model = compile_graph(graph, core, name=name, optimize=optimize, front_end=front_end, detector=detector)
            measured = measure_model(model, board=board, **given)
        except Exception as error:  # on another board it may do
            failed[board.name] = one_line(error)
            continue
        if measured.bit_exact:
            figures[board.name] = measured.to_json()
        else:
            wrong = f"{measured.mismatches} of {measured.inputs} outputs"
            failed[board.name] = f"{wrong} of the built program differ from the reference"
    return Built(figures, failed)


@dataclass(frozen=True, slots=True)
class Tested:
    """The metric on the test part (0..1) of the float network and of its int8 form, the number of examples, and ``details`` of the
    int8 form as ``report.json`` has them."""

    float_accuracy: float
    int8_accuracy: float
    examples: int
    details: Mapping[str, Any]


def test(
    space: SearchSpace,
    params: Mapping[str, Any],
    checkpoint: bytes,
    graph: bytes,
    front_end: Preprocessing | None,
    validation: Dataset,
    test_set: Dataset,
) -> Tested:
    """Measure a finished network on the test part. Called for chosen networks when every choice has been made.

    What is usual for an anomaly detector, and the threshold of its alarm, are those of the normal examples of ``validation``.
    """
    import torch
    from safetensors.torch import load

    from nas.inputs.program_inputs import program_form
    from nas.inputs.spectrograms import network_form
    from nas.learning.quantization import fitted_detector, int8_answers
    from nas.learning.training import evaluate
    from nas.study.details import class_details, detection_details

    torch.set_num_threads(1)
    module = space.module(space.from_params(params))
    module.load_state_dict(load(checkpoint))
    network = graph_from_bytes(graph)
    seen, given = program_form(test_set, front_end), network_form(test_set, front_end)
    if seen.normal is None:
        answers = int8_answers(network, seen, None)
        accuracy, details = evaluate(module, given), class_details(seen, answers)
    else:
        normal = validation.normal_examples()
        unseen = program_form(normal, front_end)
        detector = fitted_detector(network, unseen)
        answers = int8_answers(network, seen, detector)
        accuracy = evaluate(module, given, normal=network_form(normal, front_end))
        details = detection_details(seen, answers, int8_answers(network, unseen, detector))
    return Tested(accuracy, seen.score(answers), len(seen), details)


def _fresh(space: SearchSpace, params: Mapping[str, Any], seed: int) -> nn.Module:
    import torch

    from nas.learning.training import build_module

    torch.set_num_threads(1)  # more threads change the order of sums, and with it the result
    return build_module(space, space.from_params(params), seed)


def checkpoint(module: nn.Module, about: Mapping[str, Any]) -> bytes:
    """A safetensors file with the module's weights, and ``about`` as JSON under ``trial``, the only key of its metadata: several
    would come in any order, and equal networks are to have equal files."""
    from safetensors.torch import save

    state = {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}
    content: bytes = save(state, metadata={"trial": json.dumps({"format": "mcu-nas trial 1", **about}, sort_keys=True)})
    return content


def graph_bytes(graph: Graph) -> bytes:
    """The graph as the bytes of its file."""
    import tempfile

    from codegen.graph_file import save

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.safetensors"
        save(graph, path)
        return path.read_bytes()


def graph_from_bytes(content: bytes) -> Graph:
    """The graph of :func:`graph_bytes`."""
    import tempfile

    from codegen.graph_file import load

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.safetensors"
        path.write_bytes(content)
        return load(path)
