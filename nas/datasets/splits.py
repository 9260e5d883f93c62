"""Splits without leaks: as given; else by group, where examples belong to groups; else stratified and at random."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.datasets._base import Dataset, Groups

SEED = 0
"""Of the test part: it is the same for every seed of a search."""
TEST_FRACTION = 0.2
VALIDATION_FRACTION = 0.2


class Split(NamedTuple):
    """What is trained on and what is validated on, of one train part."""

    train_set: Dataset
    validation: Dataset


@dataclass(frozen=True, eq=False)
class HeldOut:
    """``mask`` marks what is set aside; ``words`` say by which rule."""

    mask: NDArray[np.bool_]
    words: str


def hold_out(y: NDArray[np.int64], groups: Groups | None, fraction: float, seed: int) -> HeldOut:
    """Set about ``fraction`` of the examples aside, whole groups where there are any, every class on both sides.

    :raises ValueError: where a class is too small to be on both sides.
    """
    why = ""
    if groups is not None:
        members = [np.unique(groups.of[y == label]) for label in np.unique(y)]
        if all(len(own) >= 2 for own in members):
            by_group = _hold_out_groups(y, groups, fraction, seed)
            if by_group is not None:
                return by_group
            why = f"no set of whole {groups.kind}s has every class on both sides"
        else:
            why = f"a class comes from a single {groups.kind}"
    mask = _stratified(y, fraction, seed)
    words = f"{mask.mean():.0%}, stratified by class, seed {seed}"
    return HeldOut(mask, words if not why else f"{words}; not by {groups.kind if groups else ''}: {why}")


def _stratified(y: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    from sklearn.model_selection import train_test_split

    _, held = train_test_split(np.arange(len(y)), test_size=fraction, stratify=y, random_state=seed)
    mask = np.zeros(len(y), bool)
    mask[held] = True
    return mask


def _hold_out_groups(y: NDArray[np.int64], groups: Groups, fraction: float, seed: int) -> HeldOut | None:
    """The fold of whole groups that comes nearest to ``fraction``, of all examples and of each class, among those with every class
    on both sides."""
    present = np.unique(groups.of)
    if len(present) == len(y):
        mask = _stratified(y, fraction, seed)
        return HeldOut(mask, f"{mask.mean():.0%}, stratified by class, seed {seed}; every {groups.kind} is one example")
    labels = np.unique(y)
    best: NDArray[np.bool_] | None = None
    least = np.inf
    for _, held in group_folds(y, groups, round(1 / fraction), seed):
        mask = np.zeros(len(y), bool)
        mask[held] = True
        shares = np.array([mask[y == label].mean() for label in labels])
        distance = abs(mask.mean() - fraction) + np.abs(shares - fraction).mean()
        if distance < least:
            best, least = mask, distance
    if best is None:
        return None
    held_groups = [groups.names[i] for i in np.unique(groups.of[best])]
    listed = ": " + ", ".join(held_groups) if len(held_groups) <= 10 else ""
    return HeldOut(best, f"{best.mean():.0%}, {len(held_groups)} of {len(present)} {groups.kind}s{listed}, seed {seed}")


def group_folds(y: NDArray[np.int64], groups: Groups, folds: int, seed: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Places of the rest and of what is held out, for those of the ``folds`` of whole groups (fewer where a class comes from fewer
    of them) that have every class on both sides."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = np.unique(y)
    fewest = min(len(np.unique(groups.of[y == label])) for label in labels)
    if fewest < 2:
        return
    splitter = StratifiedGroupKFold(min(folds, fewest), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of small classes; both sides are checked here
        for rest, held in splitter.split(y, y, groups.of):
            if len(np.unique(y[rest])) == len(np.unique(y[held])) == len(labels):
                yield rest, held


def split_validation(dataset: Dataset, fraction: float, seed: int) -> Split:
    """Cut the validation part from the train part: as given with the data; else about ``fraction`` of it, by the rule of
    :func:`hold_out`.

    :raises UserError: where a class is too small to be in both parts.
    """
    if dataset.validation is not None:
        mask = dataset.validation
    else:
        try:
            mask = hold_out(dataset.y, dataset.groups, fraction, seed).mask
        except ValueError as error:
            raise UserError(f"data set {dataset.name}: cannot set {fraction:.0%} aside for validation: {error}") from error
    return Split(dataset.subset(np.flatnonzero(~mask)), dataset.subset(np.flatnonzero(mask)))
