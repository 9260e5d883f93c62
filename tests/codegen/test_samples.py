"""Arrays given by hand: accepted forms, and messages for the others."""

from __future__ import annotations

import numpy as np
import pytest

from codegen.errors import UserError
from codegen.ir import Graph, Quantization, Tensor
from codegen.samples import fit_inputs, fit_outputs, quantize

IMAGE = Graph(
    "image",
    {
        "x": Tensor("x", (1, 4, 3, 2), "int8", Quantization((0.5,), 10)),
        "y": Tensor("y", (1, 5), "int8", Quantization((0.5,), 10)),
    },
    (),
    ("x",),
    ("y",),
)


@pytest.mark.parametrize("shape", [(7, 4, 3, 2), (7, 1, 4, 3, 2), (7, 24)])
def test_a_batch_in_any_shape_of_its_samples_fits(shape: tuple[int, ...]) -> None:
    array = np.arange(7 * 24).astype(np.int8).reshape(shape)
    fitted = fit_inputs(IMAGE, array, "--inputs")["x"]
    assert fitted.shape == (7, 4, 3, 2)
    assert fitted.tobytes() == array.tobytes()


def test_a_single_sample_needs_no_batch_axis() -> None:
    assert fit_inputs(IMAGE, np.zeros((4, 3, 2), np.int8), "--inputs")["x"].shape == (1, 4, 3, 2)


def test_real_inputs_are_quantized() -> None:
    fitted = fit_inputs(IMAGE, np.full((1, 24), 1.0, np.float32), "--inputs")["x"]
    assert fitted.dtype == np.int8
    assert np.all(fitted == 12)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((7, 25), np.int8), "shape"),
        (np.zeros((7, 24), np.int64), "int64"),
        (np.zeros((0, 24), np.int8), "at least one"),
        ({"z": np.zeros((7, 24), np.int8)}, "names z"),
    ],
)
def test_an_array_that_does_not_fit_is_named_with_its_option(array: object, message: str) -> None:
    with pytest.raises(UserError, match=f"--inputs.*{message}"):
        fit_inputs(IMAGE, array, "--inputs")  # type: ignore[arg-type]


def test_expected_outputs_need_the_count_of_the_inputs() -> None:
    with pytest.raises(UserError, match="3 outputs for 4 inputs"):
        fit_outputs(IMAGE, np.zeros((3, 5), np.int8), 4, "--expect")


def test_quantize_rounds_ties_away_from_zero_saturates_and_survives_nan() -> None:
    values = np.array([0.25, -0.25, 0.2, 1e30, -1e30, np.inf, -np.inf, np.nan], np.float32)
    assert quantize(values, 0.5, 10).tolist() == [11, 9, 10, 127, -128, 127, -128, 10]
