"""Some of many examples, for what takes too long on all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly_spaced(count: int, most: int) -> NDArray[np.intp]:
    """Rising indices ``(min(count, most),)`` into ``count`` examples at equal distances, all of them where these are no more."""
    taken = min(count, most)
    return np.arange(taken) * count // max(taken, 1)
