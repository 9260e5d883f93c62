"""Training: it learns, is reproducible, reports its course; augmentation keeps what it should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nas.datasets import Dataset, Normalization, load_train, split_validation
from nas.learning.augmentation import ImageAugmentation, MotionAugmentation, axis_triples
from nas.learning.training import (
    Recipe,
    augmentation_words,
    build_module,
    class_chances,
    device,
    evaluate,
    suitable_augmentation,
    train,
)
from search_spaces import Architecture, ImageSpace

pytestmark = pytest.mark.usefixtures("one_thread")
SPACE = ImageSpace((8, 8, 1), 10)
SHORT = Recipe(epochs=3)


@pytest.fixture(scope="module")
def data() -> tuple[Dataset, Dataset]:
    return split_validation(load_train("digits"), 0.25, 0)


@pytest.fixture(scope="module")
def small() -> Architecture:
    return SPACE.from_params(
        {"stem_channels": 16, "stem_kernel": 3, "stem_stride": 2, "stages": 1, "stage1_block": "conv", "stage1_channels": 24,
         "stage1_depth": 1, "stage1_kernel": 3, "stage1_stride": 2, "head": "flatten"}
    )  # fmt: skip


def test_a_small_network_learns_the_digits(data: tuple[Dataset, Dataset], small: Architecture) -> None:
    module = build_module(SPACE, small, 0)
    assert evaluate(module, data[1]) < 0.3
    result = train(module, *data, Recipe(epochs=8), seed=0)
    assert result.accuracy is not None
    assert result.accuracy > 0.95
    assert evaluate(module, data[1]) == result.accuracy
    assert not module.training


def test_the_same_seed_gives_the_same_weights(data: tuple[Dataset, Dataset], small: Architecture) -> None:
    def weights(seed: int, recipe: Recipe) -> torch.Tensor:
        module = build_module(SPACE, small, seed)
        train(module, data[0], None, recipe, seed)
        return nn.utils.parameters_to_vector(module.parameters())

    for recipe in (Recipe(epochs=2, augment=True), Recipe(epochs=2, augment=False)):
        first = weights(1, recipe)
        torch.rand(17)  # the global generator has no part in it
        assert torch.equal(first, weights(1, recipe))
        assert not torch.equal(first, weights(2, recipe))


def test_initial_weights_depend_on_the_seed_alone(small: Architecture) -> None:
    before = torch.get_rng_state()
    vectors = [nn.utils.parameters_to_vector(build_module(SPACE, small, seed).parameters()) for seed in (5, 5, 6)]
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.equal(vectors[0], vectors[2])
    assert torch.equal(before, torch.get_rng_state())


def test_every_epoch_is_reported_and_a_callback_can_stop(data: tuple[Dataset, Dataset], small: Architecture) -> None:
    reports: list[tuple[int, float | None]] = []
    result = train(build_module(SPACE, small, 0), *data, SHORT, 0, lambda epoch, accuracy: reports.append((epoch, accuracy)))
    assert [epoch for epoch, _ in reports] == [1, 2, 3]
    assert tuple(accuracy for _, accuracy in reports) == result.curve
    assert len(result.losses) == 3
    assert 0 < result.losses[-1] < result.losses[0] < 3  # ln 10 = 2.3 is what guessing gives
    for thresholds, epochs in (({1: 0.0, 2: 1.1}, 2), ({1: result.curve[0], 2: result.curve[1]}, 3), ({1: float("nan")}, 1)):
        stopped = train(build_module(SPACE, small, 0), *data, SHORT, 0, thresholds=thresholds)
        assert stopped.curve == result.curve[:epochs]

    class StopError(Exception):
        pass

    def stop(epoch: int, accuracy: float | None) -> None:
        raise StopError

    with pytest.raises(StopError):
        train(build_module(SPACE, small, 0), *data, SHORT, 0, stop)


def test_without_validation_data_there_is_no_accuracy(data: tuple[Dataset, Dataset], small: Architecture) -> None:
    result = train(build_module(SPACE, small, 0), data[0], None, SHORT, 0)
    assert result.accuracy is None
    assert result.curve == ()


def test_a_batch_may_be_larger_than_the_data(data: tuple[Dataset, Dataset], small: Architecture) -> None:
    few = data[0].subset(torch.arange(20).numpy())
    result = train(build_module(SPACE, small, 0), few, few, Recipe(epochs=1, batch_size=64), 0)
    assert len(result.curve) == 1


def test_the_learning_rate_may_rise_in_a_single_step(data: tuple[Dataset, Dataset], small: Architecture) -> None:
    few = data[0].subset(np.arange(64))
    result = train(build_module(SPACE, small, 0), few, None, Recipe(epochs=5, warm_up=0.1, least_steps=1), 0)
    assert len(result.losses) == 5


def test_an_epoch_goes_over_few_examples_several_times(data: tuple[Dataset, Dataset], small: Architecture) -> None:
    def steps(examples: int, recipe: Recipe) -> int:
        done: list[float] = []
        few = data[0].subset(np.arange(examples))
        train(build_module(SPACE, small, 0), few, None, recipe, 0, after_step=done.append)
        assert done[-1] == 1
        return len(done)

    assert steps(40, Recipe(epochs=2)) == 2 * 30
    assert steps(40, Recipe(epochs=2, least_steps=1)) == 2
    assert steps(32 * 31, Recipe(epochs=2)) == 2 * 31


def test_what_an_autoencoder_cannot_learn_keeps_it_from_no_other_channel() -> None:
    rng = np.random.default_rng(0)
    waves = 0.3 * np.sin(np.linspace(0, 6, 24) + rng.uniform(0, 6, (256, 1)))
    x = np.stack([rng.standard_normal((256, 24)), waves], axis=2)[:, None].astype(np.float32)
    normal = Dataset("waves", "series", (1, 24, 2), ("normal", "other"), x, np.zeros(256, np.int64), metric="auroc", normal=0)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.Linear(4, 48), nn.Unflatten(1, (2, 1, 24)))
    train(module, normal, None, Recipe(epochs=20), 0)
    inputs = torch.from_numpy(x).permute(0, 3, 1, 2).to(device())
    with torch.no_grad():
        unexplained = (module(inputs) - inputs).square().mean((0, 2, 3)) / inputs.square().mean((0, 2, 3))
    assert unexplained[0] > 0.5
    assert unexplained[1] < 0.05


def test_what_varies_examples_is_said(data: tuple[Dataset, Dataset]) -> None:
    varied = Recipe(augment=True)
    assert augmentation_words(data[0], Recipe()) is None
    assert augmentation_words(data[0], varied) == "shifted, turned, zoomed and sheared a little, afresh for every batch"
    sounds = replace(data[0], kind="audio", stored=np.zeros((4, 1, 99, 1), np.int16))
    assert augmentation_words(sounds, varied) == "as they are and in copies of other speed, place and loudness, with noise"
    assert augmentation_words(replace(sounds, normal=0), varied) is None
    norm = Normalization(np.zeros(3, np.float32), np.ones(3, np.float32))
    motion = replace(data[0], kind="series", normalization=norm, channels=("acc_x", "acc_y", "acc_z"))
    assert augmentation_words(motion, varied) == "seen by a sensor that is turned a little, afresh for every batch"
    assert augmentation_words(replace(motion, channels=("a", "b", "c")), varied) is None


def test_augmentation_without_strength_changes_nothing() -> None:
    x = torch.rand(5, 3, 8, 12)
    still = ImageAugmentation(shift=0, rotation=0, zoom=0, shear=0)(x, torch.Generator().manual_seed(0))
    torch.testing.assert_close(still, x, atol=1e-5, rtol=0)


def test_augmentation_moves_by_at_most_its_strength_and_fills_with_zero() -> None:
    x = torch.zeros(200, 1, 9, 9)
    x[:, :, 4, 4] = 1
    moved = ImageAugmentation(shift=2, rotation=0, zoom=0, shear=0)(x, torch.Generator().manual_seed(0))
    weight = moved.sum((1, 2, 3))
    torch.testing.assert_close(weight, torch.ones(200), atol=1e-4, rtol=0)
    rows = (moved.sum((1, 3)) * torch.arange(9.0)).sum(1)
    assert rows.min() >= 1.99
    assert rows.max() <= 6.01
    assert rows.std() > 0.5
    ones = ImageAugmentation(shift=2, rotation=0, zoom=0, shear=0)(torch.ones(50, 1, 9, 9), torch.Generator().manual_seed(0))
    assert ones.min() == 0
    assert ones.max() <= 1 + 1e-5


def test_every_second_image_is_mirrored() -> None:
    x = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(0)).expand(400, -1, -1, -1)
    seen = ImageAugmentation(shift=0, rotation=0, zoom=0, shear=0, mirror=True)(x, torch.Generator().manual_seed(0))
    as_it_is, mirrored = ((seen - form).abs().amax((1, 2, 3)) < 1e-5 for form in (x, x.flip(3)))
    assert torch.equal(as_it_is, ~mirrored)
    assert 170 < mirrored.sum() < 230


def test_classes_are_drawn_as_often_as_the_metric_weighs_them(data: tuple[Dataset, Dataset], small: Architecture) -> None:
    """Of two digits that are alike, 8 and 9, one is rare: by balanced accuracy it counts as much as the other."""
    digits, held = (part.subset(np.flatnonzero(part.y >= 8)) for part in data)
    rare = digits.subset(np.concatenate([np.flatnonzero(digits.y == 8), np.flatnonzero(digits.y == 9)[:6]]))
    recall = {}
    for metric in ("accuracy", "balanced_accuracy"):
        module = build_module(SPACE, small, 0)
        train(module, replace(rare, metric=metric), None, Recipe(epochs=2, batch_size=16), 0)
        recall[metric] = evaluate(module, held.subset(np.flatnonzero(held.y == 9)))
    assert recall["balanced_accuracy"] > recall["accuracy"] + 0.2


def test_every_class_is_drawn_equally_often_of_unbalanced_data(data: tuple[Dataset, Dataset]) -> None:
    """Classes without an example are never asked for, and where every example counts the same nothing is drawn."""
    digits = data[0].subset(np.flatnonzero((data[0].y == 3) | (data[0].y == 5))[:100])
    places = np.concatenate([np.flatnonzero(digits.y == 3), np.flatnonzero(digits.y == 5)[:2]])
    unbalanced = replace(digits.subset(places), metric="balanced_accuracy")
    chances = class_chances(unbalanced)
    assert chances is not None
    threes = torch.from_numpy(unbalanced.y == 3)
    torch.testing.assert_close(chances[threes].sum(), chances[~threes].sum())
    torch.testing.assert_close(chances.sum(), torch.tensor(1.0, dtype=torch.float64))
    assert class_chances(digits) is None


TURNED = MotionAugmentation(
    jitter=0,
    scaling=0,
    shift=0,
    rotation=0.3,
    triples=((0, 1, 2), (3, 4, 5)),
    offset=(1.0, 2, 3, 4, 5, 6),
    scale=(2.0, 0.5, 1, 1, 3, 1),
)


def test_motion_is_turned_in_the_units_of_its_recording() -> None:
    x = torch.randn(20, 7, 1, 16, generator=torch.Generator().manual_seed(1))
    settings = replace(TURNED, offset=(*TURNED.offset, 0.0), scale=(*TURNED.scale, 1.0))
    turned = settings(x, torch.Generator().manual_seed(0))
    assert torch.equal(turned, settings(x, torch.Generator().manual_seed(0)))
    assert torch.equal(turned[:, 6], x[:, 6])  # a channel that belongs to no axis
    offset, scale = (torch.tensor(values[:6]).reshape(1, 2, 3, 1) for values in (settings.offset, settings.scale))
    raw, moved = (values[:, :6, 0].reshape(20, 2, 3, 16) / scale + offset for values in (x, turned))
    assert torch.allclose(raw.norm(dim=2), moved.norm(dim=2), rtol=1e-4, atol=1e-4)
    angles = torch.acos((raw * moved).sum(2) / raw.norm(dim=2) / moved.norm(dim=2)).nan_to_num()
    assert 0.05 < angles.max() <= 0.3 + 1e-3
    inner = (raw[:, 0] * raw[:, 1]).sum(1), (moved[:, 0] * moved[:, 1]).sum(1)
    assert torch.allclose(*inner, rtol=1e-3, atol=1e-3)  # both sensors turned alike


def test_motion_is_shifted_scaled_and_shaken_by_no_more_than_its_strength() -> None:
    still = MotionAugmentation(jitter=0, scaling=0, rotation=0, shift=0)
    x = torch.arange(40.0).repeat(30, 2, 1, 1)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(still(x, generator), x)
    shifted = replace(still, shift=0.1)(x, generator)
    begin = (shifted[:, 0, 0, 20] - 20).round()
    assert begin.abs().max() == 4
    assert torch.equal(shifted, (x + begin.reshape(-1, 1, 1, 1)).clamp(0, 39))
    factors = replace(still, scaling=0.1)(torch.ones(400, 2, 1, 5), generator)
    assert torch.equal(factors, factors[..., :1].expand(factors.shape))
    assert 0.08 < factors.std() < 0.12
    shaken = replace(still, jitter=0.05)(torch.zeros(400, 2, 1, 5), generator)
    assert 0.045 < shaken.std() < 0.055


def test_motion_alone_is_turned(data: tuple[Dataset, Dataset]) -> None:
    norm = Normalization(np.zeros(3, np.float32), np.ones(3, np.float32))
    windows = np.zeros((4, 1, 16, 3), np.float32)
    motion = Dataset("m", "series", (1, 16, 3), ("a", "b"), windows, np.arange(4) % 2, norm, channels=("ax", "ay", "az"))
    found = suitable_augmentation(motion)
    assert isinstance(found, MotionAugmentation)
    assert (found.triples, found.jitter, found.scaling, found.shift) == (((0, 1, 2),), 0, 0, 0)
    assert suitable_augmentation(replace(motion, channels=("a", "b", "c"))) is None
    assert suitable_augmentation(replace(motion, normal=0)) is None
    assert isinstance(suitable_augmentation(data[0]), ImageAugmentation)


def test_axes_are_found_by_their_names() -> None:
    assert axis_triples(["acc_x_g", "acc_y_g", "acc_z_g", "gyro_x", "gyro_y", "gyro_z"]) == ((0, 1, 2), (3, 4, 5))
    assert axis_triples(["az", "max", "ax", "ay"]) == ((2, 3, 0),)
    assert axis_triples(["x", "y", "temperature", "pressure"]) == ()
    assert len(axis_triples([f"{a}{b}" for a in "xyz" for b in "xyz"])) == 3
