"""Structured pruning: channels that matter least become zero while a network is trained, so that the compiler cuts them out.

Channels go in whole words of :data:`codegen.passes.remove_unused_channels.WORD`, which kernels take at a time, and together where
an Add or a depthwise filter couples them. How much a channel matters is told by the square of what the loss would change without
it, to the first order, at its batch normalisation (P. Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR
2019, https://arxiv.org/abs/1906.10771); how many are zero grows as M. Zhu and S. Gupta propose (2017,
https://arxiv.org/abs/1710.01878).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from codegen.passes.remove_unused_channels import WORD
from search_spaces import Convolution, Dense, Layer, Pool, Residual

BEGIN, END = 0.1, 0.6
"""Of the training, while which channels become zero; what is left of it makes up for them."""
MEMORY = 0.99
"""Of the moving mean of how much a channel matters."""


@dataclass
class _Coupled:
    """Channels that stand or fall together: ``writers`` and ``readers`` are names of layers; ``alive`` and ``worth`` by channel."""

    count: int
    writers: list[str] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)
    alive: Tensor = field(default_factory=lambda: torch.empty(0))
    worth: Tensor = field(default_factory=lambda: torch.empty(0))

    def kept(self, fraction: float) -> int:
        """Channels that are left when so many are gone: whole words, one at least."""
        whole = self.count // WORD
        return self.count if whole < 2 or self.count % WORD else WORD * max(1, round(whole * (1 - fraction)))


class ChannelPruning:
    """Makes ``fraction`` of the channels of every layer of ``module`` zero in the course of its training.

    Called after each step of the training with the part of it that is done.

    :param layers: what ``module``, that of a search space, is made of.
    """

    def __init__(self, module: nn.Module, layers: Sequence[Layer], fraction: float) -> None:
        self._modules = dict(module.named_children())
        self._fraction = fraction
        self._groups = [group for group in _coupled(layers) if group.writers]
        for group in self._groups:
            scale = self._norm(group.writers[0]).weight.detach()
            group.alive, group.worth = torch.ones_like(scale), torch.zeros_like(scale)

    def _norm(self, layer: str) -> nn.BatchNorm1d | nn.BatchNorm2d:
        norm = self._modules[layer + "_norm"]
        assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
        return norm

    @torch.no_grad()
    def __call__(self, done: float) -> None:
        part = min(1.0, max(0.0, (done - BEGIN) / (END - BEGIN)))
        for group in self._groups:
            for name in group.writers:
                norm = self._norm(name)
                assert norm.weight.grad is not None
                assert norm.bias.grad is not None
                change = norm.weight * norm.weight.grad + norm.bias * norm.bias.grad
                group.worth.lerp_(change**2, 1 - MEMORY)
            gone = round((group.count - group.kept(self._fraction)) * (1 - (1 - part) ** 3))
            more = gone - int(group.count - group.alive.sum())
            if more > 0:
                least = torch.argsort(torch.where(group.alive > 0, group.worth, torch.inf), stable=True)
                group.alive[least[:more]] = 0
            self._zero(group)

    def _zero(self, group: _Coupled) -> None:
        dead = group.alive == 0
        if not dead.any():
            return
        for name in group.writers:
            for module in (self._modules[name], self._norm(name)):
                for parameter in module.parameters():
                    parameter[dead] = 0
        for name in group.readers:
            weight = self._modules[name].get_parameter("weight")
            weight.view(len(weight), group.count, -1)[:, dead] = 0


def _coupled(layers: Sequence[Layer]) -> list[_Coupled]:
    """The channels of every map; those of the input, which no layer writes, are the first and as many as its readers find."""
    source = _Coupled(0)
    groups, outputs = [source], [source]
    for layer in layers:
        current = outputs[-1]
        match layer:
            case Convolution(channels=None):
                current.writers.append(layer.name)
            case Convolution(channels=int(count)) | Dense(features=count, activation=True, shape=None):
                current.readers.append(layer.name)
                current = _Coupled(count, [layer.name])
                groups.append(current)
            case Dense():
                current.readers.append(layer.name)
                current = _Coupled(0)
            case Residual():
                other = outputs[-1 - layer.layers]
                if other is source:  # whose channels are as they are
                    current, other = other, current
                if other is not current:
                    current.writers += other.writers
                    current.readers += other.readers
                    groups.remove(other)
                    outputs = [current if output is other else output for output in outputs]
            case Pool():
                pass
        outputs.append(current)
    return [group for group in groups if group is not source]
