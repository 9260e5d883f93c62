"""Sounds as networks see them: which spectrograms there are to choose from, fitted to recordings, computed once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from data_files import tone, write_wav

from codegen.errors import UserError
from codegen.features import FrontEnd, dequantized, values
from nas.datasets import Dataset, load_train
from nas.inputs import spectrograms
from nas.inputs.program_inputs import program_inputs
from nas.inputs.spectrograms import FrontEnds, clips, fitted, network_data, network_form
from nas.learning.augmentation import SoundAugmentation
from nas.learning.quantization import quantize_input, quantize_network
from nas.learning.training import Inputs, Recipe, build_module
from nas.study.preparation import front_ends_for, space_for
from search_spaces import AudioSpace, SpectrogramInput

Unpack = Callable[[str], Path]


@pytest.fixture(scope="module")
def digits(unpacked: Unpack) -> Dataset:
    """Every tenth of the spoken digits' train part."""
    data = load_train(str(unpacked("fsdd")))
    return data.subset(np.arange(0, len(data), 10))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(spectrograms, "cache_dir", lambda: path)
    return path


@pytest.mark.parametrize(
    ("rate", "samples", "frame", "bands", "hops"),
    [
        (8000, 5360, 256, (10, 20, 32, 40), (128, 160, 256)),
        (16000, 16000, 512, (10, 20, 32, 40), (256, 320, 512)),
        (44100, 44100, 1411, (10, 20, 32, 40), (706, 882, 1411)),
        (1000, 1000, 32, (10, 20), (16, 20, 32)),
        (16000, 2200, 512, (10, 20, 32, 40), (256, 320, 512)),
    ],
)
def test_spectrograms_suit_rate_and_length(
    rate: int, samples: int, frame: int, bands: tuple[int, ...], hops: tuple[int, ...]
) -> None:
    front_ends = FrontEnds(rate, samples)
    found = [front_ends(taken) for taken in front_ends.choices()]
    assert {f.settings.frame for f in found} == {frame}
    assert {f.settings.bands for f in found} == set(bands)
    assert {f.settings.hop for f in found} == set(hops)
    assert all(f.samples <= samples < f.samples + f.settings.hop for f in found)
    assert len(found) == len(bands) * len(hops)
    AudioSpace(front_ends.choices(), 2)  # every number of bands goes with every hop
    with pytest.raises(UserError, match="have no spectrogram of 3 frames"):
        front_ends(SpectrogramInput(10, 20, 3))


def test_columns_are_fitted_to_the_training_clips_alone(digits: Dataset) -> None:
    taken = SpectrogramInput(20, 20, FrontEnds.of(digits)(SpectrogramInput(20, 20, 32)).frames)
    front_end = fitted(taken, digits)
    assert len(front_end.settings.mean) == 20
    found = values(front_end.settings, clips(digits))
    sounding = np.lib.stride_tricks.sliding_window_view(clips(digits) != 0, 256, axis=1)[:, ::160].any(axis=2)
    assert np.allclose(found[sounding].mean(0), front_end.settings.mean, atol=1e-9)
    half = digits.subset(np.arange(len(digits) // 2))
    assert fitted(taken, half).settings.mean != front_end.settings.mean


def test_what_was_computed_is_not_computed_again(digits: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = digits.subset(np.arange(20))
    taken = SpectrogramInput(10, 32, FrontEnds.of(few)(SpectrogramInput(10, 32, 20)).frames)
    front_end = fitted(taken, few)
    first = network_form(few, front_end, varied=True)
    assert len(list((cache / "features").iterdir())) == 3
    with monkeypatch.context() as patched:
        patched.setattr(spectrograms, "normalized", lambda *_: pytest.fail("fitted again"))
        patched.setattr(FrontEnd, "__call__", lambda *_: pytest.fail("computed again"))
        again = network_form(few, fitted(taken, few), varied=True)
    assert again.stored.strides == first.stored.strides  # by which torch chooses its kernels
    assert np.array_equal(again.stored, first.stored)
    assert first.variants is not None
    assert again.variants is not None
    assert np.array_equal(again.variants, first.variants)
    for path in (cache / "features").iterdir():
        path.write_bytes(path.read_bytes()[:-5])
    assert np.array_equal(network_form(few, fitted(taken, few)).stored, first.stored)


def test_networks_see_the_bytes_of_the_firmware(digits: Dataset) -> None:
    space, front_ends = space_for(digits), front_ends_for(digits)
    assert isinstance(space, AudioSpace)
    assert front_ends is not None
    architecture = space.smallest()
    data = network_data(space, architecture, digits, digits.subset(np.arange(40)), varied=False)
    assert data.front_end is not None
    seen = data.validation
    assert seen.input_shape == space.input_shape(architecture)
    columns = data.front_end(program_inputs(digits.subset(np.arange(40)), data.front_end))
    assert np.array_equal(seen.stored, columns)
    assert np.array_equal(seen.x, dequantized(data.front_end.settings, columns))
    module = build_module(space, architecture, 0)
    graph = quantize_network(module, data.train_set, Recipe(epochs=1), 0, "digits")
    data.front_end.check(graph)
    assert np.array_equal(quantize_input(graph, seen.x), columns)


def test_trainings_draw_from_the_clips_and_their_variants(digits: Dataset) -> None:
    few = digits.subset(np.arange(30))
    front_end = fitted(FrontEnds.of(few).choices()[0], few)
    varied = network_form(few, front_end, varied=True)
    inputs = Inputs(varied)
    assert len(inputs) == 30
    assert torch.equal(torch.cat(list(inputs.batches(7))), torch.from_numpy(varied.x).permute(0, 3, 1, 2))
    indices = torch.arange(30)
    places = [inputs.varied(indices, torch.Generator().manual_seed(seed)) for seed in range(40)]
    assert all(torch.equal(place % 30, indices) for place in places)
    batches = [inputs[place] for place in places]
    kinds = {batch[4].numpy().tobytes() for batch in batches}
    assert varied.x[4].tobytes() in kinds
    assert 4 < len(kinds) <= 1 + spectrograms.VARIANTS
    assert torch.equal(places[3], inputs.varied(indices, torch.Generator().manual_seed(3)))
    everything = torch.cat(list(inputs.stored_batches(7)))
    assert torch.equal(everything[places[3]], batches[3])
    assert varied.subset(np.array([3, 1])).variants is not None


def test_large_data_is_varied_less(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    few = digits.subset(np.arange(10))
    front_end = fitted(FrontEnds.of(few).choices()[0], few)
    for most, copies in ((40_000, 7), (29, 2), (3, 1)):
        monkeypatch.setattr(spectrograms, "MOST_VARIED", most)
        variants = network_form(few, front_end, varied=True).variants
        assert variants is not None
        assert len(variants) == copies


def test_sounds_are_varied_within_bounds() -> None:
    rate = 8000
    sound = (8000 * np.sin(2 * np.pi * 500 * np.arange(rate) / rate)).astype(np.int16)
    sound[: rate // 4] = sound[-rate // 4 :] = 0
    both = np.stack([sound, np.zeros_like(sound)])
    still = SoundAugmentation(speed=0.0, shift=0.0, gain=0.0, noise=(200.0, 200.0))
    assert np.array_equal(still(both, rate, np.random.default_rng(0)), both)
    shifted = dataclasses.replace(still, shift=0.1)(both, rate, np.random.default_rng(1))
    begins = int(np.flatnonzero(shifted[0])[0]) - int(np.flatnonzero(sound)[0])
    assert 0 < abs(begins) <= 0.1 * rate + 1
    louder = dataclasses.replace(still, gain=6.0)(both, rate, np.random.default_rng(2))
    factor = np.abs(louder[0].astype(float)).sum() / np.abs(sound.astype(float)).sum()
    assert 10 ** (-6 / 20) <= factor <= 10 ** (6 / 20)
    assert abs(factor - 1) > 0.02
    varied = SoundAugmentation()(both, rate, np.random.default_rng(3))
    assert np.array_equal(varied, SoundAugmentation()(both, rate, np.random.default_rng(3)))
    assert not varied[1].any()  # nothing comes of silence
    loud = dataclasses.replace(still, gain=60.0)(np.full((4, 100), 30000, np.int16), rate, np.random.default_rng(0))
    assert np.abs(loud.astype(int)).max() > 32000  # clipped, not wrapped around
    assert (loud > 0).all()


def test_what_is_no_mono_sound_is_one_clear_line(digits: Dataset, tmp_path: Path) -> None:
    stereo = dataclasses.replace(digits, stored=np.repeat(digits.stored[:4], 2, axis=3), y=digits.y[:4])
    with pytest.raises(UserError, match=r"int16 sounds of 2 channel\(s\); searches take mono sounds of 16 bits"):
        FrontEnds.of(stereo)
    with pytest.raises(UserError, match="its rate is not known"):
        FrontEnds.of(dataclasses.replace(digits, rate=None))
    with pytest.raises(UserError, match="sounds of 40 ms are too short for spectrograms; '--window 4000'"):
        FrontEnds(8000, 320).choices()
    assert FrontEnds(128000, 128000).choices()
    with pytest.raises(UserError, match="sounds of 192000 Hz: spectrograms are for 1,000 to 128,000 Hz"):
        FrontEnds(192000, 192000).choices()
    for name in ("low", "high"):
        for i in range(10):
            write_wav(tmp_path / name / f"{i}.wav", tone(4000, 200 + len(name) * 100 + i))
    assert front_ends_for(load_train(str(tmp_path))) == FrontEnds(8000, 4000)
