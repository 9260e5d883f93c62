"""Whether images stay what they are in a mirror: photographs of things do, digits and letters do not."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nas.datasets import Dataset
from nas.evenly_spaced import evenly_spaced

NEIGHBOURS = 4000
"""Images among which the nearest is looked for, at most."""
ASKED = 2000
"""Of these so many, at most, are looked at in the mirror."""
TOLERATED = 0.25
"""What mirrored images may lose of what tells images' classes better than chance."""
CONFIDENCE = 2.0
"""Standard errors by which they lose less."""


def mirror_keeps_classes(train_set: Dataset) -> bool:
    """Whether an image with left and right exchanged finds its own class about as often as the image itself does: as the class of
    the nearest other image (Euclidean distance of the pixels less their mean).

    So the data itself says whether mirrored copies may be learnt from. Where it is too small to say, or nearness says nothing of
    classes, the answer is no. A function of the data alone: the same examples are asked every time.
    """
    images = train_set.subset(evenly_spaced(len(train_set), NEIGHBOURS))
    if len(images) < 2:
        return False
    asked = evenly_spaced(len(images), ASKED)
    pixels, y = images.x, images.y
    others = _flat(pixels)
    as_they_are, mirrored = (
        (_neighbours(others, _flat(shown[asked]), asked, y) == y[asked]).astype(np.float64)
        for shown in (pixels, pixels[:, :, ::-1])
    )
    chance = float(((np.bincount(y) / len(images)) ** 2).sum())
    lost = as_they_are - mirrored
    most = lost.mean() + CONFIDENCE * lost.std() / math.sqrt(len(asked))
    return bool(most < TOLERATED * (as_they_are.mean() - chance))


def _flat(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Images ``(n, H, W, C)`` as vectors ``(n, H*W*C)`` of mean 0."""
    vectors = images.reshape(len(images), -1)
    centred: NDArray[np.float32] = vectors - vectors.mean(1, keepdims=True)
    return centred


def _neighbours(
    vectors: NDArray[np.float32], asked: NDArray[np.float32], own: NDArray[np.intp], y: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The class of the vector that is nearest to each of those ``asked``, other than its ``own``."""
    distances = (vectors**2).sum(1) - 2 * asked @ vectors.T
    distances[np.arange(len(asked)), own] = np.inf
    nearest: NDArray[np.int64] = y[distances.argmin(1)]
    return nearest
