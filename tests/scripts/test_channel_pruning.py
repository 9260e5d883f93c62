"""Pruning: whole words of coupled channels become zero, stay it in int8, and are gone from the program."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from channel_pruning import ChannelPruning
from torch import nn

from codegen.boards import load_board
from codegen.compile import compile_graph
from codegen.cores import find_core
from codegen.importers.torch_network import prepare, to_graph
from codegen.ir import Graph
from codegen.measurement import Verification
from codegen.passes import run_passes
from codegen.verify import measure_model
from nas.datasets import Dataset, load_train, split_validation
from nas.learning.quantization import int8_accuracy, quantize_network
from nas.learning.training import Recipe, build_module, evaluate, train
from search_spaces import Architecture, AudioSpace, ImageSpace, SearchSpace, TimeSeriesSpace, spectrograms

pytestmark = pytest.mark.usefixtures("one_thread")
SPACE = ImageSpace((8, 8, 1), 10)
BOARD = load_board("nucleo-l4r5zi")


@pytest.fixture(scope="module")
def data() -> tuple[Dataset, Dataset]:
    return split_validation(load_train("digits"), 0.25, 0)


@pytest.fixture(scope="module")
def coupled() -> Architecture:
    """Adds couple all that two stages write; depthwise filters what they expand to."""
    return SPACE.from_params(
        {"stem_channels": 16, "stem_kernel": 3, "stem_stride": 1, "stages": 2,
         "stage1_block": "inverted_residual", "stage1_channels": 16, "stage1_depth": 2, "stage1_kernel": 3, "stage1_stride": 1,
         "stage1_expansion": 2, "stage2_block": "conv", "stage2_channels": 24, "stage2_depth": 1, "stage2_kernel": 3,
         "stage2_stride": 2, "head": "flatten"}
    )  # fmt: skip


def pruned(architecture: Architecture, fraction: float, train_set: Dataset) -> nn.Module:
    module = build_module(SPACE, architecture, 0)
    pruning = ChannelPruning(module, SPACE.layers(architecture), fraction)
    train(module, train_set, None, Recipe(epochs=4), 0, after_step=pruning if fraction else None)
    return module


def built(graph: Graph) -> Verification:
    model = compile_graph(graph, find_core(BOARD.core), name="digits", optimize="balanced")
    return measure_model(model, board=BOARD, inputs=np.zeros((1, 64), np.int8))


def test_a_pruned_program_takes_less_of_everything(coupled: Architecture, data: tuple[Dataset, Dataset]) -> None:
    graphs = {}
    for fraction in (0.0, 0.5):
        module = pruned(coupled, fraction, data[0])
        graphs[fraction] = quantize_network(module, data[0], Recipe(epochs=1, learning_rate=1e-3), 0, "digits")
        assert abs(int8_accuracy(graphs[fraction], data[1]) - evaluate(module, data[1])) < 0.05
    assert evaluate(module, data[1]) > 0.6
    widths = {op.name: run_passes(graphs[0.5])[op.output].shape[-1] for op in graphs[0.5].ops}
    assert (widths["stem"], widths["block1_expand"], widths["block1_depthwise"], widths["block3"]) == (8, 16, 16, 12)
    assert widths["block1_add"] == widths["block2_project"] == 8
    whole, half = built(graphs[0.0]), built(graphs[0.5])
    assert half.bit_exact
    assert half.ram.total < 0.8 * whole.ram.total
    assert half.flash.constants < 0.5 * whole.flash.constants
    assert half.flash.total < whole.flash.total
    assert half.cycles < 0.6 * whole.cycles


def left(channels: int) -> int:
    """Of so many, where half are pruned."""
    return channels if channels % 4 or channels < 8 else 4 * round(channels // 4 / 2)


SPACES: tuple[SearchSpace, ...] = (SPACE, TimeSeriesSpace(64, 6, 5), AudioSpace(spectrograms(600), 4))


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name.partition("(")[0])
def test_whatever_couples_channels_the_compiler_finds_them_dead(space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    for architecture in (space.sample(rng) for _ in range(12)):
        module, (height, width, channels) = build_module(space, architecture, 0), space.input_shape(architecture)
        pruning = ChannelPruning(module, space.layers(architecture), 0.5)
        x = torch.randn(8, channels, height, width)
        module(x).square().sum().backward()
        pruning(1.0)
        for norm in (part for part in module.children() if isinstance(part, nn.BatchNorm2d)):
            assert int(((norm.weight != 0) | (norm.bias != 0)).sum()) == left(norm.num_features)
        network = prepare(module.eval(), (height, width, channels))
        network.observe()
        network(x)
        graph = to_graph(network, "network")
        cut = run_passes(graph)
        for op in graph.ops[:-1]:
            count = graph[op.output].shape[-1]
            if op.name != "decimation":
                assert cut[op.output].shape[-1] <= left(count), op.name
