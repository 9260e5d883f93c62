"""The torch module of a list of layers: float32 ``(N, C, H, W)`` → ``(N, features)``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces._layers import Convolution, GlobalAveragePool, Layer, Residual, Shape, halved


class LayerNetwork(nn.Module):
    """Runs layers one after the other; a convolution is followed by batch normalisation and, where it has one, by a ReLU."""

    def __init__(self, layers: Sequence[Layer], input_shape: Shape) -> None:
        super().__init__()
        self._layers = tuple(layers)
        height, width, depth = input_shape
        for layer in layers:
            if isinstance(layer, Convolution):
                channels = layer.channels or depth
                groups = 1 if layer.channels else depth
                convolution = nn.Conv2d(depth, channels, layer.kernel, layer.stride, layer.kernel // 2, groups=groups, bias=False)
                self.add_module(layer.name, convolution)
                self.add_module(layer.name + "_norm", nn.BatchNorm2d(channels))
                if layer.activation:
                    self.add_module(layer.name + "_activation", nn.ReLU())
                depth = channels
                height, width = halved(height, layer.stride), halved(width, layer.stride)
            elif isinstance(layer, Residual):
                self.add_module(layer.name, Sum())
            elif isinstance(layer, GlobalAveragePool):
                self.add_module(layer.name, nn.AvgPool2d((height, width)))
                height = width = 1
            else:
                self.add_module(layer.name, nn.Linear(depth * height * width, layer.features))
                depth, height, width = layer.features, 1, 1

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        for layer in self._layers:
            module = self.get_submodule(layer.name)
            if isinstance(layer, Residual):
                x = module(x, outputs[-1 - layer.layers])
            elif isinstance(layer, Convolution):
                x = self.get_submodule(layer.name + "_norm")(module(x))
                if layer.activation:
                    x = self.get_submodule(layer.name + "_activation")(x)
            elif isinstance(layer, GlobalAveragePool):
                x = module(x)
            else:
                x = module(torch.flatten(x, 1))
            outputs.append(x)
        return x


class Sum(nn.Module):
    """Elementwise sum."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b
