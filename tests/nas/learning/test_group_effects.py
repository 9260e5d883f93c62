"""Series are varied as far as the groups that they come from differ, and no further."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from nas.datasets import Dataset, Normalization
from nas.datasets._base import Groups
from nas.learning.group_effects import GroupAugmentation, group_effects
from nas.learning.quantization import fine_tunes_varied
from nas.learning.training import Recipe, augmentation_words, suitable_augmentation

PEOPLE, WINDOWS, SAMPLES = 12, 40, 32


def made(gains: NDArray[np.float64], levels: NDArray[np.float64], seed: int = 0) -> Dataset:
    """Noise of two classes, the second four times as strong, of people with a gain and a level ``(people, channels)`` each."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(len(gains)), WINDOWS)
    y = rng.integers(2, size=len(of))
    noise = rng.standard_normal((len(of), SAMPLES, gains.shape[1])) * 4.0 ** y[:, None, None]
    x = (noise * gains[of][:, None] + levels[of][:, None] + 5 * y[:, None, None])[:, None].astype(np.float32)
    groups = Groups("person", tuple(map(str, range(len(gains)))), of)
    norm = Normalization(np.zeros(gains.shape[1], np.float32), np.ones(gains.shape[1], np.float32))
    channels = tuple(f"electrode {i}" for i in range(gains.shape[1]))
    return Dataset("made", "series", (1, SAMPLES, gains.shape[1]), ("weak", "strong"), x, y, norm, groups, channels=channels)


def random_effects(seed: int, channels: int = 2) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    return np.exp(0.4 * rng.standard_normal((PEOPLE, channels))), 3 * rng.standard_normal((PEOPLE, channels))


def test_effects_are_what_people_were_given_whatever_their_classes() -> None:
    gains, levels = random_effects(1)
    expected = np.concatenate([np.log(gains), levels], axis=1)
    found = group_effects(made(gains, levels))
    assert np.abs(found - (expected - expected.mean(0)))[:, :2].max() < 0.15
    assert np.abs(found - (expected - expected.mean(0)))[:, 2:].max() < 0.6  # the strong windows' own levels vary by 0.7 each


def test_effects_of_people_who_do_not_differ_are_chance_and_taken_off() -> None:
    found = group_effects(made(np.ones((PEOPLE, 2)), np.zeros((PEOPLE, 2))))
    assert np.abs(found[:, :2]).max() < 0.05
    assert np.abs(found[:, 2:]).max() < 0.3


def test_a_class_of_one_person_says_nothing_of_people() -> None:
    data = made(*random_effects(2))
    each = replace(data, y=np.repeat(np.arange(PEOPLE), WINDOWS), classes=tuple("abcdefghijkl"))
    assert not group_effects(each).any()
    assert GroupAugmentation.of(each) is None


@pytest.mark.parametrize("indices", [np.arange(WINDOWS), np.arange(0, PEOPLE * WINDOWS, WINDOWS)])
def test_one_person_or_one_window_of_each_says_nothing(indices: NDArray[np.intp]) -> None:
    assert not group_effects(made(*random_effects(3)).subset(indices)).any()


def test_windows_become_those_of_a_person_like_the_others() -> None:
    gains, levels = random_effects(4)
    gains[:, 1] = gains[:, 0]  # one strap holds both electrodes
    augmentation = GroupAugmentation.of(made(gains, levels))
    assert augmentation is not None
    x = torch.randn(4000, 2, 1, SAMPLES, generator=torch.Generator().manual_seed(0)) + 7
    varied = augmentation(x, torch.Generator().manual_seed(1))
    assert torch.equal(varied, augmentation(x, torch.Generator().manual_seed(1)))
    gained, moved = (varied.std(3) / x.std(3)).log()[:, :, 0], (varied.mean(3) - x.mean(3))[:, :, 0]
    torch.testing.assert_close(gained.std(0).numpy(), np.log(gains).std(0, ddof=1).astype(np.float32), rtol=0.15, atol=0)
    torch.testing.assert_close(moved.std(0).numpy(), levels.std(0, ddof=1).astype(np.float32), rtol=0.15, atol=0)
    assert torch.corrcoef(gained.T)[0, 1] > 0.9
    shapes = [(part - part.mean(3, keepdim=True)) / part.std(3, keepdim=True) for part in (x, varied)]
    torch.testing.assert_close(*shapes, rtol=1e-3, atol=1e-3)


def test_still_windows_stay_still() -> None:
    data = made(*random_effects(5))
    still = replace(data, stored=np.zeros_like(data.stored))
    assert not group_effects(still).any()


def test_series_of_groups_alone_are_varied_so() -> None:
    data = made(*random_effects(6, channels=3))
    found = suitable_augmentation(data)
    assert isinstance(found, GroupAugmentation)
    assert fine_tunes_varied(data)
    said = augmentation_words(data, Recipe(augment=True))
    assert said == "of another amplitude and level, as far as persons differ in them, afresh for every batch"
    assert suitable_augmentation(replace(data, groups=None)) is None
    assert suitable_augmentation(replace(data, normal=0)) is None
    assert not isinstance(suitable_augmentation(replace(data, channels=("x", "y", "z"))), GroupAugmentation)
