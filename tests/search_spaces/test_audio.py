"""The audio space: its general promises on several choices of spectrograms, and what is special to it."""

from __future__ import annotations

import numpy as np
import pytest
from search_space_conformance import SearchSpaceConformance

from codegen.errors import UserError
from codegen.ir import total_macs
from search_spaces import AudioSpace, Choice, SpectrogramInput, spectrograms


class TestKeywords(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> AudioSpace:
        return AudioSpace(spectrograms(1000), 12)


class TestCepstrum(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> AudioSpace:
        return AudioSpace([SpectrogramInput(10, 20, 49)], 12)


def test_the_spectrogram_is_a_choice() -> None:
    space = AudioSpace(spectrograms(1000, bands=(10, 40), hops=(20, 32)), 12)
    assert (space.choices()["bands"], space.choices()["hop"]) == ((10, 40), (20, 32))
    rng = np.random.default_rng(0)
    for _ in range(20):
        architecture = space.sample(rng)
        wanted = space.input(architecture)
        assert isinstance(wanted, SpectrogramInput)
        assert (wanted.bands, wanted.hop) == tuple(space.params(architecture)[name] for name in ("bands", "hop"))
        assert space.graph(architecture)["input"].shape == (1, 1 + (1000 - 32) // wanted.hop, wanted.bands, 1)


def test_one_spectrogram_is_no_parameter() -> None:
    assert not {"bands", "hop"} & set(AudioSpace([SpectrogramInput(10, 20, 49)], 12).choices())


def test_ds_cnn_is_what_one_draws_by_hand() -> None:
    """The keyword spotter of MLPerf Tiny: a 10x4 stem of stride 2, four separable blocks of 64 channels, 49x10 coefficients."""
    space = AudioSpace(spectrograms(1000), 12)
    designs = space.hand_designed()
    architecture = next(iter(designs))
    assert designs[architecture] == 1
    assert space.input(architecture) == SpectrogramInput(10, 20, 49)
    graph = space.graph(architecture)
    assert graph["stem_weight"].shape == (64, 10, 4, 1)
    assert graph["stem"].shape == (1, 24, 5, 64)
    assert [op.kind for op in graph.ops] == ["Conv2D", *["DepthwiseConv2D", "Conv2D"] * 4, "AveragePool2D", "FullyConnected"]
    assert total_macs(graph) == pytest.approx(2_656_768, rel=0.05)


def test_strides_that_differ_only_where_the_map_has_no_room_are_one_network() -> None:
    space = AudioSpace([SpectrogramInput(4, 20, 49)], 12)
    values: dict[str, Choice] = {
        "stem_channels": 8, "stem_kernel": "3x3", "stem_stride": "2x2", "stages": 1, "stage1_block": "conv", "stage1_channels": 8,
        "stage1_depth": 1, "stage1_kernel": "3x1", "stage1_reduction": "stride", "pooling": "average",
    }  # fmt: skip
    both, one = (space.from_params({**values, "stage1_stride": stride}) for stride in ("2x2", "2x1"))
    assert both == one
    assert both.id == one.id
    assert space.graph(both)["block1"].shape == (1, 13, 2, 8)


def test_bad_features_are_refused() -> None:
    with pytest.raises(UserError, match="every number of bands goes with every hop"):
        AudioSpace([SpectrogramInput(10, 20, 49), SpectrogramInput(20, 32, 31)], 12)
    with pytest.raises(UserError, match="given: nothing"):
        AudioSpace([], 12)
    with pytest.raises(UserError, match="too small"):
        AudioSpace([SpectrogramInput(3, 20, 49)], 12)
    with pytest.raises(UserError, match="holds no frame"):
        spectrograms(20)
