"""Random changes of training examples that keep their label: of images fresh ones for every batch, of sounds a few copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


@dataclass(frozen=True)
class ImageAugmentation:
    """Shift, rotation, zoom and shear in one resampling; cells from outside the image are zero.

    The defaults suit centred images: stronger ones cost a small network more than they give.
    """

    shift: float = 0.25
    """Largest shift along each axis, in pixels."""
    rotation: float = 0.15
    """Largest rotation either way, in radians."""
    zoom: float = 0.1
    """Largest relative change of size along each axis."""
    shear: float = 0.1
    """Largest horizontal shear."""

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """``x`` float32 ``(N, C, H, W)`` → the same shape; draws come from ``generator`` (on the CPU)."""
        n, _, height, width = x.shape
        draws = torch.rand((6, n), generator=generator) * 2 - 1
        angle = draws[0] * self.rotation
        zoom_x, zoom_y = torch.exp(draws[1:3] * self.zoom)
        shear = draws[3] * self.shear
        cos, sin = torch.cos(angle), torch.sin(angle)
        theta = torch.empty(n, 2, 3)
        theta[:, 0, 0] = zoom_x * cos
        theta[:, 0, 1] = zoom_y * (shear * cos - sin)
        theta[:, 0, 2] = draws[4] * self.shift * 2 / width
        theta[:, 1, 0] = zoom_x * sin
        theta[:, 1, 1] = zoom_y * (shear * sin + cos)
        theta[:, 1, 2] = draws[5] * self.shift * 2 / height
        grid = affine_grid(theta.to(x.device), list(x.shape), align_corners=False)
        return grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


@dataclass(frozen=True)
class SoundAugmentation:
    """Speed (and with it pitch), shift in time, gain, and white noise, drawn for each clip; what a shift leaves behind is silent.

    ``scripts/bench_sounds.py`` shows what they give where people are heard that were not there in training.
    """

    speed: float = 0.15
    """Largest relative change either way, as a logarithm."""
    shift: float = 0.1
    """Largest shift either way, in seconds."""
    gain: float = 6.0
    """Largest change of loudness either way, in dB."""
    noise: tuple[float, float] = (10.0, 40.0)
    """Range of the ratio of sound to noise, in dB."""

    def __call__(self, clips: NDArray[np.int16], rate: int, rng: np.random.Generator) -> NDArray[np.int16]:
        """``clips`` int16 ``(n, samples)`` → the same shape."""
        varied = np.empty_like(clips)
        for clip, result in zip(clips, varied, strict=True):
            speed = np.exp(rng.uniform(-self.speed, self.speed))
            begin = rng.uniform(-self.shift, self.shift) * rate
            position = (np.arange(len(clip)) - begin) * speed
            sound = np.interp(position, np.arange(len(clip)), clip, left=0.0, right=0.0)
            sound *= 10 ** (rng.uniform(-self.gain, self.gain) / 20)
            level = np.sqrt((sound**2).mean()) * 10 ** (-rng.uniform(*self.noise) / 20)
            sound += level * rng.standard_normal(len(clip), dtype=np.float32)
            result[:] = np.clip(np.rint(sound), -32768, 32767)
        return varied
