"""Images of another size: the exact mean of what each pixel covers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from codegen.features.area import MOST_SIDE, fit_area

SIDES = st.integers(1, 9)


def by_definition(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The mean over the area that each pixel covers, of one channel, in fractions."""
    rows, columns = image.shape
    pitch = min(Fraction(rows, height), Fraction(columns, width))
    top, left = (rows - pitch * height) / 2, (columns - pitch * width) / 2
    result = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            total = Fraction(0)
            for row in range(rows):
                tall = max(0, min(row + 1, top + pitch * (y + 1)) - max(row, top + pitch * y))
                for column in range(columns):
                    wide = max(0, min(column + 1, left + pitch * (x + 1)) - max(column, left + pitch * x))
                    total += tall * wide * int(image[row, column])
            result[y, x] = (total / pitch**2 + Fraction(1, 2)) // 1
    return result


@settings(max_examples=50, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.integers(0, 2**32 - 1))
def test_it_is_the_mean_of_what_a_pixel_covers(rows: int, columns: int, height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (rows, columns), np.uint8)
    assert np.array_equal(fit_area(image[..., None], (height, width))[..., 0], by_definition(image, height, width))


def test_it_is_near_the_filter_of_a_well_kept_library() -> None:
    rng = np.random.default_rng(0)
    for rows, columns, size in ((64, 96, (32, 32)), (240, 320, (96, 96)), (100, 37, (24, 12))):
        smooth = ImageOps.fit(Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8)), (columns, rows), Image.Resampling.BICUBIC)
        other = np.asarray(ImageOps.fit(smooth, size[::-1], Image.Resampling.BOX)).astype(int)
        difference = np.abs(fit_area(np.asarray(smooth), size) - other)
        assert difference.mean() < 4  # that one takes whole pixels
        if (rows, columns) == (64, 96):  # of which there are whole ones here
            assert difference.max() <= 1


def test_sizes_that_cannot_be_are_refused() -> None:
    for shape in ((0, 4, 1), (4, MOST_SIDE + 1, 1)):
        with pytest.raises(ValueError, match="can be fitted"):
            fit_area(np.zeros(shape, np.uint8), (4, 4))
    whole = np.zeros((4, 4, 1), np.uint8)
    assert fit_area(whole, (4, 4)) is whole
