"""The torch module of a list of layers: float32 ``(N, C, H, W)`` → ``(N, features)``, or a map where the last layer makes one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces._inputs import Shape
from search_spaces._layers import Convolution, Dense, Layer, Pool, Residual, convolved, padding_before


class LayerNetwork(nn.Module):
    """Runs layers one after the other. A layer ``x`` has its batch normalisation in ``x_norm`` and its ReLU in ``x_activation``."""

    def __init__(self, layers: Sequence[Layer], input_shape: Shape) -> None:
        super().__init__()
        self._layers = tuple(layers)
        shape = input_shape
        for layer in layers:
            module, shape = _module(layer, shape)
            self.add_module(layer.name, module)
            activation = not isinstance(layer, Pool) and layer.activation
            if isinstance(layer, Convolution):
                self.add_module(layer.name + "_norm", nn.BatchNorm2d(shape[2]))
            elif isinstance(layer, Dense) and activation:
                self.add_module(layer.name + "_norm", nn.BatchNorm1d(layer.features))
            if activation:
                self.add_module(layer.name + "_activation", nn.ReLU())
            if isinstance(layer, Dense) and layer.shape is not None:
                height, width, channels = layer.shape
                self.add_module(layer.name + "_map", nn.Unflatten(1, (channels, height, width)))

    def forward(self, x: Tensor) -> Tensor:
        outputs = [x]
        modules = dict(self.named_children())
        for layer in self._layers:
            module = modules[layer.name]
            if isinstance(layer, Residual):
                x = module(x, outputs[-1 - layer.layers])
            elif isinstance(layer, Dense):
                x = module(torch.flatten(x, 1))
            else:
                x = module(x)
            for part in ("_norm", "_activation", "_map"):
                if layer.name + part in modules:
                    x = modules[layer.name + part](x)
            outputs.append(x)
        return x


def _module(layer: Layer, shape: Shape) -> tuple[nn.Module, Shape]:
    """The layer without what follows it, and the shape ``(H, W, C)`` that it leaves."""
    height, width, depth = shape
    if isinstance(layer, Convolution):
        channels = layer.channels or depth
        groups = 1 if layer.channels else depth
        kernel, stride = layer.kernel, layer.stride
        padding = (padding_before(kernel[0]), padding_before(kernel[1]))
        convolution = nn.Conv2d(depth, channels, kernel, stride, padding, groups=groups, bias=False)
        return convolution, (convolved(height, kernel[0], stride[0]), convolved(width, kernel[1], stride[1]), channels)
    if isinstance(layer, Residual):
        return Sum(), shape
    if isinstance(layer, Pool):
        window = layer.window or (height, width)
        pool = nn.AvgPool2d(window) if layer.kind == "average" else nn.MaxPool2d(window)
        return pool, (height // window[0], width // window[1], depth)
    linear = nn.Linear(height * width * depth, layer.features, bias=not layer.activation)
    return linear, layer.shape or (1, 1, layer.features)


class Sum(nn.Module):
    """Elementwise sum."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b
