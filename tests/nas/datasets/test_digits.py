"""Data sets: what is in them, that train and test stay apart, stratified validation splits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from codegen.errors import UserError
from nas.datasets import load_test, load_train, split_validation


def test_digits_are_whole_and_scaled() -> None:
    train, test = load_train("digits"), load_test("digits")
    assert (len(train), len(test)) == (1437, 360)
    assert train.x.shape == (1437, 8, 8, 1)
    assert train.x.dtype == np.float32
    assert train.y.dtype == np.int64
    assert train.classes == tuple("0123456789")
    assert (train.x.min(), train.x.max()) == (0.0, 1.0)


def test_train_and_test_are_the_same_every_time_and_disjoint() -> None:
    train, test = load_train("digits"), load_test("digits")
    assert np.array_equal(train.x, load_train("digits").x)
    assert np.array_equal(test.y, load_test("digits").y)
    seen = {image.tobytes() for image in train.x}
    assert not any(image.tobytes() in seen for image in test.x)


def test_the_classes_are_balanced_alike() -> None:
    train, test = load_train("digits"), load_test("digits")
    share = np.bincount(train.y) / len(train) - np.bincount(test.y) / len(test)
    assert np.abs(share).max() < 0.003


def test_validation_is_stratified_seeded_and_disjoint() -> None:
    data = load_train("digits")
    train, validation = split_validation(data, 0.2, 3)
    assert (len(train), len(validation)) == (1149, 288)
    assert np.abs(np.bincount(train.y) / len(train) - np.bincount(validation.y) / len(validation)).max() < 0.005
    rows = {image.tobytes() for image in train.x}
    assert not any(image.tobytes() in rows for image in validation.x)
    again = split_validation(data, 0.2, 3)[1]
    assert np.array_equal(validation.x, again.x)
    assert not np.array_equal(validation.x, split_validation(data, 0.2, 4)[1].x)


def test_a_class_too_small_to_split_is_reported() -> None:
    data = load_train("digits")
    lonely = dataclasses.replace(data, y=np.where(np.arange(len(data)) == 0, 9, data.y % 9))
    with pytest.raises(UserError, match="data set digits: cannot set 20% aside"):
        split_validation(lonely, 0.2, 0)


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(UserError, match=r"--data digitz: no such file or folder.*did you mean 'digits'"):
        load_train("digitz")
