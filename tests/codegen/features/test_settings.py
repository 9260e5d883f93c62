"""Settings of spectrograms: what they accept, and that they come back from JSON as they were."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from codegen.errors import UserError
from codegen.features import SpectrogramSettings, c_sources, features, from_json, log_mel, mfcc, normalized
from search_spaces.audio import spectrograms


@pytest.mark.parametrize("settings", [log_mel(16000), mfcc(8000, 13), log_mel(8000, bands=10, low=100.5, high=3900)])
def test_json_round_trip(settings: SpectrogramSettings) -> None:
    assert from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_shapes_are_those_of_the_audio_search_space() -> None:
    for rate in (8000, 16000):
        clips = np.zeros((1, rate), np.int16)
        for wanted in spectrograms(1000):
            settings = log_mel(rate, bands=wanted.bands, hop=wanted.hop)
            assert features(settings, clips).shape == (1, *wanted.shape)
        for wanted in spectrograms(1000, bands=(10, 13)):
            assert features(mfcc(rate, wanted.bands, hop=wanted.hop), clips).shape == (1, *wanted.shape)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rate": 0}, "rate is 0"),
        ({"hop": 0}, "hop is 0"),
        ({"hop": 2**24}, "hop is 16777216"),
        ({"fft": 500}, "fft is 500; it must be a power of two"),
        ({"fft": 8192}, "fft is 8192"),
        ({"fft": 256}, "frame is 512 samples; it must be 2 to 256"),
        ({"frame": 1}, "frame is 1 "),
        ({"low": 9000.0}, "low is 9000 and high 8000"),
        ({"low": float("nan")}, "low is nan"),
        ({"high": 8001.0}, "high 8001"),
        ({"coefficients": 41}, "coefficients is 41"),
        ({"coefficients": -1}, "coefficients is -1"),
        ({"bands": 300}, "band 2 of 300 holds no frequency"),
        ({"mean": (1.0, 2.0)}, "mean has 2 values; it must have one, or 40"),
        ({"mean": (float("nan"),)}, "mean has 1 values"),
        ({"mean": (2e4,)}, "mean 20000"),
        ({"deviation": (0.0,)}, "a step of 0 octaves"),
        ({"deviation": ()}, "deviation has 0 values"),
        ({"scale": 0.0}, "scale is 0"),
        ({"zero_point": 128}, "zero_point 128"),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        dataclasses.replace(log_mel(16000), **change)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version 2"),
        ({"windw": 1}, "'windw' is no setting"),
        ({"rate": "16000"}, "'rate' is '16000'; it must be a whole number"),
        ({"rate": 16000.5}, "must be a whole number"),
        ({"low": True}, "must be a number"),
        ({"mean": 3.0}, "must be a list of numbers"),
    ],
)
def test_damaged_json_is_one_clear_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        from_json({**log_mel(16000).to_json(), **change})


def test_a_missing_setting_is_named() -> None:
    value = log_mel(16000).to_json()
    del value["hop"]
    with pytest.raises(UserError, match="'hop' is missing"):
        from_json(value)


def test_milliseconds_that_are_no_samples_are_refused() -> None:
    with pytest.raises(UserError, match="a frame of 32 ms is no whole number of samples at 22050 Hz"):
        log_mel(22050)
    with pytest.raises(UserError, match="coefficients is 0"):
        mfcc(8000, 0)


def test_unsuitable_clips_are_refused() -> None:
    settings = log_mel(8000)
    with pytest.raises(UserError, match=r"clips are float64 \(1, 8000\); int16"):
        features(settings, np.zeros((1, 8000)))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"int16 \(8000,\)"):
        features(settings, np.zeros(8000, np.int16))
    with pytest.raises(UserError, match="255 samples hold no frame of 256"):
        features(settings, np.zeros((1, 255), np.int16))
    with pytest.raises(UserError, match="every sample is zero"):
        normalized(settings, np.zeros((1, 256), np.int16))


def test_equal_settings_give_equal_sources_with_the_name_before_every_symbol() -> None:
    files = c_sources(mfcc(16000), "kws")
    assert files == c_sources(mfcc(16000), "kws")
    assert sorted(files) == [
        "include/kws_features.h",
        "src/kws_features.c",
        "src/kws_features_tables.c",
        "src/kws_features_tables.h",
    ]
    for text in files.values():
        assert "NN_" not in text
        assert "@" not in text
        assert "float" not in text.replace("0.03125f", "")
