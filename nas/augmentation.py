"""Random changes of training images that keep their label; fresh ones for every batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
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
