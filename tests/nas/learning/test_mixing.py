"""Rare classes, which are drawn again and again, are drawn in mixtures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from nas.datasets import Dataset, Normalization
from nas.learning.distillation import Distillation, Teacher
from nas.learning.mixing import Mixture, suits_mixing
from nas.learning.training import Recipe, augmentation_words, train
from nas.metrics import Metric

SAMPLES, BATCH = 12, 16
RECIPE = Recipe(epochs=1, batch_size=BATCH, least_steps=1)


def series(metric: Metric = "balanced_accuracy") -> Dataset:
    """The windows of one class are ones, of the other, one in eight, minus ones."""
    y = (np.arange(128) % 8 == 0).astype(np.int64)
    x = np.broadcast_to(1 - 2 * y[:, None, None, None], (128, 1, SAMPLES, 1)).astype(np.float32)
    norm = Normalization(np.zeros(1, np.float32), np.ones(1, np.float32))
    return Dataset("made", "series", (1, SAMPLES, 1), ("usual", "rare"), x, y, norm, channels=("level",), metric=metric)


class Watched(nn.Module):
    """A classifier that remembers its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(SAMPLES, 2))
        self.batches: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(x[:, 0, 0, 0].detach())
        outputs: Tensor = self.layers(x)
        return outputs


def trained(
    data: Dataset, recipe: Recipe, *, mixing: bool | None = None, teacher: Teacher | None = None
) -> tuple[Watched, list[float]]:
    """A network after its training, and how much of each of its training examples is of the usual class."""
    torch.manual_seed(0)
    module = Watched()
    train(module, data, None, recipe, 0, mixing=mixing, teacher=teacher)
    return module, ((torch.cat(module.batches) + 1) / 2).tolist()


def test_answers_are_mixed_as_inputs_are() -> None:
    mixture = Mixture.drawn(5, torch.Generator().manual_seed(1))
    x, y, outputs = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0]), torch.randn(5, 3)
    mixed = mixture(x, x[mixture.partners])
    assert torch.allclose(mixed, mixture.share * x + (1 - mixture.share) * x[mixture.partners])
    answers = one_hot(y, 3).float()
    loss = mixture(cross_entropy(outputs, y), cross_entropy(outputs, y[mixture.partners]))
    assert torch.allclose(loss, cross_entropy(outputs, mixture(answers, answers[mixture.partners])))


@pytest.mark.parametrize(
    ("data", "recipe", "mixed"),
    [
        (series(), replace(RECIPE, augment=True), True),
        (series(), RECIPE, False),
        (series("accuracy"), replace(RECIPE, augment=True), False),
    ],
    ids=["rare classes count", "not varied", "all examples count"],
)
def test_series_with_rare_classes_are_mixed_where_they_are_varied(data: Dataset, recipe: Recipe, mixed: bool) -> None:
    words = augmentation_words(data, recipe)
    assert (words is not None and "mixed with another example" in words) == mixed
    _, parts = trained(data, recipe)
    assert any(0.01 < part < 0.99 for part in parts) == mixed
    _, parts = trained(data, recipe, mixing=not mixed)
    assert any(0.01 < part < 0.99 for part in parts) != mixed


def test_windows_with_anomalies_are_not_mixed() -> None:
    data = replace(series(), normal=0)
    assert not suits_mixing(data)
    assert augmentation_words(data, replace(RECIPE, augment=True)) is None


def test_a_network_learns_both_classes_of_mixtures_and_again_the_same() -> None:
    data, recipe = series(), replace(RECIPE, epochs=8, augment=True)
    (module, parts), (again, same) = trained(data, recipe), trained(data, recipe)
    assert parts == same
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), again.parameters(), strict=True))
    with torch.no_grad():
        answers = module(torch.from_numpy(data.x).permute(0, 3, 1, 2)).argmax(1).numpy()
    assert np.array_equal(answers, data.y)


def test_a_teacher_sees_the_mixtures_too() -> None:
    data = series()
    teacher = Watched()
    module, _ = trained(data, replace(RECIPE, augment=True), teacher=Teacher(teacher, data, Distillation()))
    assert torch.equal(torch.cat(teacher.batches), torch.cat(module.batches))
