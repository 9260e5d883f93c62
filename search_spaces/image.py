"""Convolutional image classifiers for microcontrollers.

A stem convolution, then stages of plain convolutions, depthwise-separable blocks (MobileNet, https://arxiv.org/abs/1704.04861) or
inverted residuals (MobileNetV2, https://arxiv.org/abs/1801.04381), then a classifier on the averaged or on the flattened map.
The first block of a stage has the stage's stride. No map gets smaller than 2x2, where every tap of a 3x3 kernel still counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from codegen.errors import UserError
from codegen.ir import Graph
from search_spaces._base import Architecture, Choice, SearchSpace, Suggest
from search_spaces._layers import Convolution, Dense, GlobalAveragePool, Layer, Residual, Shape, halved, shape_graph

if TYPE_CHECKING:
    from torch import nn

STEM_CHANNELS = (4, 6, 8, 12, 16, 24, 32)
# The kernels work on groups of four channels; 6 fills a gap that matters in the smallest budgets. Small images get 64 at most.
CHANNELS = (4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128)
BLOCKS = ("conv", "depthwise_separable", "inverted_residual")
FLATTEN_CELLS = 16
"""Largest map (cells) whose flattened form the classifier may take in."""


class ImageSpace(SearchSpace):
    """Classifiers of images ``(H, W, C)`` into ``classes``.

    Parameters: ``stem_channels``, ``stem_kernel``, ``stem_stride``, ``stages``, then for each stage ``i`` from 1
    ``stage<i>_block``, ``_channels``, ``_depth`` (blocks), ``_kernel``, ``_stride`` and (inverted residuals only) ``_expansion``,
    then ``head``.

    :raises UserError: for images under 4x4 or fewer than two classes.
    """

    def __init__(self, input_shape: Shape, classes: int) -> None:
        height, width, channels = input_shape
        if min(height, width) < 4 or channels < 1:
            raise UserError(f"images of {height}x{width}x{channels} are too small for the image search space; it needs 4x4 or more")
        if classes < 2:
            raise UserError(f"a classifier needs at least 2 classes, the data has {classes}")
        self.input_shape = input_shape
        self.classes = classes
        self._channels = tuple(c for c in CHANNELS if c <= max(64, 4 * min(height, width)))
        self._max_stages = max(2, min(5, min(height, width).bit_length() - 1))

    @cached_property
    def name(self) -> str:
        return f"image({'x'.join(map(str, self.input_shape))},{self.classes})"

    @cached_property
    def _choices(self) -> dict[str, tuple[Choice, ...]]:
        choices: dict[str, tuple[Choice, ...]] = {
            "stem_channels": STEM_CHANNELS,
            "stem_kernel": (3, 5),
            "stem_stride": (1, 2),
            "stages": tuple(range(1, self._max_stages + 1)),
        }
        for stage in range(1, self._max_stages + 1):
            choices |= {
                f"stage{stage}_block": BLOCKS,
                f"stage{stage}_channels": self._channels,
                f"stage{stage}_depth": (1, 2, 3),
                f"stage{stage}_kernel": (3, 5),
                f"stage{stage}_stride": (1, 2),
                f"stage{stage}_expansion": (2, 3, 4),
            }
        choices["head"] = ("pool", "flatten")
        return choices

    def choices(self) -> Mapping[str, tuple[Choice, ...]]:
        return self._choices

    def decode(self, suggest: Suggest) -> Architecture:
        values: list[tuple[str, Choice]] = []
        height, width, _ = self.input_shape

        def ask(name: str) -> Choice:
            value = suggest(name)
            values.append((name, value))
            return value

        def window(prefix: str) -> tuple[Choice, Choice]:
            """Kernel and stride, where the map is large enough for a choice."""
            nonlocal height, width
            if min(height, width) < 3:
                return 3, 1
            kernel, stride = ask(prefix + "_kernel"), ask(prefix + "_stride")
            height, width = halved(height, int(stride)), halved(width, int(stride))
            return kernel, stride

        channels = ask("stem_channels")
        blocks: list[tuple[Choice, ...]] = [(self.name,), ("conv", channels, *window("stem"))]
        for stage in range(1, int(ask("stages")) + 1):
            prefix = f"stage{stage}"
            block, channels, depth = ask(prefix + "_block"), ask(prefix + "_channels"), int(ask(prefix + "_depth"))
            kernel, stride = window(prefix)
            expansion = (ask(prefix + "_expansion"),) if block == "inverted_residual" else ()
            blocks += [(block, channels, kernel, stride if i == 0 else 1, *expansion) for i in range(depth)]
        blocks.append((ask("head") if height * width <= FLATTEN_CELLS else "pool",))
        return Architecture(tuple(blocks), tuple(values))

    def complete(self, name: str, known: Mapping[str, Choice], rng: np.random.Generator) -> Choice:
        """What became active changes as little as possible: no stride, a 3x3 kernel, a new stage like the one before it."""
        group, _, setting = name.partition("_")
        if name == "head":
            return "pool"
        if setting == "stride":
            return 1
        if group != "stage1" and group.startswith("stage"):
            before = f"stage{int(group[5:]) - 1}_{setting}"
            if before in known:
                return known[before]
        return 3 if setting == "kernel" else super().complete(name, known, rng)

    def smallest(self) -> Architecture:
        """One plain convolution of the fewest channels behind the smallest stem, every stride taken."""
        values = {name: options[0] for name, options in self.choices().items()}
        return self.from_params({**values, "stem_stride": 2, "stage1_stride": 2, "head": "pool"})

    def graph(self, architecture: Architecture) -> Graph:
        return shape_graph("network", self.input_shape, _layers(architecture, self.classes))

    def module(self, architecture: Architecture) -> nn.Module:
        from search_spaces._modules import LayerNetwork

        return LayerNetwork(_layers(architecture, self.classes), self.input_shape)


def _layers(architecture: Architecture, classes: int) -> list[Layer]:
    """The layers of all blocks, named after the block's number."""
    _, stem, *blocks, head = architecture.network
    _, channels, kernel, stride = stem
    layers: list[Layer] = [Convolution("stem", channels, kernel, stride)]
    for number, (block, width, *settings) in enumerate(blocks, 1):
        layers += _block(number, block, channels, width, *settings)
        channels = width
    if head == ("pool",):
        layers.append(GlobalAveragePool("pool"))
    layers.append(Dense("classifier", classes))
    return layers


@lru_cache(maxsize=65536)
def _block(number: int, block: str, before: int, channels: int, kernel: int, stride: int, expansion: int = 0) -> tuple[Layer, ...]:
    name = f"block{number}"
    if block == "conv":
        return (Convolution(name, channels, kernel, stride),)
    depthwise = Convolution(name + "_depthwise", None, kernel, stride)
    if block == "depthwise_separable":
        return depthwise, Convolution(name + "_pointwise", channels, 1)
    expand = Convolution(name + "_expand", before * expansion, 1)
    project = Convolution(name + "_project", channels, 1, activation=False)
    if stride == 1 and before == channels:
        return expand, depthwise, project, Residual(name + "_add", 3)
    return expand, depthwise, project
