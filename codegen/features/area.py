"""Images of another size, in integers: cut to a network's proportions around the centre, each pixel the mean of what it covers.

The numpy function is the specification of ``<m>_run_pixels``, which equals it to the bit, and data is read by it.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

MOST_SIDE = 2048
"""Pixels of the longer side: weights times bytes then fit 32 bits."""


def fit_area(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """``image`` uint8 ``(H, W, C)`` as ``(*size, C)``; means are exact, halves are rounded up.

    :raises ValueError: if a side is 0, or longer than :data:`MOST_SIDE`.
    """
    sides, goal = image.shape[:2], size
    if not 1 <= min(sides) <= max(sides) <= MOST_SIDE or min(goal) < 1:
        raise ValueError(f"an image of {sides[1]}x{sides[0]} pixels; sides of 1 to {MOST_SIDE} can be fitted")
    if sides == goal:
        return image
    # A pixel of the result covers `step` units along either axis, one of the image `pixel`; the result begins at `begins`.
    tight = 0 if sides[0] * goal[1] <= sides[1] * goal[0] else 1  # the axis of which nothing is cut off
    common = gcd(sides[tight], goal[tight])
    step, pixel = 2 * sides[tight] // common, 2 * goal[tight] // common
    begins = [(side * pixel - step * count) // 2 for side, count in zip(sides, goal, strict=True)]
    rows, columns = (_overlaps(*axis, step, pixel) for axis in zip(begins, sides, goal, strict=True))
    sums = np.einsum("yh,hwc->ywc", rows, image.astype(np.float64), optimize=True)  # whole numbers far below 2**53: exact
    sums = np.einsum("xw,ywc->yxc", columns, sums, optimize=True)
    area = step * step
    fitted: NDArray[np.uint8] = ((sums.astype(np.int64) + area // 2) // area).astype(np.uint8)
    return fitted


def _overlaps(begin: int, side: int, count: int, step: int, pixel: int) -> NDArray[np.float64]:
    """How many units each pixel of the result shares with each of the image: ``(count, side)``."""
    of_result = begin + step * np.arange(count)[:, None]
    of_image = pixel * np.arange(side)
    ends = np.minimum(of_result + step, of_image + pixel)
    shared: NDArray[np.float64] = np.maximum(0, ends - np.maximum(of_result, of_image)).astype(np.float64)
    return shared
