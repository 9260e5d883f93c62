"""Convolutions, fully connected layers and pools against loops in plain Python integers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from codegen.ir import (
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    MaxPool2D,
    Op,
    Padding,
    Quantization,
    Tensor,
    output_shape,
)
from codegen.reference import run
from codegen.requantize import quantized_multiplier

SMALL = st.integers(1, 3)
ZERO_POINT = st.sampled_from([-128, -5, 0, 127])
PADDING = st.builds(Padding, *[st.integers(0, 2)] * 4)


def plain_requantize(x: int, real: float) -> int:
    q, e = quantized_multiplier(real)
    high = ((x << max(e, 0)) * q + 2**30) >> 31
    bits = max(-e, 0)
    if bits == 0:
        return high
    return (high + (1 << (bits - 1))) >> bits if high >= 0 else -((-high + (1 << (bits - 1))) >> bits)


def one_operator(op: Op, x_shape: tuple[int, ...], *more: Tensor, quantization: Quantization, y: Quantization) -> Graph:
    tensors = {"x": Tensor("x", x_shape, "int8", quantization), **{t.name: t for t in more}}
    # The shape rule does not look at the output's own shape, so a placeholder serves to ask it.
    probe = Graph("g", {**tensors, "y": Tensor("y", (1,), "int8", y)}, (op,), ("x",), ("y",))
    shape = output_shape(op, probe)
    assert shape is not None
    return Graph("g", {**tensors, "y": Tensor("y", shape, "int8", y)}, (op,), ("x",), ("y",)).validate()


def random_int8(rng: np.random.Generator, *shape: int) -> NDArray[np.int8]:
    return rng.integers(-128, 128, shape).astype(np.int8)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_convolutions_equal_plain_loops(data: st.DataObject) -> None:
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kh, kw, channels, multiplier = (draw(SMALL) for _ in range(4))
    strides, dilation, pad = draw(st.tuples(SMALL, SMALL)), draw(st.tuples(SMALL, SMALL)), draw(PADDING)
    height = draw(st.integers((kh - 1) * dilation[0] + 1, 8))
    width = draw(st.integers((kw - 1) * dilation[1] + 1, 8))
    depthwise = draw(st.booleans())
    out = channels * multiplier
    weight = random_int8(rng, *((1, kh, kw, out) if depthwise else (out, kh, kw, channels)))
    bias = rng.integers(-5000, 5000, out).astype(np.int32)
    scales = tuple(float(np.float32(s)) for s in rng.uniform(0.001, 0.05, out))
    zx, zy = draw(ZERO_POINT), draw(ZERO_POINT)
    clamp = draw(st.sampled_from([(-128, 127), (max(-128, zy), 127), (-20, 30)]))
    kind = DepthwiseConv2D if depthwise else Conv2D
    op = kind(
        name="op",
        inputs=("x",),
        output="y",
        weight="w",
        bias="b",
        strides=strides,
        dilation=dilation,
        padding=pad,
        clamp=clamp,
    )
    graph = one_operator(
        op,
        (1, height, width, channels),
        Tensor("w", weight.shape, "int8", Quantization(scales, 0, 3 if depthwise else 0), weight),
        Tensor("b", (out,), "int32", None, bias),
        quantization=Quantization((0.0625,), zx),
        y=Quantization((0.125,), zy),
    )
    x = random_int8(rng, 2, height, width, channels)
    y = run(graph, {"x": x})["y"]

    for n, row, column, c in np.ndindex(*y.shape):
        total = int(bias[c])
        for i, j in np.ndindex(kh, kw):
            r = row * strides[0] - pad.top + i * dilation[0]
            s = column * strides[1] - pad.left + j * dilation[1]
            if not (0 <= r < height and 0 <= s < width):
                continue
            if depthwise:
                total += (int(x[n, r, s, c // multiplier]) - zx) * int(weight[0, i, j, c])
            else:
                total += sum((int(x[n, r, s, k]) - zx) * int(weight[c, i, j, k]) for k in range(channels))
        expected = min(max(plain_requantize(total, 0.0625 * scales[c] / 0.125) + zy, clamp[0]), clamp[1])
        assert y[n, row, column, c] == expected


def test_long_sums_stay_exact() -> None:
    """65,536 extreme products per output: far beyond float32's mantissa, where the faster matrix product would be wrong."""
    rng = np.random.default_rng(0)
    weight = rng.choice(np.array([-128, 127], np.int8), (3, 65536), p=(0.1, 0.9))
    x = rng.choice(np.array([-128, 126], np.int8), (2, 65536), p=(0.8, 0.2))
    tensors = [
        Tensor("x", (1, 65536), "int8", Quantization((0.5,), 127)),
        Tensor("w", weight.shape, "int8", Quantization((0.5, 0.5, 0.25), 0, 0), weight),
        Tensor("y", (1, 3), "int8", Quantization((2.0**22,), 3)),
    ]
    op = FullyConnected(name="fc", inputs=("x",), output="y", weight="w")
    y = run(Graph("g", {t.name: t for t in tensors}, (op,), ("x",), ("y",)).validate(), {"x": x})["y"]
    sums = (x.astype(np.int64) - 127) @ weight.astype(np.int64).T
    expected = [[plain_requantize(int(v), 0.5 * s / 2.0**22) + 3 for v, s in zip(r, (0.5, 0.5, 0.25), strict=True)] for r in sums]
    assert np.abs(sums).max() > 2**30
    assert y.tolist() == np.clip(expected, -128, 127).tolist()


def test_fully_connected_works_on_every_row() -> None:
    rng = np.random.default_rng(1)
    weight = random_int8(rng, 5, 8)
    tensors = [
        Tensor("x", (1, 2, 3, 8), "int8", Quantization((0.05,), -5)),
        Tensor("w", (5, 8), "int8", Quantization((0.004,)), weight),
        Tensor("y", (1, 2, 3, 5), "int8", Quantization((0.06,), -3)),
        Tensor("r", (6, 8), "int8", Quantization((0.05,), -5)),
        Tensor("z", (6, 5), "int8", Quantization((0.06,), -3)),
    ]
    everything = {t.name: t for t in tensors}
    cube = Graph("g", everything, (FullyConnected(name="f", inputs=("x",), output="y", weight="w"),), ("x",), ("y",)).validate()
    rows = Graph("g", everything, (FullyConnected(name="f", inputs=("r",), output="z", weight="w"),), ("r",), ("z",)).validate()
    x = random_int8(rng, 4, 2, 3, 8)
    assert np.array_equal(run(cube, {"x": x})["y"].reshape(4, 6, 5), run(rows, {"r": x.reshape(4, 6, 8)})["z"])


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_pools_equal_plain_loops(data: st.DataObject) -> None:
    draw = data.draw
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    window = draw(st.tuples(SMALL, SMALL))
    strides = draw(st.tuples(SMALL, SMALL))
    before, after = (draw(st.integers(0, window[0] - 1)) for _ in range(2))
    left, right = (draw(st.integers(0, window[1] - 1)) for _ in range(2))
    height, width = draw(st.integers(window[0], 6)), draw(st.integers(window[1], 6))
    clamp = draw(st.sampled_from([(-128, 127), (-30, 40)]))
    maximum = draw(st.booleans())
    kind = MaxPool2D if maximum else AveragePool2D
    pad = Padding(before, after, left, right)
    op = kind(name="op", inputs=("x",), output="y", window=window, strides=strides, padding=pad, clamp=clamp)
    q = Quantization((0.1,), -7)
    x = random_int8(rng, 2, height, width, 2)
    y = run(one_operator(op, (1, height, width, 2), quantization=q, y=q), {"x": x})["y"]
    for n, row, column, c in np.ndindex(*y.shape):
        rows = [r for r in range(row * strides[0] - before, row * strides[0] - before + window[0]) if 0 <= r < height]
        columns = [s for s in range(column * strides[1] - left, column * strides[1] - left + window[1]) if 0 <= s < width]
        cells = [int(x[n, r, s, c]) for r in rows for s in columns]
        mean = sum(cells) / len(cells)
        value = max(cells) if maximum else int(math.copysign(math.floor(abs(mean) + 0.5), mean))
        assert y[n, row, column, c] == min(max(value, clamp[0]), clamp[1])


@pytest.mark.parametrize("window", [(1, 1), (3, 2)])
def test_pools_of_constant_input_give_the_constant(window: tuple[int, int]) -> None:
    q = Quantization((0.1,), -7)
    op = AveragePool2D(name="op", inputs=("x",), output="y", window=window, strides=(1, 1), padding=Padding(0, window[0] - 1, 0, 0))
    graph = one_operator(op, (1, 4, 4, 1), quantization=q, y=q)
    for value in (-128, -1, 0, 127):
        assert np.all(run(graph, {"x": np.full((1, 4, 4, 1), value, np.int8)})["y"] == value)
