"""Normalisation in integers: what it stands for, and how near."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_networks import RAW_INPUTS

from codegen.errors import UserError
from codegen.features import RawInput, front_end_from_json
from codegen.features.fixed_point import channels, quantized
from codegen.samples import quantize

OFFSETS = st.floats(-1e5, 1e5, width=32)
SCALES = st.floats(2**-8, 0.125, width=32)


@settings(deadline=None)
@given(st.floats(-6, 6), st.floats(2**-10, 2**10, width=32), OFFSETS, SCALES, st.integers(-128, 127), st.integers(0, 2**32 - 1))
def test_real_numbers_become_the_nearest_step(
    spread: float, gain: float, offset: float, scale: float, zero_point: int, seed: int
) -> None:
    raw = (offset + np.random.default_rng(seed).normal(0, 10**spread / gain, 200)).astype(np.float32)[:, None]
    constants = channels(np.array([offset]), np.array([gain]), scale, zero_point, real=True)
    exact = np.clip((raw.astype(np.float64) - offset) * gain / scale + zero_point, -128, 127)
    lost = 2.0 ** -float(constants.exponent[0]) * gain / scale  # where the offset leaves no room for more, or numbers have no more
    assert np.abs(quantized(constants, raw) - exact).max() <= 0.5 + max(1 / 50, lost)
    for array in (constants.centre, constants.limit, constants.multiplier, constants.bias):
        assert np.abs(array).max() < 2**31
    assert (constants.limit * np.abs(constants.multiplier) + np.abs(constants.bias)).max() < 2**31


@settings(deadline=None)
@given(st.floats(2**-12, 2**6, width=32), st.floats(-3e4, 3e4, width=32), SCALES, st.integers(-128, 127))
def test_integers_become_the_nearest_step(gain: float, offset: float, scale: float, zero_point: int) -> None:
    raw = np.arange(-32768, 32768).astype(np.int16)[:, None]
    constants = channels(np.array([offset]), np.array([gain]), scale, zero_point, real=False)
    exact = np.clip((raw.astype(np.float64) - offset) * gain / scale + zero_point, -128, 127)
    stored = quantized(constants, raw)
    assert np.abs(stored - exact).max() <= 0.5 + 1 / 50
    assert (np.diff(stored[:, 0].astype(int)) >= 0).all()
    assert (constants.limit * np.abs(constants.multiplier) + np.abs(constants.bias)).max() < 2**31


def test_it_hardly_ever_differs_from_the_formula_in_single_precision() -> None:
    rng = np.random.default_rng(0)
    for raw_input in (RAW_INPUTS["motion"], RAW_INPUTS["flowers"]):
        offset, gain = np.array(raw_input.offset, np.float32), np.array(raw_input.gain, np.float32)
        raw = (rng.normal(size=(2000, *raw_input.shape)) / gain + offset).astype(np.float32)
        difference = raw_input(raw) - quantize((raw - offset) * gain, raw_input.scale, raw_input.zero_point).astype(int)
        assert np.abs(difference).max() <= 1
        assert np.count_nonzero(difference) < 0.01 * difference.size


def test_numbers_that_are_none() -> None:
    motion = RAW_INPUTS["motion"]
    raw = np.zeros((1, 16, 3), np.float32)
    raw[0, :3] = [[np.nan] * 3, [np.inf] * 3, [-np.inf] * 3]
    assert motion(raw)[0, 0, :3].tolist() == [[-5] * 3, [127] * 3, [-128] * 3]


def test_bytes_of_images_are_less_128() -> None:
    photos = RAW_INPUTS["photos"]
    raw = np.resize(np.arange(256, dtype=np.uint8), (3, 6, 6, 3))
    assert np.array_equal(photos(raw), raw.astype(int) - 128)


@pytest.mark.parametrize("name", RAW_INPUTS)
def test_it_goes_to_json_and_back(name: str) -> None:
    content = json.loads(json.dumps(RAW_INPUTS[name].to_json()))
    assert front_end_from_json(content) == RAW_INPUTS[name]
    for key in content:
        with pytest.raises(UserError, match=r"raw input|features: frames"):
            front_end_from_json({other: value for other, value in content.items() if other != key})
    with pytest.raises(UserError, match="it must have one, or"):
        front_end_from_json(content | {"offset": [0.0] * 7})


def test_what_does_not_fit_is_one_clear_line() -> None:
    motion = RAW_INPUTS["motion"]
    for array, words in (
        (np.zeros((2, 48)), "--raw: the array is float64, samples are float32"),
        (np.zeros((2, 47), np.float32), r"--raw: the array has the shape \[2, 47\], should be \[n, 1, 16, 3\]"),
        (np.zeros(0, np.float32), "has the shape"),
    ):
        with pytest.raises(UserError, match=words):
            motion.fit(array, "--raw")
    assert motion.fit(np.zeros((16, 3), np.float32), "--raw").shape == (1, 48)
    with pytest.raises(UserError, match="is not known"):
        RawInput("picture", "uint8", (1, 1, 1), (0.0,), (1.0,), 1.0, 0)  # type: ignore[arg-type]
