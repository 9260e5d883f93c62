"""How far the integers are from the formula, computed by scipy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import scipy.signal
from feature_library import as_clips, recordings
from numpy.typing import NDArray

from codegen.features import SpectrogramSettings, features, float_values, log_mel, mfcc, normalized, values
from codegen.features.float_spectrogram import triangles

FLOOR = 0.0
"""Octaves. Rounding a sound to 16 bits makes noise of some octaves above this in every band: below it nothing is sound."""


def by_scipy(chosen: SpectrogramSettings, clips: NDArray[np.int16]) -> NDArray[np.float64]:
    """Log-mel values, not below the floor, or their DCT: ``(n, frames, columns)``."""
    window = scipy.signal.get_window("hann", chosen.frame)
    starts = range(0, clips.shape[1] - chosen.frame + 1, chosen.hop)
    frames = np.stack([clips[:, start : start + chosen.frame] * window for start in starts], axis=1)
    power = np.abs(scipy.fft.rfft(frames, chosen.fft)) ** 2
    logs = np.maximum(np.log2(np.maximum(power @ triangles(chosen).T, 1e-30)), FLOOR)
    return scipy.fft.dct(logs, norm="ortho")[..., : chosen.coefficients] if chosen.coefficients else logs


def test_the_formula_is_the_libraries() -> None:
    noise = np.random.default_rng(0).normal(0, 1000, (3, 4000)).astype(np.int16)
    for chosen in (log_mel(8000), mfcc(8000, 13), SpectrogramSettings(16000, 401, 163, 512, 20, 0, 8000)):
        assert np.allclose(float_values(chosen, noise), by_scipy(chosen, noise), rtol=0, atol=1e-9)


def test_triangles_are_those_of_the_mel_scale() -> None:
    """Corners by the formula of HTK in another form, 1127 ln(1 + f / 700); every bin between them has a total weight of one."""
    chosen = log_mel(16000, bands=20, low=100, high=7000)
    mel = np.linspace(1127 * np.log1p(100 / 700), 1127 * np.log1p(10), 22)
    assert np.allclose(np.array(chosen.corners) * 16000 / 512, 700 * np.expm1(mel / 1127), rtol=1e-3)
    bank = triangles(chosen)
    inside = np.arange(np.ceil(chosen.corners[1]), chosen.corners[-2]).astype(int)
    assert np.allclose(bank[:, inside].sum(axis=0), 1)
    assert (bank.max(axis=1) <= 1).all()


@pytest.mark.parametrize(
    ("archive", "rate"), [("fsdd/fsdd.tar.xz", 8000), ("kws_speech_commands/speech_commands_v2_sub.tar.xz", 16000)]
)
def test_error_on_recordings(archive: str, rate: int, shared_dir: Path) -> None:
    clips = as_clips([sound for _, sound in recordings(shared_dir / "data" / archive, every=25)], rate)
    for chosen in (log_mel(rate), log_mel(rate, bands=10, hop=32), log_mel(rate, frame=25)):
        exact, found = by_scipy(chosen, clips), np.maximum(values(chosen, clips), FLOOR)
        error = found - exact
        signal = exact - exact.mean(axis=(0, 1))
        assert 10 * np.log10((signal**2).sum() / (error**2).sum()) > {8000: 65, 16000: 55}[rate]
        assert np.abs(error).mean() < 0.005
        assert np.quantile(np.abs(error), 0.999) < 0.125


def test_bytes_are_within_a_step_of_the_formula(shared_dir: Path) -> None:
    clips = as_clips([sound for _, sound in recordings(shared_dir / "data/fsdd/fsdd.tar.xz", every=100)], 4000)
    for chosen in (normalized(log_mel(8000), clips), normalized(mfcc(8000, 13), clips)):
        exact = (float_values(chosen, clips, floor=2.0**-29) - chosen.mean) / np.array(chosen.deviation) / chosen.scale
        wanted = np.clip(exact + chosen.zero_point, -128, 127)
        loud = by_scipy(log_mel(8000), clips).min(axis=2) > 8
        error = np.abs(features(chosen, clips)[..., 0] - wanted)[loud]
        assert loud.mean() > 0.3
        assert np.quantile(error, 0.99) < 1
        assert error.mean() < 0.3  # of rounding alone: 0.25
