"""Convolutional classifiers of time series: windows of one or several channels, from accelerometers to single heartbeats.

A window is a map ``(1, T, C)``, one row high. That its kernels are ``1xk`` and not ``kx1`` is chosen by measurement, see
docs/search_spaces.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codegen.errors import UserError
from search_spaces._base import Choice
from search_spaces._convolutional import BLOCKS, REDUCTIONS, ConvolutionalSpace, Design, Entry, Stage, entries_of, published
from search_spaces._inputs import WindowInput
from search_spaces._layers import Pool

CHANNELS = (4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96)
DECIMATIONS = (1, 2, 4)
LEAST_LENGTH = 8
"""Samples that a stem must see."""
LEAST_DECIMATED = 32
"""Samples that decimation must leave: shorter windows have no rate to spare."""
FCN = published(
    "FCN",
    "Wang et al., Time series classification from scratch with deep neural networks: a strong baseline, arXiv:1611.06455",
    (128, 8, 1),
    [Stage("conv", 256, 1, 5, 1), Stage("conv", 128, 1, 3, 1)],
    decimation=1,
)
"""At a quarter of the published width at most, which is what stems have, and with a kernel of 9 for the one of 8."""


class TimeSeriesSpace(ConvolutionalSpace):
    """Classifiers of windows of ``length`` samples and ``channels`` channels into ``classes``.

    Parameters: ``window`` (samples) and ``decimation`` (samples that the network averages into one before its stem) where there is
    a choice, ``stem_channels``, ``stem_kernel``, ``stem_stride``, ``stages``, then for each stage ``i`` from 1 ``stage<i>_block``,
    ``_channels``, ``_depth`` (blocks), ``_kernel``, ``_stride``, (where that is above 1) ``_reduction`` and (inverted residuals
    only) ``_expansion``, then ``head`` and (unless it is flattened) ``pooling``.

    :param windows: lengths to choose from where shorter pieces of the recording carry the label as well; default the whole one.
    :raises UserError: for windows under 8 samples or above the given length, no channels, or fewer than two classes.
    """

    def __init__(self, length: int, channels: int, classes: int, *, windows: Sequence[int] = ()) -> None:
        lengths = tuple(sorted(set(windows))) or (length,)
        if lengths[0] < LEAST_LENGTH or channels < 1:
            raise UserError(f"windows of {lengths[0]} samples x {channels} channels are too short; the space needs 8 or more")
        if lengths[-1] > length:
            raise UserError(f"recordings of {length} samples have no window of {lengths[-1]}; choose at most {length}")
        design = Design(
            stem_channels=(4, 8, 12, 16, 20, 24, 32),
            stem_kernels=(3, 5, 7, 9),
            stem_strides=(1, 2, 4),
            stages=max(2, min(5, lengths[-1].bit_length() - 3)),
            channels=CHANNELS,
            kernels=(3, 5, 7, 9),
            strides=(1, 2),
            blocks=(*BLOCKS, "residual"),
            reductions=REDUCTIONS,
            poolings=("average", "max"),
        )
        decimations = tuple(d for d in DECIMATIONS if d == 1 or lengths[0] // d >= LEAST_DECIMATED)
        choices: dict[str, tuple[Choice, ...]] = {"window": lengths, "decimation": decimations}
        entries: dict[tuple[Choice, ...], Entry] = {(n, d): _entry(int(n), int(d), channels) for n, d in entries_of(choices)}
        name = f"time_series({'|'.join(map(str, lengths))}x{channels},{classes})"
        drawn = replace(FCN, values={**FCN.values, "window": lengths[-1]})
        super().__init__(name, classes, design, choices, entries, drawn)


def _entry(length: int, decimation: int, channels: int) -> Entry:
    pools = (Pool("decimation", "average", (1, decimation)),) if decimation > 1 else ()
    return Entry(WindowInput(length, channels), pools)
