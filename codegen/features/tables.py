"""The integers behind a spectrogram: computed once from its settings, read by the numpy reference and printed into the C code.

``Qn`` is a number with ``n`` fraction bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from codegen.features.settings import SpectrogramSettings
from codegen.requantize import round_half_away

Int64 = NDArray[np.int64]

ONE = 1 << 15
LOG_BITS = 9
"""Fraction bits of a log power."""
LOG_MIDDLE = 44
"""Taken off every log power, which lie in 0 to 89 octaves before, so that they fit 16 bits."""
LOG_SEGMENTS = 32
COMPONENT_BITS = 15
"""Between two corners, components are shifted right until they have this many bits beside the sign."""
_LOG_LIMIT = (89 - LOG_MIDDLE) << LOG_BITS
_LIMIT = 2**31 - 1
_MOST_SHIFT = 22


@dataclass(frozen=True, eq=False)
class Tables:
    """Tables of integers; int64 arrays whatever the width that C keeps them in.

    - ``window``: Q15, the window's rising half, ``frame // 2 + 1`` values.
    - ``window_shift``: bits that a windowed sample in Q15 loses; what it keeps are the fraction bits of the transform.
    - ``twiddles`` ``(3 * fft / 8, 2)``, ``split_twiddles`` ``(fft / 4, 2)``: minus cosine and minus sine of multiples of 4 pi / fft
      and of 2 pi / fft, Q15, of which minus one is the one that 16 bits hold.
    - ``edges``: ``bands + 2`` bins; segment ``s``, from ``edges[s]`` to before ``edges[s + 1]``, lies between corners ``s`` and
      ``s + 1``.
    - ``weights``: Q15, of each of these bins, rising within its segment.
    - ``log``: Q15, ``log2(1 + i / 32)``.
    - ``dct`` ``(coefficients, bands)``: with ``dct_bits`` fraction bits.
    - ``multipliers``, ``biases``, ``shift``: a column's byte is ``(value * multiplier + bias) >> shift``, clamped.
    """

    window: Int64
    window_shift: int
    twiddles: Int64
    split_twiddles: Int64
    edges: Int64
    weights: Int64
    log: Int64
    dct: Int64
    dct_bits: int
    multipliers: Int64
    biases: Int64
    shift: int

    @property
    def origin(self) -> float:
        """The log power, in octaves of squared sample steps, that is 0 within."""
        return LOG_MIDDLE - 15 - 2.0 * (15 - self.window_shift)

    def octaves(self, settings: SpectrogramSettings, values: Int64) -> NDArray[np.float64]:
        """Values before normalisation ``(..., columns)`` in octaves."""
        return values / (1 << LOG_BITS) + _origins(settings, self.origin)


@lru_cache(maxsize=64)
def tables(settings: SpectrogramSettings) -> Tables:
    """The tables of ``settings``."""
    half = np.arange(settings.frame // 2 + 1)
    window = _fixed(0.5 - 0.5 * np.cos(2 * np.pi * half / settings.frame), 15, ONE - 1)
    window_shift = _window_shift(settings, window)
    size = settings.fft // 2
    edges, weights = _triangles(settings)
    dct, dct_bits = _dct(settings)
    origin = LOG_MIDDLE - 15 - 2.0 * (15 - window_shift)
    largest = np.full(settings.columns, _LOG_LIMIT)
    if settings.coefficients:
        largest = (np.abs(dct).sum(axis=1) * _LOG_LIMIT >> dct_bits) + 1
    multipliers, biases, shift = _affine(settings, largest, origin)
    index = np.arange(LOG_SEGMENTS + 1)
    return Tables(
        window=window,
        window_shift=window_shift,
        twiddles=_minus_roots(3 * size // 4, size),
        split_twiddles=_minus_roots(size // 2, settings.fft),
        edges=edges,
        weights=weights,
        log=_fixed(np.log2(1 + index / LOG_SEGMENTS), 15, ONE),
        dct=dct,
        dct_bits=dct_bits,
        multipliers=multipliers,
        biases=biases,
        shift=shift,
    )


def _fixed(values: NDArray[np.float64], bits: int, most: int) -> Int64:
    return np.minimum(round_half_away(values * 2.0**bits).astype(np.int64), most)


def _minus_roots(count: int, period: int) -> Int64:
    angles = 2 * np.pi * np.arange(count) / period
    return _fixed(-np.stack([np.cos(angles), np.sin(angles)], axis=1), 15, ONE - 1)


def _window_shift(settings: SpectrogramSettings, window: Int64) -> int:
    """The least shift for which nothing in the transform overflows: no value is larger than the sum of all windowed samples (of
    their moduli, hence with room for the roundings of roots and products), and the last step adds two."""
    whole = window[np.minimum(np.arange(settings.frame), settings.frame - np.arange(settings.frame))]
    largest = 2**15 * int(whole.sum())  # Q15
    shift = 0
    while 2 * (largest >> shift) * (1 + 2**-10) + 8 * settings.fft > _LIMIT:
        shift += 1
    return shift


def _triangles(settings: SpectrogramSettings) -> tuple[Int64, Int64]:
    """Edges and weights. A triangle's falling side is one minus the next one's rising side, so one weight a bin says both. The bins
    of no frequency and of half the rate are left out: at a corner, every weight is zero."""
    corners = np.array(settings.corners)
    edges = np.clip(np.ceil(corners), 1, settings.fft // 2).astype(np.int64)
    bins = np.arange(edges[0], edges[-1])
    segment = np.searchsorted(edges, bins, side="right") - 1
    rising = (bins - corners[segment]) / (corners[segment + 1] - corners[segment])
    return edges, _fixed(rising, 15, ONE)


def _dct(settings: SpectrogramSettings) -> tuple[Int64, int]:
    """The rows of the orthonormal DCT-II, with as many fraction bits as 16 bits and sums of 32 bits hold."""
    n, k = np.arange(settings.bands), np.arange(settings.coefficients)[:, None]
    rows = np.sqrt(2 / settings.bands) * np.cos(np.pi * k * (2 * n + 1) / (2 * settings.bands))
    rows[:1] /= math.sqrt(2)
    bits = 14
    while bits and (np.abs(_fixed(rows, bits, ONE)).sum(axis=1) * _LOG_LIMIT > _LIMIT).any():
        bits -= 1
    return _fixed(rows, bits, ONE), bits


def _origins(settings: SpectrogramSettings, origin: float) -> NDArray[np.float64]:
    """``origin`` of each column: a constant of all bands is one of the first coefficient alone."""
    if not settings.coefficients:
        return np.full(settings.bands, origin)
    origins = np.zeros(settings.coefficients)
    origins[0] = origin * math.sqrt(settings.bands)
    return origins


def _affine(settings: SpectrogramSettings, largest: Int64, origin: float) -> tuple[Int64, Int64, int]:
    """Multipliers, biases and shift: the largest for which values up to ``largest`` fit 32 bits."""
    means = (np.array(settings.per_column(settings.mean)) - _origins(settings, origin)) * 2.0**LOG_BITS
    steps = np.array(settings.per_column(settings.deviation)) * settings.scale * 2.0**LOG_BITS
    for shift in range(_MOST_SHIFT, 0, -1):
        multipliers = round_half_away(2.0**shift / steps)
        biases = round_half_away(settings.zero_point * 2.0**shift + 2.0 ** (shift - 1) - means * multipliers)
        if (largest * multipliers + np.abs(biases) <= _LIMIT).all():
            break
    return multipliers.astype(np.int64), biases.astype(np.int64), shift
