"""What the convolutional families have in common: how parameters become a stem, stages of blocks, and a classifier.

A stem convolution, then stages of plain convolutions, depthwise-separable blocks (MobileNet, https://arxiv.org/abs/1704.04861),
inverted residuals (MobileNetV2, https://arxiv.org/abs/1801.04381) or residual blocks of two convolutions
(ResNet, https://arxiv.org/abs/1512.03385), then a classifier on the pooled or on the flattened map. A stage begins by making the
map smaller, by the stride of its first convolution or by pooling.

A kernel or stride is a number, the same for both axes, or ``"10x4"``, height by width. On a map too small for it it counts only as
far as it makes a difference: no axis becomes smaller than 2, where every tap of a kernel of 3 still counts, and no kernel reaches
beyond the map on both sides at once. That makes ``5`` and ``"1x5"`` one kernel for a map one row high.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from codegen.errors import UserError
from search_spaces._base import Architecture, Choice, SearchSpace, Suggest
from search_spaces._inputs import Input
from search_spaces._layers import Convolution, Dense, Layer, Pair, Pool, Residual, convolved
from search_spaces._published import PublishedNetwork

BLOCKS = ("conv", "depthwise_separable", "inverted_residual")
STRIDE = "stride"
REDUCTIONS = (STRIDE, "max_pool", "average_pool")
"""How a stage makes its map smaller."""
FLATTEN_CELLS = 16
"""Largest map (cells) whose flattened form the classifier may take in."""
LEAST = 2
"""Fewest cells of an axis that had as many."""


class _StageNames(NamedTuple):
    """What the parameters of a stage are called."""

    block: str
    channels: str
    depth: str
    kernel: str
    stride: str
    reduction: str
    expansion: str


@lru_cache(maxsize=64)
def _stage(number: int) -> _StageNames:
    return _StageNames(*(f"stage{number}_{setting}" for setting in _StageNames._fields))


@dataclass(frozen=True)
class Design:
    """Choices of the parameters of a family; those with a single choice are no parameters."""

    stem_channels: tuple[int, ...]
    stem_kernels: tuple[Choice, ...]
    stem_strides: tuple[Choice, ...]
    stages: int
    """The most."""
    channels: tuple[int, ...]
    kernels: tuple[Choice, ...]
    strides: tuple[Choice, ...]
    blocks: tuple[str, ...] = BLOCKS
    depths: tuple[int, ...] = (1, 2, 3)
    expansions: tuple[int, ...] = (2, 3, 4)
    reductions: tuple[str, ...] = (STRIDE,)
    poolings: tuple[str, ...] = ("average",)

    def choices(self) -> dict[str, tuple[Choice, ...]]:
        """By parameter, in the order of decoding."""
        choices: dict[str, tuple[Choice, ...]] = {
            "stem_channels": self.stem_channels,
            "stem_kernel": self.stem_kernels,
            "stem_stride": self.stem_strides,
            "stages": tuple(range(1, self.stages + 1)),
        }
        for names in map(_stage, range(1, self.stages + 1)):
            choices |= {
                names.block: self.blocks,
                names.channels: self.channels,
                names.depth: self.depths,
                names.kernel: self.kernels,
                names.stride: self.strides,
                names.reduction: self.reductions,
                names.expansion: self.expansions,
            }
        return {**choices, "head": ("pool", "flatten"), "pooling": self.poolings}


class Stage(NamedTuple):
    """A stage of a published network; it makes its map smaller by the stride."""

    block: str
    channels: int
    depth: int
    kernel: Choice
    stride: Choice


def published(
    name: str, source: str, stem: tuple[int, Choice, Choice], stages: Sequence[Stage], **entry: Choice
) -> PublishedNetwork:
    """A published network of a ``stem`` (channels, kernel, stride) and ``stages`` whose last map is averaged; ``entry`` chooses the
    input."""
    channels, kernel, stride = stem
    widths = {"stem_channels": channels}
    values: dict[str, Choice] = {**entry, "stem_kernel": kernel, "stem_stride": stride, "stages": len(stages)}
    for number, stage in enumerate(stages, 1):
        names = _stage(number)
        widths[names.channels] = stage.channels
        values |= {names.block: stage.block, names.depth: stage.depth, names.kernel: stage.kernel, names.stride: stage.stride}
        values[names.reduction] = STRIDE
    return PublishedNetwork(name, source, widths, {**values, "head": "pool", "pooling": "average"})


@dataclass(frozen=True)
class Entry:
    """What a network takes in and the layers before its stem."""

    input: Input
    layers: tuple[Pool, ...] = ()

    @property
    def size(self) -> Pair:
        """Height and width of the map that the stem sees."""
        height, width, _ = self.input.shape
        for layer in self.layers:
            assert layer.window is not None, "a map is not averaged as a whole before the stem"
            height, width = height // layer.window[0], width // layer.window[1]
        return height, width


class ConvolutionalSpace(SearchSpace):
    """Classifiers into ``classes``.

    :param name: the family with what it was made for.
    :param design: choices for stem, stages and head.
    :param entry_choices: parameters that choose the input, with their choices.
    :param entries: the entry for every combination of them, in the order of ``entry_choices``.
    :param published: what a practitioner would draw.
    :raises UserError: for fewer than two classes.
    """

    def __init__(
        self,
        name: str,
        classes: int,
        design: Design,
        entry_choices: Mapping[str, tuple[Choice, ...]],
        entries: Mapping[tuple[Choice, ...], Entry],
        published: PublishedNetwork,
    ) -> None:
        if classes < 2:
            raise UserError(f"a classifier needs at least 2 classes, the data has {classes}")
        everything = {**entry_choices, **design.choices()}
        super().__init__({parameter: options for parameter, options in everything.items() if len(options) > 1})
        self._fixed = {parameter: options[0] for parameter, options in everything.items() if len(options) == 1}
        self._entry_names = tuple(entry_choices)
        self._entries = dict(entries)
        self._name = name
        self._published = published
        self.classes = classes

    @property
    def name(self) -> str:
        return self._name

    @property
    def published(self) -> PublishedNetwork:
        return self._published

    def decode(self, suggest: Suggest) -> Architecture:
        values: list[tuple[str, Choice]] = []
        fixed = self._fixed

        def ask(name: str) -> Any:
            if name in fixed:
                return fixed[name]
            value = suggest(name)
            values.append((name, value))
            return value

        entry = tuple([ask(name) for name in self._entry_names])
        size = self._entries[entry].size
        blocks: list[tuple[Choice, ...]] = [(self._name, *entry) if values else (self._name,)]

        def window(kernel_name: str, stride_name: str, reduction_name: str | None = None) -> tuple[Choice, Choice]:
            """Kernel and stride, where the map is large enough for a choice; pooling becomes a block of its own."""
            nonlocal size
            if max(size) <= LEAST:
                return _convolved(size, 3, 1)[:2]
            kernel, stride = ask(kernel_name), ask(stride_name)
            if reduction_name is not None and pair(stride) != (1, 1) and (reduction := ask(reduction_name)) != STRIDE:
                pooled, size = _pooled(size, stride)
                if pooled != 1:
                    blocks.append((reduction, pooled))
                stride = 1
            kernel, stride, size = _convolved(size, kernel, stride)
            return kernel, stride

        channels = ask("stem_channels")
        blocks.append(("conv", channels, *window("stem_kernel", "stem_stride")))
        for stage in range(1, ask("stages") + 1):
            names = _stage(stage)
            block, channels, depth = ask(names.block), ask(names.channels), ask(names.depth)
            kernel, stride = window(names.kernel, names.stride, names.reduction)
            expansion = (ask(names.expansion),) if block == "inverted_residual" else ()
            blocks.append((block, channels, kernel, stride, *expansion))
            blocks += [(block, channels, kernel, 1, *expansion)] * (depth - 1)
        head = ask("head") if size[0] * size[1] <= FLATTEN_CELLS else "pool"
        blocks.append((head,) if head == "flatten" or ask("pooling") == "average" else ("max_pool",))
        return Architecture(tuple(blocks), tuple(values))

    def complete(self, name: str, known: Mapping[str, Choice], rng: np.random.Generator) -> Choice:
        """What became active changes as little as possible: no stride, the smallest kernel, a new stage like the one before it."""
        group, _, setting = name.partition("_")
        options = self._choices[name]
        if group in ("head", "pooling") or setting in ("stride", "reduction"):
            return options[0]
        if group != "stage1" and group.startswith("stage"):
            before = known.get(f"stage{int(group[5:]) - 1}_{setting}")
            if before is not None and before in options:
                return before
        return options[0] if setting == "kernel" else super().complete(name, known, rng)

    def sizes(self) -> tuple[str, ...]:
        return tuple(name for name in super().sizes() if not name.endswith(("_kernel", "_stride")))

    def smallest(self) -> Architecture:
        """One plain convolution of the fewest channels behind the smallest stem on the smallest input, every stride taken."""
        values = {name: options[0] for name, options in self._choices.items()}
        values |= {name: options[-1] for name, options in self._choices.items() if name.endswith("_stride")}
        entries = [
            entry
            for entry in self._entries
            if all(value in self._choices.get(name, (value,)) for name, value in zip(self._entry_names, entry, strict=True))
        ]
        least = min(entries, key=lambda entry: (prod(self._entries[entry].size), prod(self._entries[entry].input.shape)))
        return self.from_params({**values, **dict(zip(self._entry_names, least, strict=True))})

    def input(self, architecture: Architecture) -> Input:
        return self._entry(architecture).input

    def layers(self, architecture: Architecture) -> list[Layer]:
        """The layers of all blocks, named after the block's number."""
        _, stem, *blocks, (head,) = architecture.network
        _, channels, kernel, stride = stem
        layers: list[Layer] = [*self._entry(architecture).layers, _stem(channels, kernel, stride)]
        for number, (block, *settings) in enumerate(blocks, 1):
            if block in REDUCTIONS:
                layers += _pool(number, block, *settings)
            else:
                layers += _block(number, block, channels, *settings)
                channels = settings[0]
        return [*layers, *_head(head, self.classes)]

    def _entry(self, architecture: Architecture) -> Entry:
        _, *chosen = architecture.network[0]
        return self._entries[tuple(chosen) or next(iter(self._entries))]


def entries_of(choices: Mapping[str, tuple[Choice, ...]]) -> list[tuple[Choice, ...]]:
    """All combinations of the choices, in their order."""
    return list(product(*choices.values()))


@lru_cache(maxsize=1024)
def pair(choice: Choice) -> Pair:
    """Height and width of a kernel, stride or window: ``3`` is ``(3, 3)``, ``"10x4"`` is ``(10, 4)``."""
    if isinstance(choice, int):
        return choice, choice
    height, width = choice.split("x")
    return int(height), int(width)


def _choice(height: int, width: int) -> Choice:
    """The inverse of :func:`pair`."""
    return height if height == width else f"{height}x{width}"


@lru_cache(maxsize=65536)
def _convolved(size: Pair, kernel: Choice, stride: Choice) -> tuple[Choice, Choice, Pair]:
    """Kernel and stride as far as they make a difference on a map of this size, and the size that they leave."""
    axes = [_axis(*of_axis) for of_axis in zip(size, pair(kernel), pair(stride), strict=True)]
    (height, width), (down, across), (rows, columns) = zip(*axes, strict=True)
    return _choice(height, width), _choice(down, across), (rows, columns)


def _axis(size: int, kernel: int, stride: int) -> tuple[int, int, int]:
    kernel = min(kernel, 2 * size - 1)
    stride = stride if convolved(size, kernel, stride) >= LEAST else 1
    return kernel, stride, convolved(size, kernel, stride)


@lru_cache(maxsize=65536)
def _pooled(size: Pair, window: Choice) -> tuple[Choice, Pair]:
    """The window as far as the map has room for it, and the size that it leaves."""
    height, width = (n if cells // n >= LEAST else 1 for n, cells in zip(pair(window), size, strict=True))
    return _choice(height, width), (size[0] // height, size[1] // width)


@lru_cache(maxsize=4096)
def _stem(channels: int, kernel: Choice, stride: Choice) -> Convolution:
    return Convolution("stem", channels, pair(kernel), pair(stride))


@lru_cache(maxsize=1024)
def _head(kind: str, classes: int) -> tuple[Layer, ...]:
    classifier = Dense("classifier", classes)
    return (classifier,) if kind == "flatten" else (Pool("pool", "max" if kind == "max_pool" else "average"), classifier)


@lru_cache(maxsize=65536)
def _pool(number: int, kind: str, window: Choice) -> tuple[Layer, ...]:
    return (Pool(f"block{number}", "max" if kind == "max_pool" else "average", pair(window)),)


@lru_cache(maxsize=65536)
def _block(
    number: int, block: str, before: int, channels: int, kernel: Choice, stride: Choice, expansion: int = 0
) -> tuple[Layer, ...]:
    name, window, step = f"block{number}", pair(kernel), pair(stride)
    same = stride == 1 and before == channels
    if block == "conv":
        return (Convolution(name, channels, window, step),)
    if block == "residual":
        first = Convolution(name + "_first", channels, window, step)
        second = Convolution(name + "_second", channels, window, activation=not same)
        return (first, second, Residual(name + "_add", 2, activation=True)) if same else (first, second)
    depthwise = Convolution(name + "_depthwise", None, window, step)
    if block == "depthwise_separable":
        return depthwise, Convolution(name + "_pointwise", channels, (1, 1))
    expand = Convolution(name + "_expand", before * expansion, (1, 1))
    project = Convolution(name + "_project", channels, (1, 1), activation=False)
    return (expand, depthwise, project, Residual(name + "_add", 3)) if same else (expand, depthwise, project)
