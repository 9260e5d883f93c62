"""Training of float networks, classifiers and autoencoders: a small loop, reproducible by its seed (on one thread, see
``torch.set_num_threads``)."""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from nas.datasets import Dataset
from nas.learning.anomaly import FLOOR, anomaly_scores, channel_errors, has_channels
from nas.learning.augmentation import ImageAugmentation, MotionAugmentation, SoundAugmentation, axis_triples
from nas.learning.group_effects import GroupAugmentation
from nas.learning.mixing import Mixture, suits_mixing
from nas.learning.rungs import Thresholds, misses
from nas.learning.symmetry import mirror_keeps_classes
from nas.metrics import weighs_classes_equally
from search_spaces import Architecture, SearchSpace

if TYPE_CHECKING:
    from nas.learning.distillation import Teacher

OnEpoch = Callable[[int, "float | None"], None]
Augmentation = Callable[[Tensor, torch.Generator], Tensor]
"""Varies a batch ``(N, C, H, W)``."""
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Of a batch's outputs, inputs and classes."""


@dataclass(frozen=True)
class Recipe:
    """How to train. The learning rate follows one cycle: it rises linearly, then falls as a cosine to zero."""

    epochs: int = 12
    batch_size: int = 32
    learning_rate: float = 1e-2
    """Peak of the cycle, for AdamW."""
    weight_decay: float = 1e-2
    warm_up: float = 0.2
    """Fraction of the steps over which the learning rate rises."""
    label_smoothing: float = 0.05
    least_steps: int = 30
    """Of an epoch: it goes over a small data set several times, else networks would end after a few steps in all."""
    augment: bool = False
    """Whether examples are varied as suits them (:func:`suitable_augmentation`): worth it for long trainings, not for short."""

    def __post_init__(self) -> None:
        if not self.warm_up < 1:
            raise ValueError(f"warm_up = {self.warm_up!r} is not below 1")


@dataclass(frozen=True)
class TrainingResult:
    """``accuracy`` (0..1, by the data's metric) on the validation data after the last epoch, None without such data; ``curve``:
    after each epoch; ``losses``: mean training loss of each epoch."""

    accuracy: float | None
    curve: tuple[float, ...]
    losses: tuple[float, ...]
    seconds: float


def build_module(space: SearchSpace, architecture: Architecture, seed: int) -> nn.Module:
    """The architecture's float network, with initial weights that depend on ``seed`` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return space.module(architecture)


@cache
def device() -> torch.device:
    """The GPU if there is one, set to give the same numbers every time, of float32 throughout; else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda")


class Inputs:
    """A data set's inputs on the :func:`device`, kept as stored and turned into float32 ``(N, C, H, W)`` batch by batch.

    The examples' variants lie behind them: variant *k* (from 1) of example *i* is at ``i + k * N``.
    """

    def __init__(self, dataset: Dataset) -> None:
        stored = dataset.stored
        if dataset.variants is not None:
            stored = np.concatenate([stored, *dataset.variants])
        self._stored = torch.from_numpy(stored).permute(0, 3, 1, 2).contiguous().to(device())
        self._count = len(dataset)
        self._affine: tuple[Tensor, Tensor] | None = None
        if (norm := dataset.normalization) is not None:
            offset, scale = (torch.from_numpy(v).reshape(1, -1, 1, 1).to(device()) for v in (norm.offset, norm.scale))
            self._affine = offset, scale

    @property
    def device(self) -> torch.device:
        """Where batches are."""
        return self._stored.device

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, indices: Tensor | slice) -> Tensor:
        """The examples at ``indices``, the same numbers as ``dataset.x`` has for them."""
        batch = self._stored[indices]
        if self._affine is None:
            return batch
        offset, scale = self._affine
        return (batch.to(torch.float32) - offset) * scale

    def varied(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """The places of the examples at ``indices``, each as it is or as one of its variants; draws come from ``generator``."""
        copies = torch.randint(len(self._stored) // self._count, indices.shape, generator=generator)
        return indices + copies * self._count

    def batches(self, size: int) -> Iterator[Tensor]:
        """All examples in order, ``size`` at a time."""
        for begin in range(0, len(self), size):
            yield self[begin : min(begin + size, self._count)]

    def stored_batches(self, size: int) -> Iterator[Tensor]:
        """All examples and then their variants in order, ``size`` at a time."""
        for begin in range(0, len(self._stored), size):
            yield self[begin : begin + size]


def tensors(dataset: Dataset) -> tuple[Inputs, Tensor]:
    """Inputs and labels, on the :func:`device`."""
    return Inputs(dataset), torch.from_numpy(dataset.y).to(device())


def train(
    module: nn.Module,
    train_set: Dataset,
    validation_set: Dataset | None,
    recipe: Recipe,
    seed: int,
    on_epoch: OnEpoch | None = None,
    *,
    augmentation: Augmentation | None = None,
    mixing: bool | None = None,
    teacher: Teacher | None = None,
    after_step: Callable[[float], None] | None = None,
    thresholds: Thresholds | None = None,
    loss_of: Loss | None = None,
) -> TrainingResult:
    """Train ``module`` in place; it ends in evaluation mode, on the :func:`device`.

    ``on_epoch`` hears of each epoch (from 1) and its validation accuracy; an exception that it raises ends the training.
    ``augmentation`` varies batches instead of what suits the data, and ``mixing`` says whether their examples are mixed
    (:mod:`nas.learning.mixing`) instead of what suits it; a ``teacher`` is learnt from beside the labels, of classes only;
    ``after_step`` hears after each step how much of the training is done (0..1), while gradients are there to see. The training
    ends where its validation accuracy misses one of ``thresholds``. ``loss_of`` takes the place of the loss that suits the data.
    """
    start = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    x, y = tensors(train_set)
    module.to(x.device)
    batches = len(x) // min(recipe.batch_size, len(x))
    passes = max(1, math.ceil(recipe.least_steps / batches))
    # Normalisation and biases are not decayed: shrinking them limits what the network can express, not its complexity.
    weights = [p for p in module.parameters() if p.ndim > 1]
    others = [p for p in module.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}], lr=recipe.learning_rate
    )
    steps = recipe.epochs * passes * batches
    # A rise that ends with the first step would have no length, which the schedule divides by.
    warm_up = recipe.warm_up if recipe.warm_up * steps != 1 else 1.5 / steps
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, steps, pct_start=warm_up, cycle_momentum=False)
    if augmentation is None and recipe.augment:
        augmentation = suitable_augmentation(train_set)
    if mixing is None:
        mixing = recipe.augment and suits_mixing(train_set)
    loss_of = loss_of or _loss(train_set, recipe)
    chances = class_chances(train_set)
    varied = recipe.augment and train_set.variants is not None
    curve: list[float] = []
    losses: list[float] = []
    for epoch in range(1, recipe.epochs + 1):
        module.train()
        orders = [_order(len(x), chances, generator)[: batches * recipe.batch_size] for _ in range(passes)]
        total = torch.zeros((), dtype=torch.float64, device=x.device)
        for indices in itertools.chain(*(torch.split(order, recipe.batch_size) for order in orders)):
            examples = x.varied(indices, generator) if varied else indices
            batch = x[examples]
            if augmentation is not None:
                batch = augmentation(batch, generator)
            mixture = Mixture.drawn(len(batch), generator) if mixing else None
            if mixture is not None:
                batch = mixture(batch, batch[mixture.partners])
            optimizer.zero_grad()
            outputs = module(batch)
            loss = loss_of(outputs, batch, y[indices])
            if mixture is not None:
                loss = mixture(loss, loss_of(outputs, batch, y[indices[mixture.partners]]))
            if teacher is not None:
                loss = teacher.blend(loss, outputs, examples, batch if augmentation is not None or mixing else None)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            if after_step is not None:
                after_step(schedule.last_epoch / steps)
            total += loss.detach()
        losses.append(float(total) / (passes * batches))
        accuracy = None if validation_set is None else evaluate(module, validation_set)
        if accuracy is not None:
            curve.append(accuracy)
        if on_epoch is not None:
            on_epoch(epoch, accuracy)
        if accuracy is not None and misses(thresholds or {}, epoch, accuracy):
            break
    module.eval()
    return TrainingResult(curve[-1] if curve else None, tuple(curve), tuple(losses), time.perf_counter() - start)


def suitable_augmentation(train_set: Dataset) -> ImageAugmentation | MotionAugmentation | GroupAugmentation | None:
    """What varies batches of the data where a recipe asks for it (``scripts/bench_augmentation.py``); sounds have variants instead.

    Of images all that :class:`ImageAugmentation` does, mirrors where the data allows them; of motion the sensor's direction alone:
    jitter, scaling and shift added nothing to that. Of other series whose windows belong to people or recordings, their amplitude
    and level, as far as these differ in them.
    """
    if train_set.kind == "image":
        return ImageAugmentation(mirror=mirror_keeps_classes(train_set))
    norm = train_set.normalization
    if train_set.kind != "series" or train_set.normal is not None or norm is None:
        return None
    if triples := axis_triples(train_set.channels):
        offset, scale = (tuple(np.broadcast_to(values, len(train_set.channels)).tolist()) for values in (norm.offset, norm.scale))
        return MotionAugmentation(jitter=0.0, scaling=0.0, shift=0.0, triples=triples, offset=offset, scale=scale)
    return GroupAugmentation.of(train_set)


def augmentation_words(train_set: Dataset, recipe: Recipe) -> str | None:
    """How examples are varied in trainings by ``recipe``, for reports; None where they are not."""
    if not recipe.augment:
        return None
    if train_set.kind == "audio":
        return SoundAugmentation().words if train_set.normal is None else None
    found = suitable_augmentation(train_set)
    words = [] if found is None else [found.words]
    if suits_mixing(train_set):
        words.append("mixed with another example of the batch, in shares drawn afresh")
    return "; ".join(words) or None


def evaluate(module: nn.Module, dataset: Dataset, batch_size: int = 512, *, normal: Dataset | None = None) -> float:
    """The data's metric (0..1) of what ``module`` answers (in evaluation mode, which it is left in).

    What errors of an autoencoder are usual the examples of ``normal`` say; without it the normal ones of ``dataset``, which then is
    the validation data.
    """
    answers = _answers(module, dataset, batch_size)
    if dataset.normal is None:
        return dataset.score(answers)
    usual = answers[~dataset.anomalous] if normal is None else _answers(module, normal, batch_size)
    return dataset.score(anomaly_scores(answers, usual))


def _answers(module: nn.Module, dataset: Dataset, batch_size: int) -> NDArray[Any]:
    """A class ``(N,)``, or the errors of the reconstruction ``(N, C)``, of each example."""
    x = Inputs(dataset)
    module.to(x.device).eval()
    answers = []
    with torch.no_grad():
        for batch in x.batches(batch_size):
            outputs = module(batch)
            if dataset.normal is None:
                answers.append(outputs.argmax(1).cpu().numpy())
            else:
                inputs, outputs = (t.permute(0, 2, 3, 1).cpu().numpy() for t in (batch, outputs))
                answers.append(channel_errors(inputs, outputs, channels=has_channels(dataset)))
    return np.concatenate(answers)


def _loss(dataset: Dataset, recipe: Recipe) -> Loss:
    """Of a batch's outputs, inputs and classes: cross-entropy, or how far reconstructions are off.

    The latter is the mean over channels of ln(:data:`nas.learning.anomaly.FLOOR` + mean squared error), which is the likelihood of
    errors whose variance in each channel is what it is found to be (A. Kendall, Y. Gal, R. Cipolla, "Multi-task learning using
    uncertainty to weigh losses", CVPR 2018): a channel that can be reconstructed well is, as the score asks, however much others
    are off.
    """
    if dataset.normal is not None:
        axes = (0, 2, 3) if has_channels(dataset) else (0, 1, 2, 3)
        return lambda outputs, inputs, _: torch.log(FLOOR + (outputs - inputs).square().mean(axes)).mean()
    return lambda outputs, _, y: cross_entropy(outputs, y, label_smoothing=recipe.label_smoothing)


def class_chances(dataset: Dataset) -> Tensor | None:
    """How likely each example is to be drawn next, float64 ``(N,)``, such that classes come as often as the metric weighs them;
    None where each example comes once an epoch.

    Drawing does what weights in the loss are for, and better (``scripts/bench_augmentation.py``): of a class that is one example in
    a hundred most batches have none, and in the others it is most of the loss. PyTorch's label smoothing with weights also gives
    each class its weight's part of every example: so a rare one may be the answer that costs least to an example of a common one.
    """
    if not weighs_classes_equally(dataset.metric):
        return None
    counts = np.bincount(dataset.y, minlength=len(dataset.classes))
    return torch.from_numpy(1 / (np.count_nonzero(counts) * counts[dataset.y]))


def _order(examples: int, chances: Tensor | None, generator: torch.Generator) -> Tensor:
    """Places of as many ``examples`` as there are: each once, or drawn by ``chances`` with replacement."""
    if chances is None:
        return torch.randperm(examples, generator=generator)
    return torch.multinomial(chances, examples, replacement=True, generator=generator)
