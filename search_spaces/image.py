"""Convolutional image classifiers: square kernels, and if wanted the resolution and whether colours count as part of the space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codegen.errors import UserError
from search_spaces._base import Choice
from search_spaces._convolutional import ConvolutionalSpace, Design, Entry, Stage, entries_of, published
from search_spaces._inputs import ImageInput, Shape

STEM_CHANNELS = (4, 6, 8, 12, 16, 24, 32)
# The kernels work on groups of four channels; 6 fills a gap that matters in the smallest budgets. Small images get 64 at most.
CHANNELS = (4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128)
LEAST_SIDE = 4
MLPERF_TINY = "arXiv:2106.07597"
RESNET_8 = published(
    "plain ResNet-8",
    f"the classifier of CIFAR-10 of MLPerf Tiny, {MLPERF_TINY}, after He et al., arXiv:1512.03385",
    (16, 3, 1),
    [Stage("conv", 16, 2, 3, 1), Stage("conv", 32, 2, 3, 2), Stage("conv", 64, 2, 3, 2)],
    colour="full",
)
"""Without the shortcuts, which the space has around inverted residuals only: the plain network that He et al. compare with."""
MOBILENET = published(
    "MobileNetV1 0.25",
    f"the person detector of MLPerf Tiny, {MLPERF_TINY}, after Howard et al., arXiv:1704.04861",
    (8, 3, 2),
    [
        Stage("depthwise_separable", 16, 1, 3, 1),
        Stage("depthwise_separable", 32, 2, 3, 2),
        Stage("depthwise_separable", 64, 2, 3, 2),
        Stage("depthwise_separable", 128, 6, 3, 2),
        Stage("depthwise_separable", 128, 2, 3, 2),
    ],
    colour="full",
)
"""With 128 channels in the last stage, the most of the space, where 256 were published; of the six blocks before it three are left,
the most of a stage."""
LARGE = 64
"""Pixels of the shorter side from which images are photographs, MLPerf Tiny's of 96, and no longer such as CIFAR-10's of 32."""


class ImageSpace(ConvolutionalSpace):
    """Classifiers of images ``(H, W, C)`` into ``classes``.

    Parameters: ``resolution`` and ``colour`` where there is a choice, ``stem_channels``, ``stem_kernel``, ``stem_stride``,
    ``stages``, then for each stage ``i`` from 1 ``stage<i>_block``, ``_channels``, ``_depth`` (blocks), ``_kernel``, ``_stride``
    and (inverted residuals only) ``_expansion``, then ``head``.

    :param input_shape: of the images as they are.
    :param resolutions: heights in pixels to choose from, the given one among them or not; widths keep the images' proportions.
    :param grey: whether a network may do without colours.
    :raises UserError: for images under 4x4, fewer than two classes, a resolution above the given one, or grey of grey images.
    """

    def __init__(self, input_shape: Shape, classes: int, *, resolutions: Sequence[int] = (), grey: bool = False) -> None:
        height, width, channels = input_shape
        heights = tuple(sorted(set(resolutions))) or (height,)
        sizes = {h: (h, max(1, round(h * width / height))) for h in heights}
        if min(min(sizes.values(), key=min)) < LEAST_SIDE or channels < 1:
            h, w = min(sizes.values(), key=min)
            raise UserError(f"images of {h}x{w}x{channels} are too small for the image search space; it needs 4x4 or more")
        if heights[-1] > height:
            raise UserError(f"images of {height}x{width} have no resolution {heights[-1]}; choose at most {height}")
        if grey and channels == 1:
            raise UserError("the images are grey already; leave grey out")
        short = min(sizes[heights[-1]])
        design = Design(
            stem_channels=STEM_CHANNELS,
            stem_kernels=(3, 5),
            stem_strides=(1, 2),
            stages=max(2, min(5, short.bit_length() - 1)),
            channels=tuple(c for c in CHANNELS if c <= max(64, 4 * short)),
            kernels=(3, 5),
            strides=(1, 2),
        )
        colours: dict[Choice, int] = {"grey": 1, "full": channels} if grey else {"full": channels}
        choices: dict[str, tuple[Choice, ...]] = {"resolution": heights, "colour": tuple(colours)}
        entries: dict[tuple[Choice, ...], Entry] = {
            (h, c): Entry(ImageInput(*sizes[int(h)], colours[c])) for h, c in entries_of(choices)
        }
        shapes = "|".join("x".join(map(str, entry.input.shape)) for entry in entries.values())
        drawn = MOBILENET if short >= LARGE else RESNET_8
        drawn = replace(drawn, values={**drawn.values, "resolution": heights[-1]})
        super().__init__(f"image({shapes},{classes})", classes, design, choices, entries, drawn)
