"""Several validation parts of one data set, where one of them would be too small to tell networks apart."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.datasets._base import Dataset, Groups
from nas.datasets.splits import VALIDATION_FRACTION, Split, split_validation

FOLDS = 5
"""Folds of a small data set: each validates on as much as one validation part would have, and all of them on everything."""
FEW = 100
"""Examples to validate on below which one part is not enough: the standard error of an accuracy of 90 % is 3 points at so many."""


def suitable_folds(y: NDArray[np.int64]) -> int:
    """How many folds suit data with these classes ``(N,)`` to train and validate on: :data:`FOLDS` where one validation part would
    have fewer than :data:`FEW` examples, else 1."""
    return FOLDS if VALIDATION_FRACTION * len(y) < FEW else 1


def validation_folds(dataset: Dataset, folds: int, seed: int) -> tuple[Split, ...]:
    """Each of the ``folds`` as the validation part, in turn, beside the others to train on.

    One fold is the part of :func:`nas.datasets.split_validation`. Several keep groups whole where every class then is on both sides
    of at least two; fewer come back where groups or a class are too few for as many.

    :raises UserError: where a class is too small to be in both parts, or the data comes with a validation part and several are
        asked for.
    """
    if folds == 1:
        return (split_validation(dataset, VALIDATION_FRACTION, seed),)
    if dataset.validation is not None:
        raise UserError(f"--folds {folds}: {dataset.name} comes with a validation part of its own; leave the option out, or give 1")
    masks = list(_by_group(dataset.y, dataset.groups, folds, seed))
    if len(masks) < 2:
        fewest = int(np.unique(dataset.y, return_counts=True)[1].min())
        if fewest < 2:
            raise UserError(f"data set {dataset.name}: cannot be cut into folds: a class has a single example to train on")
        masks = list(_stratified(dataset.y, min(folds, fewest), seed))
    return tuple(Split(dataset.subset(np.flatnonzero(~mask)), dataset.subset(np.flatnonzero(mask))) for mask in masks)


def _by_group(y: NDArray[np.int64], groups: Groups | None, folds: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Those of the folds of whole groups that have every class on both sides; none where every group is one example."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = np.unique(y)
    if groups is None or len(np.unique(groups.of)) == len(y):
        return
    fewest = min(len(np.unique(groups.of[y == label])) for label in labels)
    if fewest < 2:
        return
    splitter = StratifiedGroupKFold(min(folds, fewest), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of small classes; both sides are checked here
        for rest, held in splitter.split(y, y, groups.of):
            if len(np.unique(y[rest])) == len(np.unique(y[held])) == len(labels):
                yield _mask(len(y), held)


def _stratified(y: NDArray[np.int64], folds: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    from sklearn.model_selection import StratifiedKFold

    for _, held in StratifiedKFold(folds, shuffle=True, random_state=seed).split(y, y):
        yield _mask(len(y), held)


def _mask(count: int, held: NDArray[np.intp]) -> NDArray[np.bool_]:
    mask = np.zeros(count, bool)
    mask[held] = True
    return mask
