"""What stands before a network of spectrograms: from one window of samples to the network's input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.features.c_source import c_sources, sample_sources
from codegen.features.placement import Placement
from codegen.features.preprocessing import Preprocessing, one_array
from codegen.features.raw_input import raw_input_from_json
from codegen.features.reference import features
from codegen.features.settings import SpectrogramSettings, from_json
from codegen.ir import Graph

_WORD = 4
STREAMING = ("features_start", "features_push", "columns", "scratch", "run_columns")
"""Functions by which firmware gives sound in pieces; they are linked, and charged to flash, beside the one that takes it whole."""


def _words(count: int) -> int:
    return -(-count // _WORD) * _WORD


@dataclass(frozen=True, slots=True)
class FrontEnd(Preprocessing):
    """Spectrograms of ``frames`` columns by ``settings``, which a network takes as ``(frames, columns, 1)``.

    While they are computed nothing of the network is alive, so their scratch memory lies in its arena, beside the columns.
    """

    settings: SpectrogramSettings
    frames: int

    operator: ClassVar[str] = "Spectrogram"
    linked: ClassVar[tuple[str, ...]] = STREAMING

    @property
    def noun(self) -> str:
        return "samples"

    @property
    def function(self) -> str:
        return "features"

    @property
    def raw_type(self) -> np.dtype[Any]:
        return np.dtype(np.int16)

    @property
    def raw_size(self) -> int:
        return self.samples

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(frames, columns, 1)``."""
        return self.frames, self.settings.columns, 1

    @property
    def samples(self) -> int:
        """Samples that the frames are taken of, from the first to the last."""
        return self.settings.frame + (self.frames - 1) * self.settings.hop

    @property
    def column_bytes(self) -> int:
        """Bytes of all columns, which are the network's input."""
        return self.frames * self.settings.columns

    @property
    def scratch_bytes(self) -> int:
        """Bytes of the features' scratch memory, which survives no call."""
        return self.settings.scratch_bytes

    @property
    def state_bytes(self) -> int:
        """Bytes of the caller's that live between calls where sound comes in pieces."""
        return self.settings.state_bytes

    def arena_bytes(self, network: int) -> int:
        """Bytes of the arena that serves the features and a network that needs so many."""
        return max(network, _words(self.column_bytes) + self.scratch_bytes)

    def place(self, input_offset: int, arena_bytes: int) -> Placement:
        """Where columns and scratch memory lie in an arena of :meth:`arena_bytes`, the network's input being at ``input_offset``.

        Columns are written where the network reads them, if that leaves room for the scratch memory before or behind them. Else
        they are written to the arena's begin and have to be moved.
        """
        behind = _words(input_offset + self.column_bytes)
        if behind + self.scratch_bytes <= arena_bytes:
            return Placement(input_offset, behind)
        if self.scratch_bytes <= input_offset:
            return Placement(input_offset, 0)
        return Placement(0, _words(self.column_bytes))

    def __call__(self, clips: NDArray[np.int16]) -> NDArray[np.int8]:
        """int8 ``(n, frames, columns, 1)`` of int16 ``(n, samples)``; samples behind :attr:`samples` are left aside.

        :raises UserError: for another dtype, or clips that are too short.
        """
        if clips.ndim != 2 or clips.shape[1] < self.samples:
            raise UserError(f"features: clips are {list(clips.shape)}; (clips, {self.samples} samples) are needed")
        return features(self.settings, clips[:, : self.samples])

    def fit(self, raw: Any, what: str) -> NDArray[Any]:
        """Of sounds that are longer the first samples."""
        array = one_array(raw, what)
        if array.dtype != np.int16:
            raise UserError(f"{what}: the array is {array.dtype}, sounds are int16 (n, {self.samples})")
        given = array[None] if array.ndim == 1 else array
        if given.ndim != 2 or not len(given) or given.shape[1] < self.samples:
            raise UserError(f"{what}: the array has the shape {list(given.shape)}, sounds are (n, {self.samples} samples or more)")
        return given[:, : self.samples]

    def typical(self) -> NDArray[Any]:
        return np.random.default_rng(0).normal(0, 1000, self.samples).astype(np.int16)

    def sources(self, name: str, input_offset: int, arena_bytes: int) -> dict[str, str]:
        placement = self.place(input_offset, arena_bytes)
        return c_sources(self.settings, name) | sample_sources(self.samples, self.frames, placement, input_offset, name)

    def check(self, graph: Graph) -> None:
        tensor = graph[graph.inputs[0]]
        taken = (len(graph.inputs), tensor.dtype, tensor.shape[1:])
        if taken != (1, "int8", self.shape):
            raise UserError(f"features: of shape {list(self.shape)}, the network takes {tensor.dtype} {list(tensor.shape[1:])}")
        if not np.isclose(tensor.scale, self.settings.scale, rtol=1e-6) or tensor.zero_point != self.settings.zero_point:
            raise UserError(
                f"features: scale {self.settings.scale:g} and zero point {self.settings.zero_point}, the network's input has "
                f"{tensor.scale:g} and {tensor.zero_point}; show its observer both ends of the features' range"
            )

    def to_json(self) -> dict[str, Any]:
        return {"frames": self.frames, "settings": self.settings.to_json()}


def front_end_from_json(value: Mapping[str, Any]) -> Preprocessing:
    """What :meth:`Preprocessing.to_json` wrote.

    :raises UserError: if it is damaged or of another version.
    """
    if "form" in value:
        return raw_input_from_json(value)
    frames, settings = value.get("frames"), value.get("settings")
    if not isinstance(frames, int) or frames < 1 or not isinstance(settings, Mapping):
        raise UserError("features: frames and settings are needed; search or export anew")
    return FrontEnd(from_json(settings), frames)
