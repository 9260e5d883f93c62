"""Random convolutions and matrix products: geometry, weights, biases and scales that meet at a plausible or an extreme result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.fuzzing.sketch import CHANNELS, MOST_ELEMENTS, Sketch, Unsuitable, float32
from codegen.ir import Conv2D, DepthwiseConv2D, FullyConnected, Pad, Padding, Quantization, Tensor, Weighted

_SPREAD = 45.0  # aimed-at reach of an output, in quantization steps
_MOST_MACS = 150_000


def conv2d(s: Sketch) -> None:
    """Convolution, of which a third are pointwise."""
    x = s.operand(4)
    kernel = (1, 1) if s.chance(0.35) else _kernel(s, x)
    filters = s.choice(CHANNELS)
    _windowed(s, Conv2D, x, (filters, *kernel, x.shape[3]), filters)


def depthwise_conv2d(s: Sketch) -> None:
    """Depthwise convolution: half of them as networks have it, 3x3 with strides of 1 or 2, the others with all that there is."""
    x = s.operand(4)
    if s.chance(0.5):
        _windowed(s, DepthwiseConv2D, x, (1, 3, 3, x.shape[3]), x.shape[3], usual=True)
        return
    multiplier = s.choice((1, 1, 1, 2, 3, 4, 7))
    if multiplier > 1:
        s.note("depthwise: channel multiplier")
    channels = x.shape[3] * multiplier
    _windowed(s, DepthwiseConv2D, x, (1, *_kernel(s, x), channels), channels)


def fully_connected(s: Sketch) -> None:
    """Matrix product over all of the input, or over its last axis row by row."""
    x = s.operand()
    depth = x.shape[-1] if s.chance(0.4) else x.size
    units = s.choice(CHANNELS)
    rows = x.size // depth
    if rows > 1:
        s.note("matrix product: several rows")
    shape = (*x.shape[:-1], units) if depth == x.shape[-1] and s.chance(0.5) else (rows, units)
    if max(rows * units, 1) > MOST_ELEMENTS or x.size * units > _MOST_MACS:
        raise Unsuitable("too large")
    _finish(s, FullyConnected, x, (units, depth), units, 0, {}, shape)


def _kernel(s: Sketch, x: Tensor) -> tuple[int, int]:
    if s.chance(0.15):
        s.note("window: the whole input")
        return x.shape[1], x.shape[2]
    if s.chance(0.08):
        s.note("window: long")
        return s.choice(((1, 9), (10, 4), (8, 1), (7, 7), (6, 2)))
    return s.choice(((3, 3), (3, 3), (1, 1), (2, 2), (5, 5), (1, 3), (3, 1), (2, 3), (4, 4), (5, 2)))


def _windowed(
    s: Sketch,
    kind: type[Conv2D] | type[DepthwiseConv2D],
    x: Tensor,
    weight_shape: tuple[int, ...],
    channels: int,
    *,
    usual: bool = False,
) -> None:
    kernel = (weight_shape[1], weight_shape[2])
    strides = s.choice(((1, 1), (1, 1), (2, 2))) if usual else window_strides(s)
    dilation = (s.integer(1, 3), s.integer(1, 3)) if not usual and s.chance(0.15) else (1, 1)
    if dilation != (1, 1) and kernel != (1, 1):
        s.note("window: dilation")
    extent = ((kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1)
    padding = window_padding(s, x, extent, strides, beyond=True)
    note_window(s, x, extent, strides)
    attributes: dict[str, Any] = {"strides": strides, "dilation": dilation, "padding": padding}
    draft = s.tensor("weight", weight_shape, None, np.zeros(weight_shape, np.int8))
    shape = s.shape_of(kind(name="", inputs=(x.name,), output="", weight=draft, **attributes))
    depth = math.prod(weight_shape[1:3]) * (weight_shape[3] if kind is Conv2D else 1)
    if math.prod(shape) * depth > _MOST_MACS:
        raise Unsuitable("too large")
    if shape[1] * shape[2] == 1:
        s.note("output: one pixel")
    _finish(s, kind, x, weight_shape, channels, 0 if kind is Conv2D else 3, attributes, shape)


def window_strides(s: Sketch) -> tuple[int, int]:
    """Strides, at times greater than the window or different in the two directions."""
    if s.chance(0.5):
        return (1, 1)
    return (s.integer(1, 5), s.integer(1, 5)) if s.chance(0.3) else s.choice(((2, 2), (1, 2), (2, 1), (3, 3)))


def window_padding(s: Sketch, x: Tensor, extent: tuple[int, int], strides: tuple[int, int], *, beyond: bool = False) -> Padding:
    """Padding as TFLite has it (often none behind an operator that pads), or any below the window's size; with ``beyond`` also so
    much that windows lie outside."""
    style = s.integer(0, 9)
    if style < 3 or (isinstance(s.producer(x.name), Pad) and s.chance(0.5)):
        return Padding()
    if style < 7:
        sides: list[int] = []
        for size, length, stride in zip(x.shape[1:3], extent, strides, strict=True):
            total = max(0, (-(-size // stride) - 1) * stride + length - size)
            sides += [total // 2, total - total // 2]
        return Padding(*sides)
    more = 2 if beyond and s.chance(0.3) else 0
    top, bottom, left, right = (s.integer(0, extent[i // 2] - 1 + more) for i in range(4))
    if (top, left) != (bottom, right):
        s.note("padding: asymmetric")
    if max(top, bottom) >= extent[0] or max(left, right) >= extent[1]:
        s.note("padding: windows outside the input")
    return Padding(top, bottom, left, right)


def note_window(s: Sketch, x: Tensor, extent: Sequence[int], strides: Sequence[int]) -> None:
    """Notes on the geometry of a window."""
    if any(stride > length for stride, length in zip(strides, extent, strict=True)):
        s.note("window: stride beyond it")
    if any(length > size for length, size in zip(extent, x.shape[1:3], strict=True)):
        s.note("window: larger than the input")
    if x.shape[1] * x.shape[2] == 1:
        s.note("input: one pixel")
    if x.shape[3] == 1:
        s.note("input: one channel")
    if x.shape[3] % 4:
        s.note("input: channels not divisible by 4")


def _finish(
    s: Sketch,
    kind: type[Weighted],
    x: Tensor,
    weight_shape: tuple[int, ...],
    channels: int,
    axis: int,
    attributes: dict[str, Any],
    shape: Sequence[int],
) -> None:
    """Weights, bias and scales for an operator whose geometry is known."""
    weights = _weights(s, weight_shape, axis)
    by_channel = np.moveaxis(weights, axis, 0).reshape(channels, -1).astype(np.int64)
    zero_point = x.zero_point
    reach = np.maximum(np.abs(by_channel * (-128 - zero_point)), np.abs(by_channel * (127 - zero_point))).sum(axis=1)
    bias = _bias(s, reach)
    typical = math.sqrt(max(1.0, float((by_channel**2).sum(axis=1).max()))) * 73.0
    target = _SPREAD / max(typical, float(np.abs(bias).max()) / 4 if bias is not None else 0.0)
    factor = target * 2.0 ** s.rng.uniform(-2, 4)
    match s.integer(0, 11):
        case 0:
            s.note("requantisation: factor above one")
            factor = 2.0 ** s.rng.uniform(0, 6)
        case 1:
            s.note("requantisation: factor near zero")
            factor = 2.0 ** s.rng.uniform(-36, -22)
        case 2:
            s.note("requantisation: factor a power of two")
            factor = 2.0 ** round(math.log2(factor))
    weight_scales = _weight_scales(s, channels)
    center = float(np.exp(np.mean(np.log(weight_scales))))
    output_scale = float32(x.scale * center / factor)
    if not 1e-30 < output_scale < 1e30:
        raise Unsuitable("no such scale")
    quantization = Quantization((output_scale,), s.zero_point())
    per_channel = len(weight_scales) > 1
    op = kind(
        name=s.next_name,
        inputs=(x.name,),
        output=s.tensor("out", shape, quantization),
        weight=s.tensor("weight", weight_shape, Quantization(weight_scales, 0, axis if per_channel else None), weights),
        bias=None if bias is None else s.tensor("bias", (channels,), None, bias, "int32"),
        clamp=s.clamp(quantization),
        **attributes,
    )
    s.append(op)


def _weights(s: Sketch, shape: tuple[int, ...], axis: int) -> NDArray[np.int8]:
    style = s.integer(0, 9)
    weights = s.rng.integers(-127, 128, shape)
    if style == 0:
        s.note("weights: greatest magnitude")
        weights = np.where(weights < 0, -128, 127)
    elif style == 1:
        s.note("weights: mostly zero")
        weights = np.where(s.rng.random(shape) < 0.9, 0, weights)
    elif style == 2:
        weights = weights // 16
    if s.chance(0.3):
        s.note("weights: filters of zeros")
        keep = s.rng.random(shape[axis]) < 0.6
        weights = weights * keep.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return weights.astype(np.int8)


def _weight_scales(s: Sketch, channels: int) -> tuple[float, ...]:
    center = 2.0 ** s.rng.uniform(-9, -4)
    if s.chance(0.3):
        s.note("weights: one scale for all channels")
        return (float32(center),)
    spread = 4.0 if s.chance(0.1) else 1.0
    return tuple(float32(v) for v in center * 2.0 ** s.rng.uniform(-spread, spread, channels))


def _bias(s: Sketch, reach: NDArray[np.int64]) -> NDArray[np.int32] | None:
    """Biases, at times such that the sums just reach 2**30, where the short form of requantisation ends, or 2**31."""
    sign = np.where(s.rng.random(len(reach)) < 0.5, -1, 1)
    style = s.integer(0, 11)
    if style < 2:
        s.note("bias: none")
        return None
    if style == 2:
        s.note("bias: sums around 2^30")
        inside = reach if s.chance(0.3) else reach // s.integer(2, 20)  # the limit itself, or sums on both sides of it
        return _int32(sign * (2**30 - inside + s.rng.integers(-2, 3, len(reach))))
    if style == 3:
        s.note("bias: sums around 2^31")
        return _int32(sign * (2**31 - 1 - reach - s.rng.integers(0, 3, len(reach))))
    if style == 4:
        s.note("bias: far beyond the products")
        return _int32(s.rng.integers(-(2**27), 2**27, len(reach)))
    return _int32(s.rng.normal(0, 0.3, len(reach)) * np.sqrt(reach) * 20)


def _int32(values: NDArray[Any]) -> NDArray[np.int32]:
    return values.astype(np.int32)
