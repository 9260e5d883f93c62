"""Knowledge distillation: a network learns from a larger one's softened outputs beside the labels (Hinton, Vinyals and Dean 2015,
"Distilling the Knowledge in a Neural Network", https://arxiv.org/abs/1503.02531)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax

from nas.datasets import Dataset
from nas.learning.training import Inputs

BATCH = 256


@dataclass(frozen=True)
class Distillation:
    """How much a teacher counts: the loss is ``1 - weight`` of the labels' and ``weight`` of the teacher's."""

    temperature: float = 4.0
    """That outputs of both networks are divided by before the softmax."""
    weight: float = 0.5
    """0 to 1."""

    def __post_init__(self) -> None:
        if not self.weight <= 1:
            raise ValueError(f"weight = {self.weight!r} is above 1")
        if not self.temperature > 0:
            raise ValueError(f"temperature = {self.temperature!r} is not above 0")


class Teacher:
    """A trained classifier and the data to teach with, in the form that the classifier takes.

    Where a student takes another form (sounds: another spectrogram), ``examples`` are the same in both, variants included, and the
    teacher tells what it knows of each by its place. Where batches are varied afresh, it sees the same batch as the student.

    :param train_set: the examples that a student is trained on, in the same order.
    """

    def __init__(self, module: nn.Module, train_set: Dataset, how: Distillation) -> None:
        self._inputs = Inputs(train_set)
        self._module = module.to(self._inputs.device).eval().requires_grad_(False)
        self._shape = train_set.input_shape
        self._how = how
        self._known: Tensor | None = None

    def outputs(self, examples: Tensor, varied: Tensor | None) -> Tensor:
        """The teacher's outputs ``(n, classes)`` for ``examples`` (places, see :class:`nas.learning.training.Inputs`), or for what
        they became in a batch ``(n, C, H, W)`` that was ``varied``.

        :raises ValueError: for a varied batch of another form than the teacher takes.
        """
        with torch.no_grad():
            if varied is None:
                if self._known is None:  # each is asked for once an epoch
                    self._known = torch.cat([self._module(batch) for batch in self._inputs.stored_batches(BATCH)])
                return self._known[examples]
            channels, *size = varied.shape[1:]
            if (*size, channels) != self._shape:
                raise ValueError(f"a batch of {(*size, channels)} was varied, which the teacher of {self._shape} cannot see")
            answers: Tensor = self._module(varied)
            return answers

    def blend(self, loss: Tensor, outputs: Tensor, examples: Tensor, varied: Tensor | None) -> Tensor:
        """The ``loss`` by labels of a batch and what the student's ``outputs`` for it are off the teacher's: the Kullback-Leibler
        divergence at the temperature, times its square, which keeps the gradients' size."""
        temperature, weight = self._how.temperature, self._how.weight
        targets = log_softmax(self.outputs(examples, varied) / temperature, 1)
        taught = kl_div(log_softmax(outputs / temperature, 1), targets, reduction="batchmean", log_target=True)
        return (1 - weight) * loss + weight * temperature**2 * taught
