"""The image space: its general promises on several input shapes, and what is special to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from search_space_conformance import SearchSpaceConformance

from codegen.errors import UserError
from codegen.ir import total_macs
from search_spaces import ImageInput, ImageSpace


class TestDigits(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> ImageSpace:
        return ImageSpace((8, 8, 1), 10)


class TestColour(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> ImageSpace:
        return ImageSpace((32, 32, 3), 7)


class TestResolutions(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> ImageSpace:
        return ImageSpace((24, 16, 3), 10, resolutions=(12, 18, 24), grey=True)


class TestOblong(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> ImageSpace:
        return ImageSpace((13, 6, 2), 2)


@pytest.fixture
def digits() -> ImageSpace:
    return ImageSpace((8, 8, 1), 10)


def parameters(space: ImageSpace, **changes: int | str) -> dict[str, int | str]:
    defaults: dict[str, int | str] = {
        "stem_channels": 8, "stem_kernel": 3, "stem_stride": 1, "stages": 1, "stage1_block": "conv", "stage1_channels": 16,
        "stage1_depth": 1, "stage1_kernel": 3, "stage1_stride": 2, "head": "pool",
    }  # fmt: skip
    return {**defaults, **changes}


def test_no_map_gets_smaller_than_2x2(digits: ImageSpace) -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        graph = digits.graph(digits.sample(rng))
        for op in graph.ops:
            if op.kind in ("Conv2D", "DepthwiseConv2D"):
                assert min(graph[op.output].shape[1:3]) >= 2


def test_settings_that_make_no_difference_are_not_active(digits: ImageSpace) -> None:
    small_map = digits.from_params(
        parameters(digits, stem_stride=2, stages=2, stage2_block="conv", stage2_channels=8, stage2_depth=1)
    )
    assert not {"stage2_stride", "stage2_kernel", "stage1_expansion"} & set(digits.params(small_map))
    assert "head" not in digits.params(digits.from_params(parameters(digits, stage1_stride=1)))


def test_the_same_network_from_other_parameters_is_one_architecture(digits: ImageSpace) -> None:
    one_stage = digits.from_params(parameters(digits, stage1_depth=2))
    two_stages = digits.from_params(
        parameters(digits, stages=2, stage2_block="conv", stage2_channels=16, stage2_depth=1, stage2_kernel=3, stage2_stride=1)
    )
    assert one_stage == two_stages
    assert one_stage.id == two_stages.id
    assert len({one_stage, two_stages}) == 1


def test_inverted_residuals_add_where_shapes_agree(digits: ImageSpace) -> None:
    architecture = digits.from_params(
        parameters(digits, stage1_block="inverted_residual", stage1_depth=3, stage1_expansion=3, stage1_channels=16)
    )
    graph = digits.graph(architecture)
    assert [op.kind for op in graph.ops].count("Add") == 2
    assert graph["block1_expand"].shape[3] == 24
    assert graph["block2_expand"].shape[3] == 48


def test_a_new_stage_repeats_the_one_before(digits: ImageSpace) -> None:
    parent = digits.from_params(parameters(digits, stage1_kernel=5, stage1_channels=24, stage1_stride=1))
    rng = np.random.default_rng(0)
    children = [digits.mutate(parent, rng) for _ in range(200)]
    grown = [digits.params(c) for c in children if digits.params(c)["stages"] == 2]
    assert grown
    for params in grown:
        assert (params["stage2_block"], params["stage2_channels"], params["stage2_kernel"]) == ("conv", 24, 5)
        assert params["stage2_stride"] == 1


def test_networks_reach_from_hundreds_to_hundreds_of_thousands_of_weights(digits: ImageSpace) -> None:
    def weights(architecture_parameters: dict[str, int | str]) -> int:
        graph = digits.graph(digits.from_params(architecture_parameters))
        return sum(t.size for t in graph.tensors.values() if t.constant)

    assert weights(digits.params(digits.smallest())) < 300
    assert weights({name: options[-1] for name, options in digits.choices().items()}) > 250_000


def test_a_small_map_can_be_flattened_for_the_classifier(digits: ImageSpace) -> None:
    graph = digits.graph(digits.from_params(parameters(digits, head="flatten")))
    assert graph["classifier_weight"].shape == (10, 4 * 4 * 16)
    assert "pool" not in graph.tensors


def test_module_takes_batches_and_gives_logits(digits: ImageSpace) -> None:
    module = digits.module(digits.from_params(parameters(digits)))
    assert module(torch.zeros(5, 1, 8, 8)).shape == (5, 10)


def test_the_default_space_keeps_its_ids(digits: ImageSpace) -> None:
    """Ids name trials of earlier runs."""
    assert digits.smallest().id == "5e28a9a60528b794"
    rng = np.random.default_rng(0)
    assert [digits.sample(rng).id for _ in range(3)] == ["ebbbec7dc0246405", "4b09a2d6fac771cf", "cf4813da2221c661"]


def test_resolution_and_colour_are_choices_where_offered(digits: ImageSpace) -> None:
    space = ImageSpace((24, 16, 3), 10, resolutions=(12, 24), grey=True)
    assert not {"resolution", "colour"} & set(digits.choices())
    rng = np.random.default_rng(0)
    seen = {space.input(space.sample(rng)) for _ in range(100)}
    assert seen == {ImageInput(h, w, c) for h, w in ((12, 8), (24, 16)) for c in (1, 3)}
    assert space.input(space.smallest()) == ImageInput(12, 8, 1)


def test_bad_resolutions_are_refused() -> None:
    with pytest.raises(UserError, match="no resolution 48"):
        ImageSpace((32, 32, 3), 10, resolutions=(16, 48))
    with pytest.raises(UserError, match="3x3x3 are too small"):
        ImageSpace((32, 32, 3), 10, resolutions=(3, 32))
    with pytest.raises(UserError, match="grey already"):
        ImageSpace((32, 32, 1), 10, grey=True)


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(UserError, match="4x4 or more"):
        ImageSpace((3, 8, 1), 10)
    with pytest.raises(UserError, match="at least 2 classes"):
        ImageSpace((8, 8, 1), 1)


def test_macs_grow_with_the_image(digits: ImageSpace) -> None:
    large = ImageSpace((16, 16, 1), 10)
    assert total_macs(large.graph(large.smallest())) > total_macs(digits.graph(digits.smallest()))


def test_small_images_are_given_the_plain_resnet_8() -> None:
    """The main path of MLPerf Tiny's, whose MODEL.md counts 12,501,632 multiply-accumulates, 262,144 of them in its shortcuts."""
    space = ImageSpace((32, 32, 3), 10)
    widest, *_, narrowest = space.hand_designed()
    graph = space.graph(widest)
    convolutions = [graph[op.output].shape[1:] for op in graph.ops if op.kind == "Conv2D"]
    assert convolutions == [*[(32, 32, 16)] * 3, *[(16, 16, 32)] * 2, *[(8, 8, 64)] * 2]
    assert total_macs(graph) == 12_501_632 - 262_144
    assert {block[1] for block in narrowest.network if block[0] == "conv"} == {4}


def test_photographs_are_given_mobilenet() -> None:
    space = ImageSpace((96, 96, 3), 2, resolutions=(48, 96), grey=True)
    widest = next(iter(space.hand_designed()))
    assert space.input(widest) == ImageInput(96, 96, 3)
    graph = space.graph(widest)
    maps = [graph[op.output].shape[2:] for op in graph.ops if op.kind == "Conv2D"]
    blocks = [(48, 16), (24, 32), (24, 32), (12, 64), (12, 64), *[(6, 128)] * 3, *[(3, 128)] * 2]
    assert maps == [(48, 8), *blocks]
    assert [op.kind for op in graph.ops].count("DepthwiseConv2D") == len(blocks)
