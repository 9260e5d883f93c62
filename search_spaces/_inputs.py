"""What a network takes in: the small typed values by which an architecture says which form of the data it wants.

A space only chooses; making the data so (resizing, the spectrogram, cutting the window) is the work of whoever feeds the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

Shape = tuple[int, int, int]
"""``(H, W, C)``: height, width and channels of a map; the int8 network has it as ``(1, H, W, C)``, torch as ``(N, C, H, W)``."""


@dataclass(frozen=True, slots=True)
class ArrayInput:
    """An array of this shape as it is."""

    shape: Shape
    signed: ClassVar[bool] = True
    """Whether values may be negative."""


@dataclass(frozen=True, slots=True)
class ImageInput:
    """An image, resized to ``height`` x ``width`` pixels, of three ``channels`` or grey."""

    height: int
    width: int
    channels: int
    signed: ClassVar[bool] = False

    @property
    def shape(self) -> Shape:
        """``(height, width, channels)``."""
        return self.height, self.width, self.channels


@dataclass(frozen=True, slots=True)
class SpectrogramInput:
    """``frames`` of ``bands`` values (mel bands or cepstral coefficients), one frame each ``hop`` milliseconds."""

    bands: int
    hop: int
    frames: int
    signed: ClassVar[bool] = True

    @property
    def shape(self) -> Shape:
        """``(frames, bands, 1)``."""
        return self.frames, self.bands, 1


@dataclass(frozen=True, slots=True)
class WindowInput:
    """``length`` samples in a row of a recording of several ``channels``."""

    length: int
    channels: int
    signed: ClassVar[bool] = True

    @property
    def shape(self) -> Shape:
        """``(1, length, channels)``: along a row, where the kernels find the taps of a window side by side."""
        return 1, self.length, self.channels


Input = ArrayInput | ImageInput | SpectrogramInput | WindowInput
