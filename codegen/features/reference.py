"""Spectrograms in exact integers: the specification that the C code equals to the bit.

Arrays are int64; what they hold fits the 32 bits that C has for it, but for sums of powers. Shifts to the right round towards minus
infinity, of negative numbers too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.features.settings import SpectrogramSettings
from codegen.features.tables import COMPONENT_BITS, LOG_BITS, LOG_MIDDLE, Int64, Tables, tables

_FRAMES_AT_ONCE = 256
"""What is worked on together stays in a processor's cache."""


def features(settings: SpectrogramSettings, clips: NDArray[np.int16]) -> NDArray[np.int8]:
    """The spectrograms of ``clips``.

    :param clips: int16 ``(n, samples)``.
    :return: int8 ``(n, frames, columns, 1)``, quantised with the settings' ``scale`` and ``zero_point``.
    :raises UserError: for another shape or dtype, or clips that do not hold one frame.
    """
    table = tables(settings)

    def quantized(values: Int64) -> NDArray[np.int8]:
        steps = (values * table.multipliers + table.biases) >> table.shift
        clamped: NDArray[np.int8] = np.clip(steps, -128, 127).astype(np.int8)
        return clamped

    columns: NDArray[np.int8] = _of_frames(settings, clips, np.int8, quantized)[..., None]
    return columns


def values(settings: SpectrogramSettings, clips: NDArray[np.int16]) -> NDArray[np.float64]:
    """The same before normalisation and quantisation: float64 ``(n, frames, columns)``, in octaves.

    :raises UserError: as :func:`features` does.
    """
    table = tables(settings)
    return _of_frames(settings, clips, np.float64, lambda values: table.octaves(settings, values))


def _of_frames(
    settings: SpectrogramSettings, clips: NDArray[np.int16], dtype: Any, finish: Callable[[Int64], NDArray[Any]]
) -> NDArray[Any]:
    given = np.asarray(clips)
    if given.ndim != 2 or given.dtype != np.int16:
        raise UserError(f"features: clips are {given.dtype} {given.shape}; int16 (clips, samples) are needed")
    count = settings.frames(given.shape[1])
    if not count:
        raise UserError(f"features: clips of {given.shape[1]} samples hold no frame of {settings.frame}; pad them")
    frames = np.lib.stride_tricks.sliding_window_view(given, settings.frame, axis=1)[:, :: settings.hop]
    result = np.empty((len(given) * count, settings.columns), dtype)
    clip, frame = np.divmod(np.arange(len(result)), count)
    for start in range(0, len(result), _FRAMES_AT_ONCE):
        part = slice(start, start + _FRAMES_AT_ONCE)
        result[part] = finish(_columns(settings, frames[clip[part], frame[part]]))
    return result.reshape(len(given), count, settings.columns)


def _columns(settings: SpectrogramSettings, frames: NDArray[np.int16]) -> Int64:
    """Log-mel values or coefficients in Q9, ``(n, columns)``, of ``(n, frame)`` samples."""
    table = tables(settings)
    logs = _log_mel(table, _spectrum(table, _transform(table, _windowed(settings, table, frames))))
    return (logs @ table.dct.T) >> table.dct_bits if settings.coefficients else logs


def _windowed(settings: SpectrogramSettings, table: Tables, frames: NDArray[np.int16]) -> Int64:
    """Samples times the window, filled up with zeros, as the pairs that are the transform's complex input: ``(n, 2, fft / 2)``."""
    at = np.arange(settings.frame)
    window = table.window[np.where(at < (settings.frame + 1) // 2, at, settings.frame - at)]
    padded = np.zeros((len(frames), settings.fft), np.int64)
    padded[:, : settings.frame] = (frames * window) >> table.window_shift
    return padded.reshape(len(frames), -1, 2).transpose(0, 2, 1)


def _half_product(z: Int64, root: Int64) -> Int64:
    """Half of complex ``z`` ``(n, 2, ...)`` times ``cos - i sin``; ``root`` is ``(..., 2)`` of both in Q15.

    Each of the four real products is rounded for itself, as an instruction for products of 32 and 16 bits does it.
    """
    re, im = z[:, 0], z[:, 1]
    cos, sin = root[..., 0], root[..., 1]
    return np.stack([(re * cos >> 16) + (im * sin >> 16), (im * cos >> 16) - (re * sin >> 16)], axis=1)


def _times_i(z: Int64) -> Int64:
    return np.stack([-z[:, 1], z[:, 0]], axis=1)


def _transform(table: Tables, z: Int64) -> Int64:
    """The complex transform of ``(n, 2, size)``, decimated in time: a first step without products (of four values where the size is
    a power of four, else of two), then steps of four. Nothing is scaled: :attr:`Tables.window_shift` made room for the sums."""
    n, _, size = z.shape
    z = z[:, :, _bit_reversed(size)]
    if size.bit_length() % 2:
        quads = z.reshape(n, 2, -1, 4)
        z = _quad(quads[..., 0], quads[..., 1], quads[..., 2], quads[..., 3]).reshape(n, 2, size)
        done = 4
    else:
        pairs = z.reshape(n, 2, -1, 2)
        z = np.stack([pairs[..., 0] + pairs[..., 1], pairs[..., 0] - pairs[..., 1]], axis=3).reshape(n, 2, size)
        done = 2
    while done < size:
        groups = z.reshape(n, 2, -1, 4, done)
        root = np.arange(done) * (size // (4 * done))
        a = groups[:, :, :, 0]
        # The tables hold minus the roots and the products are halves: minus twice undoes both.
        b, c, d = (-2 * _half_product(groups[:, :, :, i], table.twiddles[power * root]) for i, power in ((1, 2), (2, 1), (3, 3)))
        z = _quad(a, b, c, d).swapaxes(3, 4).reshape(n, 2, size)
        done *= 4
    return z


def _quad(a: Int64, b: Int64, c: Int64, d: Int64) -> Int64:
    """A transform of four, ``(..., 4)``; its inputs come in bit-reversed order."""
    even, odd, turned = a + b, a - b, _times_i(c - d)
    return np.stack([even + (c + d), odd - turned, even - (c + d), odd + turned], axis=-1)


def _bit_reversed(size: int) -> NDArray[np.intp]:
    order = np.zeros(1, np.intp)
    while len(order) < size:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


def _spectrum(table: Tables, z: Int64) -> Int64:
    """The transform of the real samples from that of their pairs, for all bins but those of no frequency and of half the rate."""
    size = z.shape[2]
    low, high = z[:, :, 1 : size // 2], z[:, :, : size // 2 : -1]
    conjugate = high * np.array([1, -1])[:, None]
    half = (low + conjugate) >> 1
    turned = _times_i(_half_product(low - conjugate, table.split_twiddles[1:]))
    x = z.copy()
    x[:, :, 1 : size // 2] = half + turned
    x[:, :, : size // 2 : -1] = half - turned  # conjugated, which powers do not show
    return x  # bin size / 2 is its own partner and has its power already


def _bit_length(values: Int64) -> Int64:
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def _log_mel(table: Tables, x: Int64) -> Int64:
    """Logarithms of the triangles' sums, Q9, less 44.

    What lies between two corners has a shift of its own, so that quiet bands keep their bits.
    """
    x = x[:, :, table.edges[0] : table.edges[-1]]
    starts, lengths = table.edges[:-1] - table.edges[0], np.diff(table.edges)

    def per_segment(reduce: np.ufunc, values: Int64) -> Int64:
        padded = np.concatenate([values, np.zeros((len(values), 1), np.int64)], axis=1)
        return np.where(lengths == 0, 0, reduce.reduceat(padded, starts, axis=1))

    bits = per_segment(np.bitwise_or, np.bitwise_or.reduce(x ^ (x >> 63), axis=1))
    shift = np.maximum(_bit_length(bits) - COMPONENT_BITS, 0)
    x = x >> np.repeat(shift, lengths, axis=1)[:, None]
    power = (x * x).sum(axis=1)
    rising = per_segment(np.add, power * table.weights)
    falling = (per_segment(np.add, power) << 15) - rising
    common = np.maximum(shift[:, :-1], shift[:, 1:])
    sums = (rising[:, :-1] >> 2 * (common - shift[:, :-1])) + (falling[:, 1:] >> 2 * (common - shift[:, 1:]))
    return _log2(table, sums) + (common << (LOG_BITS + 1)) - (LOG_MIDDLE << LOG_BITS)


def _log2(table: Tables, values: Int64) -> Int64:
    """Base-two logarithm, Q9, of the larger of ``values`` and one: from a table of 33 values, with straight lines between them."""
    positive = np.maximum(values, 1)
    whole = _bit_length(positive >> 32)
    whole = np.where(whole > 0, whole + 32, _bit_length(positive & 0xFFFF_FFFF)) - 1
    up = np.maximum(31 - whole, 0)
    fraction = np.where(whole > 31, positive >> np.maximum(whole - 31, 0), positive << up) & 0x7FFF_FFFF
    index, rest = fraction >> 26, (fraction >> 10) & 0xFFFF
    between = table.log[index] + ((table.log[index + 1] - table.log[index]) * rest >> 16)
    result: Int64 = (whole << LOG_BITS) + ((between + 32) >> 6)
    return result
