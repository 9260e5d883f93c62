"""The time-series space: its general promises on windows of real data sets, and what is special to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from search_space_conformance import SearchSpaceConformance

from codegen.boards import load_board
from codegen.errors import UserError
from cost_models import load_cost_model
from nas.datasets import Dataset
from nas.learning.training import Recipe, build_module, train
from search_spaces import Architecture, Choice, TimeSeriesSpace, WindowInput


class TestActivities(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> TimeSeriesSpace:
        return TimeSeriesSpace(128, 6, 6, windows=(64, 128))


class TestShort(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> TimeSeriesSpace:
        return TimeSeriesSpace(25, 12, 9)


class TestLong(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> TimeSeriesSpace:
        return TimeSeriesSpace(1460, 1, 10)


@pytest.fixture
def activities() -> TimeSeriesSpace:
    return TimeSeriesSpace(128, 6, 6, windows=(64, 128))


def parameters(**changes: Choice) -> dict[str, Choice]:
    defaults: dict[str, Choice] = {
        "window": 128, "decimation": 1, "stem_channels": 8, "stem_kernel": 7, "stem_stride": 2, "stages": 1, "stage1_block": "conv",
        "stage1_channels": 16, "stage1_depth": 1, "stage1_kernel": 5, "stage1_stride": 2, "stage1_reduction": "stride",
        "head": "pool", "pooling": "average",
    }  # fmt: skip
    return {**defaults, **changes}


def kinds(space: TimeSeriesSpace, architecture: Architecture) -> list[str]:
    return [op.kind for op in space.graph(architecture).ops]


def test_windows_are_rows_and_kernels_lie_along_them(activities: TimeSeriesSpace) -> None:
    architecture = activities.from_params(parameters())
    graph = activities.graph(architecture)
    assert graph["input"].shape == (1, 1, 128, 6)
    assert graph["stem_weight"].shape == (8, 1, 7, 6)
    assert graph["stem"].shape == (1, 1, 64, 8)
    assert graph["block1"].shape == (1, 1, 32, 16)


def test_the_window_is_a_choice_and_decimation_averages_before_the_stem(activities: TimeSeriesSpace) -> None:
    short = activities.from_params(parameters(window=64, decimation=2))
    assert activities.input(short) == WindowInput(64, 6)
    graph = activities.graph(short)
    assert graph["decimation"].shape == (1, 1, 32, 6)
    assert kinds(activities, short)[0] == "AveragePool2D"
    module = activities.module(short)
    steps = torch.arange(64.0).repeat(1, 6, 1, 1)
    torch.testing.assert_close(module.decimation(steps)[0, 0, 0], torch.arange(32.0) * 2 + 0.5)


def test_fcn_is_what_one_draws_by_hand(activities: TimeSeriesSpace) -> None:
    """Wang et al.: 128, 256 and 128 channels with kernels of 8, 5 and 3, here at a quarter of that width or less, and a mean."""
    designs = activities.hand_designed()
    architecture = next(iter(designs))
    assert designs[architecture] == 0.25
    assert kinds(activities, architecture) == ["Conv2D"] * 3 + ["AveragePool2D", "FullyConnected"]
    graph = activities.graph(architecture)
    shapes = [graph[op.parameters[0]].shape for op in graph.ops if op.kind == "Conv2D"]
    assert shapes == [(32, 1, 9, 6), (64, 1, 5, 32), (32, 1, 3, 64)]
    assert graph["block2"].shape == (1, 1, 128, 32)


def test_short_windows_are_not_decimated() -> None:
    assert "decimation" not in TimeSeriesSpace(25, 12, 9).choices()
    assert TimeSeriesSpace(100, 6, 4).choices()["decimation"] == (1, 2)
    assert "window" not in TimeSeriesSpace(128, 6, 6).choices()


def test_a_stage_shortens_the_map_by_stride_or_by_pooling(activities: TimeSeriesSpace) -> None:
    strided, *pooled = (activities.from_params(parameters(stage1_reduction=r)) for r in ("stride", "max_pool", "average_pool"))
    assert kinds(activities, strided) == ["Conv2D", "Conv2D", "AveragePool2D", "FullyConnected"]
    assert [kinds(activities, a)[1] for a in pooled] == ["MaxPool2D", "AveragePool2D"]
    assert {activities.graph(a)["classifier_weight"].shape for a in (strided, *pooled)} == {(6, 16)}
    one_step = activities.from_params(parameters(stage1_stride=1))
    assert "stage1_reduction" not in activities.params(one_step)


def test_the_last_map_is_averaged_or_its_maximum_taken(activities: TimeSeriesSpace) -> None:
    assert kinds(activities, activities.from_params(parameters(pooling="max")))[-2] == "MaxPool2D"
    flat = activities.from_params(parameters(window=64, stem_stride=4, stage1_stride=1, head="flatten"))
    assert "pooling" not in activities.params(flat)
    assert activities.graph(flat)["classifier_weight"].shape == (6, 16 * 16)


def test_a_residual_block_adds_where_shapes_agree(activities: TimeSeriesSpace) -> None:
    architecture = activities.from_params(parameters(stage1_block="residual", stage1_depth=2))
    assert kinds(activities, architecture)[1:6] == ["Conv2D", "Conv2D", "Conv2D", "Conv2D", "Add"]
    assert activities.graph(architecture)["block2_add"].zero_point == -128


def test_kernels_and_strides_that_the_map_has_no_room_for_are_one_network() -> None:
    space = TimeSeriesSpace(8, 1, 2)
    values: dict[str, Choice] = {
        "stem_channels": 4, "stem_kernel": 3, "stem_stride": 4, "stages": 2, "stage1_block": "conv", "stage1_channels": 4,
        "stage1_depth": 1, "stage2_block": "conv", "stage2_channels": 4, "stage2_depth": 1, "head": "pool", "pooling": "average",
    }  # fmt: skip
    stopped = space.from_params(values)
    assert space.graph(stopped)["stem"].shape == (1, 1, 2, 4)
    assert not {"stage1_kernel", "stage2_stride"} & set(space.params(stopped))
    longer = {**values, "stem_stride": 2, "stage1_stride": 1, "stage2_stride": 1, "stage2_kernel": 3}
    assert space.from_params({**longer, "stage1_kernel": 7}) == space.from_params({**longer, "stage1_kernel": 9})
    assert space.from_params({**longer, "stage1_kernel": 5}) != space.from_params({**longer, "stage1_kernel": 9})


def test_bad_windows_are_refused() -> None:
    with pytest.raises(UserError, match="too short"):
        TimeSeriesSpace(7, 3, 2)
    with pytest.raises(UserError, match="no window of 256"):
        TimeSeriesSpace(128, 6, 6, windows=(64, 256))
    with pytest.raises(UserError, match="at least 2 classes"):
        TimeSeriesSpace(128, 6, 1)


@pytest.mark.slow
def test_a_network_within_the_limits_learns_activities_of_people_it_has_not_seen(
    activities: TimeSeriesSpace, shared_dir: Path
) -> None:
    stored = np.load(shared_dir / "data" / "har_smartphone_hapt" / "hapt_har6.npz")
    subjects = stored["subject_train"]
    x = (stored["x_train"] * stored["channel_scale"]).astype(np.float32)[:, None]
    x /= x.std((0, 1, 2))
    y = stored["y_train"].astype(np.int64)
    train_set, others = (
        Dataset("activities", "image", (1, 128, 6), tuple(stored["class_names"]), x[part], y[part])
        for part in (subjects > 7, subjects <= 7)
    )
    architecture = activities.from_params(
        parameters(
            stem_channels=16, stage1_block="depthwise_separable", stage1_channels=32, stage1_depth=2, stage1_reduction="max_pool"
        )
    )
    prediction = load_cost_model("cortex-m4").predict(activities.graph(architecture), load_board("nucleo-l4r5zi"))
    assert prediction.ram.total < 10.8 * 1024
    assert prediction.flash.high < 19.3 * 1024
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    result = train(build_module(activities, architecture, 0), train_set, others, Recipe(epochs=4, batch_size=64), 0)
    torch.set_num_threads(threads)
    assert result.accuracy is not None
    assert result.accuracy > 0.88
