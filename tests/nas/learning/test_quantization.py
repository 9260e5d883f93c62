"""Quantization end to end on the digits: fine-tuned int8 networks keep the float accuracy."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from codegen.importers.torch_network import to_graph
from codegen.ir import Graph
from nas.datasets import Dataset, load_train, split_validation
from nas.learning.quantization import (
    FINE_TUNING,
    SATURATED,
    fine_tunes_varied,
    input_range,
    int8_accuracy,
    int8_outputs,
    observe_ranges,
    quantize_input,
    quantize_network,
)
from nas.learning.training import Recipe, build_module, device, evaluate, train
from search_spaces import ImageSpace

pytestmark = pytest.mark.usefixtures("one_thread")
SPACE = ImageSpace((8, 8, 1), 10)


@pytest.fixture(scope="module")
def data() -> tuple[Dataset, Dataset]:
    return split_validation(load_train("digits"), 0.25, 0)


@pytest.fixture(scope="module")
def trained(data: tuple[Dataset, Dataset]) -> nn.Module:
    """A network with every kind of block, trained for a few seconds."""
    architecture = SPACE.from_params(
        {"stem_channels": 12, "stem_kernel": 3, "stem_stride": 1, "stages": 3,
         "stage1_block": "conv", "stage1_channels": 16, "stage1_depth": 1, "stage1_kernel": 3, "stage1_stride": 2,
         "stage2_block": "inverted_residual", "stage2_channels": 16, "stage2_depth": 1, "stage2_kernel": 3, "stage2_stride": 1,
         "stage2_expansion": 3, "stage3_block": "depthwise_separable", "stage3_channels": 32, "stage3_depth": 1,
         "stage3_kernel": 5, "stage3_stride": 1, "head": "pool"}
    )  # fmt: skip
    module = build_module(SPACE, architecture, 0)
    train(module, data[0], None, Recipe(epochs=12, augment=False), 0)
    return module


@pytest.fixture(scope="module")
def fine_tuned(trained: nn.Module, data: tuple[Dataset, Dataset]) -> Graph:
    return quantize_network(trained, data[0], FINE_TUNING, 0, "digits")


def test_int8_keeps_the_float_accuracy(trained: nn.Module, fine_tuned: Graph, data: tuple[Dataset, Dataset]) -> None:
    real = evaluate(trained, data[1])
    assert real > 0.95
    assert int8_accuracy(fine_tuned, data[1]) > real - 0.0100


def test_without_fine_tuning_it_is_nearly_as_good(trained: nn.Module, data: tuple[Dataset, Dataset]) -> None:
    plain = quantize_network(trained, data[0], Recipe(epochs=0), 0, "digits")
    assert int8_accuracy(plain, data[1]) > evaluate(trained, data[1]) - 0.02


def test_four_bits_keep_nearly_all_of_it(trained: nn.Module, data: tuple[Dataset, Dataset]) -> None:
    train_set, validation = data
    rounded = quantize_network(trained, train_set, dataclasses.replace(FINE_TUNING, epochs=0), 0, "digits", weight_bits=4)
    tuned = quantize_network(trained, train_set, FINE_TUNING, 0, "digits", weight_bits=4)
    assert sum(t.dtype == "int4" for t in tuned.tensors.values()) >= 4
    assert int8_accuracy(tuned, validation) >= evaluate(trained, validation) - 0.03
    assert int8_accuracy(tuned, validation) >= int8_accuracy(rounded, validation) - 0.01


def test_fine_tuning_leaves_the_float_network_alone(trained: nn.Module, data: tuple[Dataset, Dataset]) -> None:
    before = nn.utils.parameters_to_vector(trained.parameters()).clone()
    quantize_network(trained, data[0], Recipe(epochs=1), 0, "digits")
    assert torch.equal(before, nn.utils.parameters_to_vector(trained.parameters()))


def test_filters_that_are_zero_stay_zero(trained: nn.Module, data: tuple[Dataset, Dataset]) -> None:
    module = copy.deepcopy(trained)
    with torch.no_grad():
        for part in (module.get_submodule("stem"), module.get_submodule("stem_norm")):
            for parameter in part.parameters():
                parameter[4:8] = 0
    graph = quantize_network(module, data[0], Recipe(epochs=1, learning_rate=1e-2), 0, "digits")
    weight = graph["stem_weight"].data
    assert weight is not None
    zero = [not filter.any() for filter in weight]
    assert zero == [4 <= number < 8 for number in range(12)]


def test_fine_tuning_is_reproducible(trained: nn.Module, data: tuple[Dataset, Dataset]) -> None:
    recipe = Recipe(epochs=2, learning_rate=1e-3)
    first, second = (quantize_network(trained, data[0], recipe, 7, "digits") for _ in range(2))
    for name, tensor in first.tensors.items():
        assert tensor.quantization == second[name].quantization
        if tensor.data is not None:
            assert np.array_equal(tensor.data, second[name].data)


def test_the_fake_quantized_network_predicts_the_integer_outputs(trained: nn.Module, data: tuple[Dataset, Dataset]) -> None:
    network = observe_ranges(trained, data[0])
    with torch.no_grad():
        real = network(torch.from_numpy(data[1].x).permute(0, 3, 1, 2).to(device())).cpu().numpy()
    graph = to_graph(network, "digits")
    integers = int8_outputs(graph, data[1].x)
    output = graph[graph.outputs[0]]
    difference = np.abs(integers - (np.rint(real / output.scale) + output.zero_point))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01
    assert (integers.argmax(1) == real.argmax(1)).mean() > 0.995


def test_input_is_quantized_over_its_range(fine_tuned: Graph, data: tuple[Dataset, Dataset]) -> None:
    assert fine_tuned["input"].scale == pytest.approx(1 / 255)
    assert fine_tuned["input"].zero_point == -128
    values = np.array([[-1.0, 0.0, 0.4, 0.6, 1.0, 3.0]], dtype=np.float32)
    assert quantize_input(fine_tuned, values).tolist() == [[-128, -128, -26, 25, 127, 127]]
    assert quantize_input(fine_tuned, data[1].x).shape == data[1].x.shape


def test_few_recorded_values_saturate_the_input(shared_dir: Path) -> None:
    recorded = load_train(str(shared_dir / "data" / "skab_valve" / "skab_windows.npz"))
    values = recorded.x.reshape(-1, 8)
    low, high = input_range(recorded)
    assert 0 < max((values < low).mean(0).max(), (values > high).mean(0).max()) <= SATURATED
    assert high - low < 0.6 * (values.max() - values.min())
    assert input_range(dataclasses.replace(recorded, normal=None)) == (low, high)
    assert input_range(recorded, 0.0) == (values.min(), values.max())
    spikes = np.zeros((50, 1, 100, 1), np.float32)
    spikes[7, 0, 0] = 50
    rare = Dataset("spikes", "series", (1, 100, 1), ("a", "b"), spikes, np.arange(50) % 2)
    assert input_range(rare) == (0, 50), "where hardly anything happens that is what counts"

    torch.manual_seed(0)
    graph = quantize_network(nn.Conv2d(8, 8, (1, 5), padding=(0, 2)), recorded, Recipe(epochs=0), 0, "valve")
    tensor = graph["input"]
    real = (quantize_input(graph, recorded.x).astype(np.float32) - tensor.zero_point) * tensor.scale
    assert np.abs(real - recorded.x.clip(low, high)).max() < tensor.scale


def test_only_motion_is_fine_tuned_on_varied_examples(shared_dir: Path, data: tuple[Dataset, Dataset]) -> None:
    recorded = shared_dir / "data"
    assert fine_tunes_varied(load_train(str(recorded / "har_smartphone_hapt" / "hapt_har6.npz")))
    assert not fine_tunes_varied(load_train(str(recorded / "ucr_small" / "GunPoint.npz")))
    assert not fine_tunes_varied(load_train(str(recorded / "skab_valve" / "skab_windows.npz")))
    assert not fine_tunes_varied(data[0])
