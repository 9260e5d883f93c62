"""Mean and deviation of features over recordings, and the real numbers that their bytes stand for."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.features.reference import values
from codegen.features.settings import SpectrogramSettings

LEAST_DEVIATION = 0.25
"""In octaves. A column that hardly changes is not blown up."""


def normalized(settings: SpectrogramSettings, clips: NDArray[np.int16]) -> SpectrogramSettings:
    """``settings`` with the mean and deviation of each column over ``clips``, which should be training data only.

    Frames of digital silence, such as clips are padded with, are left out: they say nothing of the sound.

    :param clips: int16 ``(n, samples)``.
    :raises UserError: as :func:`~codegen.features.reference.features` does, or if every sample is zero.
    """
    columns = values(settings, clips)
    sounding = np.lib.stride_tricks.sliding_window_view(clips != 0, settings.frame, axis=1)[:, :: settings.hop].any(axis=2)
    if not sounding.any():
        raise UserError("features: every sample is zero; a mean and deviation need sound")
    heard = columns[sounding]
    return dataclasses.replace(
        settings,
        mean=tuple(heard.mean(axis=0).tolist()),
        deviation=tuple(np.maximum(heard.std(axis=0), max(LEAST_DEVIATION, 2.0**-9 / settings.scale)).tolist()),
    )


def dequantized(settings: SpectrogramSettings, columns: NDArray[np.int8]) -> NDArray[np.float32]:
    """The normalised values that bytes stand for, in the same shape: what a network is trained on."""
    return ((columns.astype(np.int32) - settings.zero_point) * settings.scale).astype(np.float32)


def ends(settings: SpectrogramSettings) -> tuple[float, float]:
    """The least and the largest normalised value: a range observer that has seen both has the settings' scale and zero point."""
    return (-128 - settings.zero_point) * settings.scale, (127 - settings.zero_point) * settings.scale
