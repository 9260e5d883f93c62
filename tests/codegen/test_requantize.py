"""Requantisation against a second transcription in plain Python integers, and the properties that kernels rely on."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.ir import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    GraphError,
    HardSwish,
    LeakyRelu,
    MaxPool2D,
    Mean,
    Quantization,
    Softmax,
    Sub,
    Tensor,
    Weighted,
)
from codegen.requantize import (
    accumulator_range,
    activation_range,
    high_multiply,
    multipliers,
    quantized_multiplier,
    quantized_multipliers,
    requantize,
    round_half_away,
    rounding_shift,
)

INT32 = st.integers(-(2**31), 2**31 - 1)


def plain_high_multiply(a: int, b: int) -> int:
    """gemmlowp's form, with its nudge and its division towards zero."""
    if a == b == -(2**31):
        return 2**31 - 1
    product = a * b
    nudge = 2**30 if product >= 0 else 1 - 2**30
    total = product + nudge
    return total // 2**31 if total >= 0 else -(-total // 2**31)


def plain_rounding_shift(x: int, bits: int) -> int:
    """gemmlowp's form: remainder against a threshold that depends on the sign."""
    mask = (1 << bits) - 1
    threshold = (mask >> 1) + (1 if x < 0 else 0)
    return (x >> bits) + (1 if (x & mask) > threshold else 0)


def plain_requantize(x: int, q: int, e: int) -> int:
    shifted = (x << max(e, 0)) & 0xFFFFFFFF
    signed = shifted - 2**32 if shifted >= 2**31 else shifted
    return plain_rounding_shift(plain_high_multiply(signed, q), max(-e, 0))


@given(INT32, INT32)
def test_high_multiply_is_gemmlowps(a: int, b: int) -> None:
    assert high_multiply(a, b) == plain_high_multiply(a, b)


@pytest.mark.parametrize("a", [-(2**31), -(2**31) + 1, -(2**30), -1, 0, 1, 2**30, 2**31 - 1])
@pytest.mark.parametrize("b", [-(2**31), -(2**30), -1, 0, 1, 2**30, 2**31 - 1])
def test_high_multiply_at_the_corners(a: int, b: int) -> None:
    assert high_multiply(a, b) == plain_high_multiply(a, b)


@given(INT32, st.integers(0, 31))
def test_rounding_shift_is_gemmlowps(x: int, bits: int) -> None:
    assert rounding_shift(x, bits) == plain_rounding_shift(x, bits)


def test_rounding_shift_sends_ties_away_from_zero() -> None:
    assert rounding_shift([5, 3, 1, -1, -3, -5], 1).tolist() == [3, 2, 1, -1, -2, -3]


@given(
    st.lists(INT32, min_size=3, max_size=3), st.lists(st.integers(2**30, 2**31 - 1), min_size=3, max_size=3), st.integers(-31, 20)
)
def test_requantize_equals_the_plain_transcription(xs: list[int], qs: list[int], e: int) -> None:
    exponents = [e, max(e - 3, -31), min(e + 1, 20)]
    expected = [plain_requantize(x, q, k) for x, q, k in zip(xs, qs, exponents, strict=True)]
    assert requantize(np.array(xs), np.array(qs, np.int32), np.array(exponents, np.int32)).tolist() == expected


@given(st.floats(2.0**-31, 2.0**20))
def test_multiplier_is_the_nearest_with_31_bits(real: float) -> None:
    q, e = quantized_multiplier(real)
    assert 2**30 <= q < 2**31
    error = abs(Fraction(q) * Fraction(2) ** (e - 31) - Fraction(real))
    assert error <= Fraction(2) ** (e - 32)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.5, (2**30, 0)),
        (1.0, (2**30, 1)),
        (0.0, (0, 0)),
        (2.0**-32, (2**30, -31)),
        (2.0**-33, (0, 0)),
        (math.nextafter(1.0, 0.0), (2**30, 1)),  # rounds up to 2**31 and is normalised again
    ],
)
def test_multiplier_corner_cases(real: float, expected: tuple[int, int]) -> None:
    assert quantized_multiplier(real) == expected


@pytest.mark.parametrize("real", [-1.0, math.inf, math.nan, 2.0**31])
def test_multiplier_refuses_what_it_cannot_represent(real: float) -> None:
    with pytest.raises(ValueError, match="factor"):
        quantized_multipliers([1.0, real])


def test_round_half_away() -> None:
    assert round_half_away([0.5, -0.5, 1.5, -2.5, 0.49999999999999994, -7.2]).tolist() == [1, -1, 2, -3, 0, -7]


@pytest.mark.parametrize(
    ("activation", "scale", "zero_point", "expected"),
    [
        ("none", 0.1, 5, (-128, 127)),
        ("relu", 0.1, 5, (5, 127)),
        ("relu", 0.1, -128, (-128, 127)),
        ("relu6", 0.1, -70, (-70, -10)),
        ("relu6", 6 / 255, -128, (-128, 127)),
        ("relu6", 1e-8, -10, (-10, 127)),
        ("relu6", 456343.7, -10, (-10, -10)),
        ("relu6", 1e-42, 0, (0, 127)),  # 6 / scale overflows float32
        ("relu_n1_to_1", 0.1, 5, (-5, 15)),
        ("relu_n1_to_1", 0.001, 5, (-128, 127)),
    ],
)
def test_activation_range(activation: str, scale: float, zero_point: int, expected: tuple[int, int]) -> None:
    assert activation_range(activation, scale, zero_point) == expected  # type: ignore[arg-type]


def tensor(name: str, shape: tuple[int, ...], scale: float = 0.5, zero_point: int = 0) -> Tensor:
    return Tensor(name, shape, "int8", Quantization((scale,), zero_point))


def graph_of(*tensors: Tensor) -> Graph:
    return Graph("g", {t.name: t for t in tensors}, (), ("x",), ("y",))


def weighted(kind: type[Weighted], shape: tuple[int, ...], scales: tuple[float, ...]) -> tuple[Weighted, Graph]:
    weight = Tensor("w", shape, "int8", Quantization(scales), np.ones(shape, np.int8))
    graph = graph_of(tensor("x", (1, 4, 4, shape[-1]), 1.0001221), weight, tensor("y", (1, 4, 4, 2), 8.0))
    return kind(name="op", inputs=("x",), output="y", weight="w"), graph


@pytest.mark.parametrize(
    ("kind", "shape"), [(Conv2D, (2, 1, 1, 3)), (DepthwiseConv2D, (1, 3, 3, 2)), (FullyConnected, (2, 48))], ids=lambda v: str(v)
)
def test_every_output_channel_has_its_multiplier(kind: type[Weighted], shape: tuple[int, ...]) -> None:
    op, graph = weighted(kind, shape, (0.25, 0.125))
    q, e = multipliers(op, graph)
    assert q.dtype == e.dtype == np.int32
    expected = [quantized_multiplier(1.0001221 * s / 8.0) for s in (0.25, 0.125)]
    assert list(zip(q.tolist(), e.tolist(), strict=True)) == expected


def test_fully_connected_per_tensor_takes_the_product_in_float32() -> None:
    scale = float(np.float32(0.9998779))
    x = float(np.float32(1.0001221))
    fully, graph = weighted(FullyConnected, (2, 48), (scale,))
    graph = graph_of(tensor("x", (1, 48), x), graph["w"], graph["y"])
    conv, conv_graph = weighted(Conv2D, (2, 1, 1, 3), (scale,))
    conv_graph = graph_of(tensor("x", (1, 4, 4, 3), x), conv_graph["w"], conv_graph["y"])
    rounded, exact = multipliers(fully, graph)[0][0], multipliers(conv, conv_graph)[0][0]
    assert rounded == quantized_multiplier(float(np.float32(x) * np.float32(scale)) / 8.0)[0]
    assert exact == quantized_multiplier(x * scale / 8.0)[0]
    assert rounded != exact


def test_sub_takes_its_quotients_in_float32_and_add_does_not() -> None:
    graph = graph_of(tensor("x", (1, 2), 0.05), tensor("z", (1, 2), 0.02), tensor("y", (1, 2), 0.07))
    q_add, _ = multipliers(Add(name="a", inputs=("x", "z"), output="y"), graph)
    q_sub, _ = multipliers(Sub(name="s", inputs=("x", "z"), output="y"), graph)
    assert q_add[0] == q_sub[0] == 2**30
    assert all(int(q) & 127 == 0 for q in q_sub)  # a float32 mantissa has 24 bits
    assert any(int(q) & 127 for q in q_add)


def test_mean_multiplier_holds_the_division() -> None:
    graph = graph_of(tensor("x", (1, 5, 6, 2), 0.05), tensor("y", (1, 2), 0.061))
    (q,), (e,) = multipliers(Mean(name="m", inputs=("x",), output="y", axes=(1, 2)), graph)
    assert math.isclose(int(q) * 2.0 ** (int(e) - 31), 0.05 / 0.061 / 30, rel_tol=2**-29)


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (MaxPool2D(name="op", inputs=("x",), output="y", window=(1, 1), strides=(1, 1)), "no requantisation"),
        (HardSwish(name="op", inputs=("x",), output="y"), "128 times"),
        (LeakyRelu(name="op", inputs=("x",), output="y", alpha=-0.5), "alpha"),
        (Softmax(name="op", inputs=("x",), output="y", beta=0.0), "beta"),
        (Softmax(name="op", inputs=("x",), output="y", beta=1e-12), "beta"),
    ],
    ids=lambda v: v.kind if not isinstance(v, str) else "",
)
def test_unsuitable_operators_are_named(op: MaxPool2D, message: str) -> None:
    graph = graph_of(tensor("x", (1, 2, 2, 1), 1.0), tensor("y", (1, 2, 2, 1), 0.001))
    with pytest.raises(GraphError, match=f"'op'.*{message}"):
        multipliers(op, graph)


def test_accumulator_range_is_reached_and_never_left() -> None:
    rng = np.random.default_rng(3)
    w = rng.integers(-128, 128, (2, 1, 1, 2)).astype(np.int8)
    bias = np.array([1000, -7], np.int32)
    tensors = (
        tensor("x", (1, 1, 1, 2), 0.5, 17),
        Tensor("w", w.shape, "int8", Quantization((0.1,)), w),
        Tensor("b", (2,), "int32", None, bias),
        tensor("y", (1, 1, 1, 2)),
    )
    op = Conv2D(name="op", inputs=("x",), output="y", weight="w", bias="b")
    low, high = accumulator_range(op, graph_of(*tensors))
    every = np.stack(np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)), axis=-1).reshape(-1, 2) - 17
    sums = every @ w.reshape(2, 2).astype(np.int64).T + bias
    assert low.tolist() == sums.min(axis=0).tolist()
    assert high.tolist() == sums.max(axis=0).tolist()
