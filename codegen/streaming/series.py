"""What stands before a network of series: samples of several channels, normalised and quantised as they were for training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.ir import Graph
from codegen.samples import quantize


@dataclass(frozen=True, slots=True)
class SeriesWindow:
    """The last ``window`` samples of a series, each of them one value per channel.

    The network's input is ``(sample - offset) * factor``, channel by channel, in float32, quantised with ``scale`` and
    ``zero_point``. ``rate`` in samples a second, 0 where it is not known.
    """

    window: int
    offset: tuple[float, ...]
    factor: tuple[float, ...]
    scale: float
    zero_point: int
    rate: float = 0.0

    def __post_init__(self) -> None:
        if self.window < 1 or not self.offset or len(self.offset) != len(self.factor):
            raise UserError(f"stream: a window of {self.window} samples, {len(self.offset)} offsets, {len(self.factor)} factors")

    @property
    def channels(self) -> int:
        """Values of a sample."""
        return len(self.offset)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.int8]:
        """int8 ``(n, channels)`` of float32 ``(n, channels)``, in the same float32 operations as the C code.

        :raises UserError: for another dtype or shape.
        """
        if samples.dtype != np.float32 or samples.ndim != 2 or samples.shape[1] != self.channels:
            raise UserError(f"stream: samples are {samples.dtype} {list(samples.shape)}, should be float32 [n, {self.channels}]")
        with np.errstate(over="ignore", invalid="ignore"):
            values = (samples - np.array(self.offset, np.float32)) * np.array(self.factor, np.float32)
        return quantize(values, self.scale, self.zero_point)

    def check(self, graph: Graph) -> None:
        """Check that ``graph`` takes such windows.

        :raises UserError: if its input has another size, scale or zero point.
        """
        tensor = graph[graph.inputs[0]]
        if len(graph.inputs) != 1 or tensor.dtype != "int8" or tensor.size != self.window * self.channels:
            raise UserError(
                f"stream: windows of {self.window} samples of {self.channels} channels, the network takes {list(tensor.shape[1:])}"
            )
        if np.float32(tensor.scale) != np.float32(self.scale) or tensor.zero_point != self.zero_point:
            raise UserError("stream: samples are quantised on another grid than the network's input")

    def to_json(self) -> dict[str, Any]:
        """What :func:`series_window_from_json` reads."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}


def series_window_from_json(value: Mapping[str, Any]) -> SeriesWindow:
    """The window that :meth:`SeriesWindow.to_json` wrote.

    :raises UserError: if it is damaged.
    """
    try:
        return SeriesWindow(
            int(value["window"]),
            tuple(float(v) for v in value["offset"]),
            tuple(float(v) for v in value["factor"]),
            float(value["scale"]),
            int(value["zero_point"]),
            float(value["rate"]),
        )
    except (KeyError, TypeError, ValueError):
        raise UserError("stream: what makes its input is damaged; export the project again") from None
