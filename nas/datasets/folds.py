"""Several validation parts of one data set, where one of them would be too small to tell networks apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.datasets._base import Dataset
from nas.datasets.splits import VALIDATION_FRACTION, Split, group_folds, split_validation

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
    from sklearn.model_selection import StratifiedKFold

    if folds == 1:
        return (split_validation(dataset, VALIDATION_FRACTION, seed),)
    if dataset.validation is not None:
        raise UserError(f"--folds {folds}: {dataset.name} comes with a validation part of its own; leave the option out, or give 1")
    groups = dataset.groups
    parts = [] if groups is None or len(np.unique(groups.of)) == len(dataset) else list(group_folds(dataset.y, groups, folds, seed))
    if len(parts) < 2:
        fewest = int(np.unique(dataset.y, return_counts=True)[1].min())
        if fewest < 2:
            raise UserError(f"data set {dataset.name}: cannot be cut into folds: a class has a single example to train on")
        stratified = StratifiedKFold(min(folds, fewest), shuffle=True, random_state=seed)
        parts = list(stratified.split(dataset.y, dataset.y))
    return tuple(Split(dataset.subset(rest), dataset.subset(held)) for rest, held in parts)
