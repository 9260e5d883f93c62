"""A labelled data set in memory and its stratified splits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError

Kind = Literal["image"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """``x`` float32 ``(N, H, W, C)``, images in 0..1; ``y`` int64 ``(N,)``, indices into ``classes``."""

    name: str
    kind: Kind
    input_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    x: NDArray[np.float32]
    y: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)

    def subset(self, indices: NDArray[np.intp]) -> Dataset:
        """The examples at ``indices``, in that order."""
        return replace(self, x=self.x[indices], y=self.y[indices])


def split_validation(dataset: Dataset, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """Stratified random split into (train, validation); ``fraction`` of the examples go into the second.

    :raises UserError: where a class is too small to be in both parts.
    """
    from sklearn.model_selection import train_test_split

    try:
        train, validation = train_test_split(np.arange(len(dataset)), test_size=fraction, stratify=dataset.y, random_state=seed)
    except ValueError as error:
        raise UserError(f"data set {dataset.name}: cannot set {fraction:.0%} aside for validation: {error}") from error
    return dataset.subset(np.sort(train)), dataset.subset(np.sort(validation))
