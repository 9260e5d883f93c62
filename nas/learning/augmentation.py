"""Random changes of training examples that keep their label: of images and motion fresh ones for every batch, of sounds a few
copies. Of other series see :mod:`nas.learning.group_effects`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample


@dataclass(frozen=True)
class ImageAugmentation:
    """Shift, rotation, zoom and shear in one resampling, after a mirror where wanted; cells from outside the image are zero.

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
    mirror: bool = False
    """Whether left and right are exchanged in every second image (:func:`nas.learning.symmetry.mirror_keeps_classes`)."""

    @property
    def words(self) -> str:
        """What it does, for reports."""
        mirrored = ", every second one mirrored" if self.mirror else ""
        return f"shifted, turned, zoomed and sheared a little{mirrored}, afresh for every batch"

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
        if self.mirror:
            theta[:, :, 0] *= torch.where(torch.rand(n, 1, generator=generator) < 0.5, -1.0, 1.0)
        grid = affine_grid(theta.to(x.device), list(x.shape), align_corners=False)
        return grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


@dataclass(frozen=True)
class MotionAugmentation:
    """Jitter, scaling, a shift in time and a rotation of the sensor, as for wearables (Um et al. 2017,
    https://arxiv.org/abs/1706.00527), of windows whose channels have mean 0 and deviation 1.

    ``triples`` are the channels of an x, y and z axis each; all sensors turn together, as those on one board do. They are turned in
    the units of the recording, ``x / scale + offset``: gravity turns with them.
    """

    jitter: float = 0.05
    """Deviation of the noise that is added."""
    scaling: float = 0.1
    """Deviation of the factor of each channel."""
    rotation: float = 0.26
    """Largest rotation either way about any axis, in radians."""
    shift: float = 0.1
    """Largest shift either way, as a part of the window; the first or last sample stands for those that are missing."""
    triples: tuple[tuple[int, int, int], ...] = ()
    offset: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    @property
    def words(self) -> str:
        """What it does, for reports."""
        turned = "seen by a sensor that is turned a little" if self.triples and self.rotation else ""
        others = (("shifted in time", self.shift), ("scaled", self.scaling), ("with noise", self.jitter))
        return ", ".join([*filter(None, [turned]), *(word for word, strength in others if strength), "afresh for every batch"])

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """``x`` float32 ``(N, C, 1, W)`` → the same shape; draws come from ``generator`` (on the CPU)."""
        n, channels, _, width = x.shape
        if self.triples and self.rotation:
            x = self._turned(x, generator)
        if self.shift:
            begin = torch.round((torch.rand(n, 1, generator=generator) * 2 - 1) * self.shift * width).long()
            places = (torch.arange(width) + begin).clamp(0, width - 1).to(x.device)
            x = torch.gather(x, 3, places[:, None, None, :].expand(x.shape))
        factors = 1 + self.scaling * torch.randn(n, channels, 1, 1, generator=generator)
        noise = self.jitter * torch.randn(x.shape, generator=generator)
        return x * factors.to(x.device) + noise.to(x.device)

    def _turned(self, x: Tensor, generator: torch.Generator) -> Tensor:
        n = len(x)
        axis = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator), dim=1)
        angle = (torch.rand(n, 1, 1, generator=generator) * 2 - 1) * self.rotation
        cross = torch.zeros(n, 3, 3)
        for row, column, of, sign in ((0, 1, 2, -1), (0, 2, 1, 1), (1, 0, 2, 1), (1, 2, 0, -1), (2, 0, 1, -1), (2, 1, 0, 1)):
            cross[:, row, column] = sign * axis[:, of]
        turn = torch.eye(3) + torch.sin(angle) * cross + (1 - torch.cos(angle)) * (cross @ cross)  # Rodrigues' formula
        turned = x.clone()
        for triple in self.triples:
            at = list(triple)
            offset, scale = (torch.tensor(values)[at] for values in (self.offset, self.scale))
            matrix = (scale[:, None] * turn / scale).to(x.device)
            moved = (scale * (turn @ offset - offset)).to(x.device)
            turned[:, at, 0] = matrix @ x[:, at, 0] + moved[:, :, None]
        return turned


def axis_triples(channels: Sequence[str]) -> tuple[tuple[int, int, int], ...]:
    """The channels of an x, y and z axis each, by names that differ in that letter alone: ``acc_x_g``, ``acc_y_g``, ``acc_z_g``."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for i, name in enumerate(channels):
        for at, letter in enumerate(name.lower()):
            if letter in "xyz":
                found.setdefault((name[:at], name[at + 1 :]), {})[letter] = i
    triples: list[tuple[int, int, int]] = []
    for axes in found.values():
        if len(axes) == 3 and set(axes.values()).isdisjoint(index for triple in triples for index in triple):
            triples.append((axes["x"], axes["y"], axes["z"]))
    return tuple(triples)


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

    @property
    def words(self) -> str:
        """What it does, for reports."""
        return "as they are and in copies of other speed, place and loudness, with noise"

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
