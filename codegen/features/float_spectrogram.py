"""The same spectrograms by the formula, in float64: what the integers of the reference stand for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codegen.features.settings import SpectrogramSettings


def float_values(settings: SpectrogramSettings, clips: NDArray[np.int16], *, floor: float = 2.0**-30) -> NDArray[np.float64]:
    """Log-mel values or coefficients before normalisation, float64 ``(n, frames, columns)``, in octaves of squared sample steps.

    :param clips: int16 ``(n, samples)``.
    :param floor: the least sum of powers, so that silence has a logarithm.
    """
    frames = np.lib.stride_tricks.sliding_window_view(clips, settings.frame, axis=1)[:, :: settings.hop]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(settings.frame) / settings.frame)
    bands = triangles(settings)
    logs = np.stack(
        [np.log2(np.maximum(np.abs(np.fft.rfft(clip * window, settings.fft)) ** 2 @ bands.T, floor)) for clip in frames]
    )
    if not settings.coefficients:
        return logs
    n, k = np.arange(settings.bands), np.arange(settings.coefficients)[:, None]
    dct = np.sqrt(np.where(k, 2, 1) / settings.bands) * np.cos(np.pi * k * (2 * n + 1) / (2 * settings.bands))
    coefficients: NDArray[np.float64] = logs @ dct.T
    return coefficients


def triangles(settings: SpectrogramSettings) -> NDArray[np.float64]:
    """The triangles, float64 ``(bands, fft / 2 + 1)``."""
    bins, corners = np.arange(settings.fft // 2 + 1), np.array(settings.corners)[:, None]
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    result: NDArray[np.float64] = np.maximum(0, np.minimum((bins - left) / (middle - left), (right - bins) / (right - middle)))
    return result
