"""Whether mirrored images keep their class: asked of real photographs, clothes and digits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nas.datasets import Dataset, load_train
from nas.learning.augmentation import ImageAugmentation
from nas.learning.symmetry import mirror_keeps_classes
from nas.learning.training import Recipe, augmentation_words, suitable_augmentation


@pytest.fixture(scope="module")
def photographs(shared_dir: Path) -> Dataset:
    return load_train(str(shared_dir / "data" / "cifar10" / "cifar10_20k5k.npz"))


def test_photographs_are_mirrored(photographs: Dataset) -> None:
    assert suitable_augmentation(photographs) == ImageAugmentation(mirror=True)
    words = augmentation_words(photographs, Recipe(augment=True))
    assert words == "shifted, turned, zoomed and sheared a little, every second one mirrored, afresh for every batch"


def test_digits_and_shoes_which_all_point_to_one_side_are_not(shared_dir: Path) -> None:
    assert not mirror_keeps_classes(load_train("digits"))
    assert not mirror_keeps_classes(load_train(str(shared_dir / "data" / "fashion_mnist_15k" / "fashion_mnist_15k3k.npz")))


def test_where_the_data_does_not_say_nothing_is_mirrored(photographs: Dataset) -> None:
    """Few images, one alone, and images whose classes are drawn by lot."""
    assert not mirror_keeps_classes(photographs.subset(np.arange(100)))
    assert not mirror_keeps_classes(photographs.subset(np.arange(1)))
    lots = np.random.default_rng(0).permutation(photographs.y)
    assert not mirror_keeps_classes(replace(photographs, y=lots))
