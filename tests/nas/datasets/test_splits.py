"""Splits: every class on both sides, no group on both, the same again for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_files import opened, random_images, random_recordings
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.datasets import Groups, Reading, load_test, load_train
from nas.datasets.splits import hold_out


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), groups=st.integers(2, 12), classes=st.integers(2, 5), each=st.integers(1, 8))
def test_no_group_is_torn_apart(seed: int, groups: int, classes: int, each: int) -> None:
    y = np.tile(np.repeat(np.arange(classes), each), groups)
    of = np.repeat(np.arange(groups), classes * each)
    order = np.random.default_rng(seed).permutation(len(y))
    held = hold_out(y[order], Groups("person", tuple(map(str, range(groups))), of[order]), 0.2, seed)
    inside, outside = set(of[order][held.mask]), set(of[order][~held.mask])
    assert not inside & outside
    assert set(y[order][held.mask]) == set(y[order][~held.mask]) == set(range(classes))
    again = hold_out(y[order], Groups("person", tuple(map(str, range(groups))), of[order]), 0.2, seed)
    assert np.array_equal(held.mask, again.mask)
    assert f"{len(inside)} of {groups} persons" in held.words


def test_a_class_of_a_single_group_is_divided_at_random_and_said_so() -> None:
    y = np.repeat([0, 1], 50)
    of = np.concatenate([np.arange(50) % 5, np.full(50, 7)])
    held = hold_out(y, Groups("speaker", tuple("abcdefgh"), of), 0.2, 0)
    assert held.mask[y == 1].sum() == 10
    assert "not by speaker: a class comes from a single speaker" in held.words


def test_the_test_part_is_the_same_for_every_seed_of_a_search(tmp_path: Path) -> None:
    from nas.datasets import split_validation

    random_images(tmp_path, ["cat", "dog"], count=50)
    train, test = load_train(str(tmp_path)), load_test(str(tmp_path))
    assert (len(train), len(test)) == (80, 20)
    rows = {image.tobytes() for image in train.stored}
    assert not any(image.tobytes() in rows for image in test.stored)
    one, other = (split_validation(train, 0.2, seed)[1] for seed in (1, 2))
    assert not np.array_equal(one.stored, other.stored)


def test_windows_of_a_recording_stay_together(tmp_path: Path) -> None:
    random_recordings(tmp_path, ["still", "moving"], count=10)
    reading = Reading(window=100)
    train, test = load_train(str(tmp_path), reading), load_test(str(tmp_path), reading)
    assert train.groups is not None
    assert test.groups is not None
    assert train.groups.kind == "recording"
    assert not set(train.groups.of) & set(test.groups.of)
    assert len(set(test.groups.of)) == 4
    found = opened(tmp_path, window=100)
    assert "4 of 20 recordings" in found.split


def test_folders_of_people_are_groups(tmp_path: Path) -> None:
    for person in "abcde":
        for seed, gesture in enumerate(("wave", "push")):
            random_recordings(tmp_path / gesture, [person], count=2, seed=10 * ord(person) + seed)
    found = opened(tmp_path)
    assert found.data.classes == ("push", "wave")
    assert found.data.facts.group_kind == "sub-folder"
    assert found.data.group_names == tuple("abcde")


@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_without_groups_classes_keep_their_shares(fraction: float) -> None:
    y = np.repeat(np.arange(4), [200, 100, 50, 10])
    held = hold_out(y, None, fraction, 3)
    assert [held.mask[y == c].mean() for c in range(4)] == pytest.approx([fraction] * 4, abs=0.02)
