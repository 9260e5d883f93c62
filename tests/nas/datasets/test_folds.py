"""Folds: together they validate on every example once, and no group is on both sides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_files import random_images
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.errors import UserError
from nas.datasets import Dataset, Groups, load_train, split_validation
from nas.datasets.folds import suitable_folds, validation_folds


def numbered(y: np.ndarray, groups: Groups | None = None) -> Dataset:
    """Examples that hold their own number."""
    stored = np.arange(len(y), dtype=np.float32).reshape(-1, 1, 1, 1)
    return Dataset("numbers", "vector", (1, 1, 1), tuple("abcde")[: y.max() + 1], stored, y, groups=groups)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), folds=st.integers(2, 6), classes=st.integers(2, 5), each=st.integers(2, 12))
def test_every_example_validates_once(seed: int, folds: int, classes: int, each: int) -> None:
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(classes), each))
    splits = validation_folds(numbered(y), folds, seed)
    assert len(splits) == min(folds, each)
    seen = np.concatenate([split.validation.stored.ravel() for split in splits])
    assert sorted(seen) == list(range(len(y)))
    for train_set, validation in splits:
        assert sorted([*train_set.stored.ravel(), *validation.stored.ravel()]) == list(range(len(y)))
        assert set(train_set.y) == set(validation.y) == set(range(classes))
    again = validation_folds(numbered(y), folds, seed)
    assert all(np.array_equal(a.validation.stored, b.validation.stored) for a, b in zip(splits, again, strict=True))


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), people=st.integers(2, 9), classes=st.integers(2, 4), each=st.integers(1, 5))
def test_no_group_is_torn_apart(seed: int, people: int, classes: int, each: int) -> None:
    y = np.tile(np.repeat(np.arange(classes), each), people)
    groups = Groups("person", tuple(map(str, range(people))), np.repeat(np.arange(people), classes * each))
    splits = validation_folds(numbered(y, groups), 5, seed)
    assert len(splits) == min(5, people)
    for train_set, validation in splits:
        assert train_set.groups is not None
        assert validation.groups is not None
        if each > 1 or classes > 1:
            assert not set(train_set.groups.of) & set(validation.groups.of)
        assert set(train_set.y) == set(validation.y) == set(range(classes))


def test_one_fold_is_the_validation_part_that_there_always_was(tmp_path: Path) -> None:
    random_images(tmp_path, ["cat", "dog"], count=50)
    data = load_train(str(tmp_path))
    (split,) = validation_folds(data, 1, 3)
    assert np.array_equal(split.validation.stored, split_validation(data, 0.2, 3)[1].stored)


def test_small_data_has_folds_and_large_data_has_not() -> None:
    assert [suitable_folds(np.zeros(n, np.int64)) for n in (10, 499, 500, 50_000)] == [5, 5, 1, 1]


def test_what_cannot_be_folded_is_refused() -> None:
    given = replace(numbered(np.array([0, 0, 1, 1])), validation=np.array([True, False, True, False]))
    with pytest.raises(UserError, match="--folds 2: numbers comes with a validation part of its own"):
        validation_folds(given, 2, 0)
    with pytest.raises(UserError, match="a class has a single example"):
        validation_folds(numbered(np.array([0, 0, 1])), 2, 0)
