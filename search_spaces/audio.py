"""Convolutional classifiers of sounds by their spectrograms, in the manner of DS-CNN (https://arxiv.org/abs/1711.07128).

A spectrogram is a map ``(frames, bands, 1)``. Time and frequency are no like axes: kernels may be longer than wide, as DS-CNN's
10x4 stem is, and strides may shorten one axis alone. How many bands and frames there are is part of the space.
"""

from __future__ import annotations

from collections.abc import Sequence

from codegen.errors import UserError
from search_spaces._base import Choice
from search_spaces._convolutional import BLOCKS, REDUCTIONS, ConvolutionalSpace, Design, Entry, Stage, entries_of, published
from search_spaces._inputs import SpectrogramInput

STEM_CHANNELS = (4, 8, 12, 16, 24, 32, 48, 64)
CHANNELS = (4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96)
STEM_KERNELS = ("3x3", "5x3", "5x5", "7x3", "10x4", "10x8")
STEM_STRIDES = ("1x1", "2x1", "1x2", "2x2", "4x2")
KERNELS = ("3x3", "3x1", "5x1", "5x3", "5x5", "9x1")
STRIDES = ("1x1", "2x1", "1x2", "2x2")
LEAST_SIDE = 4
DS_CNN = published(
    "DS-CNN",
    "Zhang et al., Hello Edge, arXiv:1711.07128; the keyword spotter of MLPerf Tiny",
    (64, "10x4", "2x2"),
    [Stage("depthwise_separable", 64, 4, "3x3", "1x1")],
    bands=10,
    hop=20,
)
"""On ten mel bands where the publication has ten cepstral coefficients."""


class AudioSpace(ConvolutionalSpace):
    """Classifiers of spectrograms into ``classes``.

    Parameters: ``bands`` and ``hop`` (milliseconds) where there is a choice, ``stem_channels``, ``stem_kernel``, ``stem_stride``,
    ``stages``, then for each stage ``i`` from 1 ``stage<i>_block``, ``_channels``, ``_depth`` (blocks), ``_kernel``, ``_stride``,
    (where that is above 1) ``_reduction`` and (inverted residuals only) ``_expansion``, then ``head`` and (unless it is flattened)
    ``pooling``. Kernels and strides are frames by bands.

    :param features: the spectrograms to choose from, one for every combination of their numbers of bands and hops
        (:func:`spectrograms`).
    :raises UserError: for spectrograms under 4x4, combinations that are missing or twofold, or fewer than two classes.
    """

    def __init__(self, features: Sequence[SpectrogramInput], classes: int) -> None:
        bands, hops = (tuple(sorted({getattr(f, name) for f in features})) for name in ("bands", "hop"))
        choices: dict[str, tuple[Choice, ...]] = {"bands": bands, "hop": hops}
        entries: dict[tuple[Choice, ...], Entry] = {(f.bands, f.hop): Entry(f) for f in features}
        if not features or len(entries) != len(features) or set(entries) != set(entries_of(choices)):
            given = ", ".join(f"{f.bands} bands each {f.hop} ms" for f in features) or "nothing"
            raise UserError(f"features: every number of bands goes with every hop, once; given: {given}")
        least = min(features, key=lambda f: min(f.frames, f.bands))
        if min(least.frames, least.bands) < LEAST_SIDE:
            raise UserError(f"spectrograms of {least.frames}x{least.bands} are too small for the audio search space; it needs 4x4")
        design = Design(
            stem_channels=STEM_CHANNELS,
            stem_kernels=STEM_KERNELS,
            stem_strides=STEM_STRIDES,
            stages=4,
            channels=CHANNELS,
            kernels=KERNELS,
            strides=STRIDES,
            blocks=(*BLOCKS, "residual"),
            depths=(1, 2, 3, 4),
            reductions=REDUCTIONS,
            poolings=("average", "max"),
        )
        of_entries = "|".join(f"{f.frames}x{f.bands}@{f.hop}" for f in sorted(features, key=lambda f: (f.bands, f.hop)))
        super().__init__(f"audio({of_entries},{classes})", classes, design, choices, entries, DS_CNN)


def spectrograms(
    duration: int, *, bands: Sequence[int] = (10, 20, 32, 40), hops: Sequence[int] = (16, 20, 32), frame: int = 32
) -> tuple[SpectrogramInput, ...]:
    """The spectrograms of a sound, one for every combination; as many frames as fit in as a whole.

    :param duration: of the sound, and ``frame`` of the piece that one spectrum is taken of, in milliseconds.
    :raises UserError: if not even one frame fits.
    """
    if duration < frame:
        raise UserError(f"a sound of {duration} ms holds no frame of {frame} ms")
    return tuple(SpectrogramInput(b, hop, 1 + (duration - frame) // hop) for b in bands for hop in hops)
