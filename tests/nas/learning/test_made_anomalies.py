"""The anomalies that validation makes of normal examples."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nas.datasets import Dataset
from nas.datasets._base import Kind
from nas.learning.made_anomalies import MOST_SHIFT, Maker, box, makers_for, mixture, shifted_level, with_anomalies


def normal_data(shape: tuple[int, int, int], dtype: str, kind: Kind) -> Dataset:
    """Channels of one level and deviation, most of which all examples have in common."""
    rng = np.random.default_rng(0)
    stored = (128 + rng.normal(0, 12, (40, 1, 1, shape[2])) + rng.normal(0, 25, (40, *shape))).clip(0, 255).astype(dtype)
    return Dataset("made", kind, shape, ("odd", "usual"), stored, np.ones(40, np.int64), normal=1)


@pytest.mark.parametrize(
    ("shape", "dtype", "kind"),
    [
        ((1, 60, 8), "float32", "series"),
        ((1, 60, 1), "int16", "series"),
        ((12, 10, 3), "uint8", "image"),
        ((1, 900, 1), "int16", "audio"),
        ((1, 1, 20), "float32", "vector"),
    ],
)
def test_anomalies_are_made_of_normal_examples(shape: tuple[int, int, int], dtype: str, kind: Kind) -> None:
    normal = normal_data(shape, dtype, kind)
    mixed = with_anomalies(normal, 0)
    assert mixed.stored.dtype == normal.stored.dtype
    assert mixed.anomalous.sum() == len(normal) == len(mixed) // 2
    assert np.array_equal(mixed.stored[~mixed.anomalous], normal.stored)
    made = mixed.stored[mixed.anomalous]
    changed = (made != normal.stored).reshape(len(normal), -1).mean(axis=1)
    assert np.median(changed) > 0.02
    assert changed.min() > 0
    assert not any((one == normal.stored).all(axis=(1, 2, 3)).any() for one in made)  # never another example as a whole
    assert np.array_equal(with_anomalies(normal, 0).stored, mixed.stored)
    assert not np.array_equal(with_anomalies(normal, 1).stored, mixed.stored)


@pytest.mark.parametrize("maker", [shifted_level, mixture, box])
def test_channels_that_are_not_chosen_stay(maker: Maker) -> None:
    normal = normal_data((1, 60, 6), "float32", "series")
    made = with_anomalies(normal, 0, (maker,)).stored[len(normal) :]
    changed = (made != normal.stored).any(axis=(1, 2))
    assert 0.4 < changed.mean() < 0.6
    assert changed.any(axis=1).all()


def test_levels_shift_as_far_as_normal_ones_lie_apart() -> None:
    normal = normal_data((1, 60, 4), "float32", "series")
    scaled = dataclasses.replace(normal, stored=normal.stored * np.array([1, 100, 0.01, 0], np.float32))
    moved = with_anomalies(scaled, 0, (shifted_level,)).stored[len(normal) :] - scaled.stored
    assert np.ptp(moved, axis=(1, 2)) == pytest.approx(0, abs=2e-3)  # all of the window
    furthest = np.abs(moved).max(axis=(0, 1, 2)) / scaled.stored.mean(axis=(1, 2)).std(axis=0).clip(1e-9)
    assert (furthest[:3] > MOST_SHIFT / 2).all()
    assert (furthest[:3] < MOST_SHIFT + 0.01).all()
    assert furthest[3] == 0
    level = normal.stored - normal.stored.mean(axis=(1, 2), keepdims=True)
    same = with_anomalies(dataclasses.replace(normal, stored=level), 0, (shifted_level,))
    assert np.abs(same.stored[len(normal) :].mean(axis=(1, 2))).max() > 1  # levels that do not differ shift nevertheless


def test_boxes_are_of_images_and_sounds_alone() -> None:
    assert {kind: makers_for(kind) for kind in ("image", "audio", "series", "vector")} == {
        "image": (box,),
        "audio": (box,),
        "series": (shifted_level, mixture),
        "vector": (shifted_level, mixture),
    }
