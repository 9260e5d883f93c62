"""Weights that a network takes over from a trained one of its space, as a mutant from its parent.

Layers that correspond are found by the best alignment of both networks (S. Needleman and C. Wunsch, J. Mol. Biol. 48, 1970). Of
their weights a channel of the child takes what the same channel of the parent has: kernels lie on each other by the cell that they
are centred on, and where the child's has more taps or reads more channels these begin as zero, so that the channel answers as it
did. Channels that the parent has not, and layers that correspond to none, keep their fresh weights. This is not Net2Net (T. Chen
et al., ICLR 2016, https://arxiv.org/abs/1511.05641): what the whole network computes is not preserved.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from search_spaces import Architecture, Convolution, Dense, Layer, SearchSpace

Weighted = Convolution | Dense
PER_CHANNEL = (".bias", "_norm.weight", "_norm.bias", "_norm.running_mean", "_norm.running_var")
"""What a layer has beside its weights, by the end of its name."""


@torch.no_grad()
def inherit(
    space: SearchSpace, child: Architecture, module: nn.Module, parent: Architecture, weights: Mapping[str, Tensor]
) -> float:
    """Give ``module``, a fresh one of ``child``, what ``weights``, the state of a trained module of ``parent``, has for it.

    :returns: the part of the child's weights of convolutions and dense layers (0..1) that come from the parent.
    """
    state = module.state_dict()
    maps, parents_maps = _maps(space, child), _maps(space, parent)
    taken = 0
    for layer, source in corresponding(space.layers(child), space.layers(parent)):
        new = state[f"{layer.name}.weight"].view(*_filters(state[f"{layer.name}.weight"], maps.get(layer.name)))
        old = weights[f"{source.name}.weight"]
        taken += _overlay(new, old.view(*_filters(old, parents_maps.get(source.name))))
        for name in PER_CHANNEL:
            if layer.name + name in state and source.name + name in weights:
                values, known = state[layer.name + name], weights[source.name + name]
                count = min(len(values), len(known))
                values[:count] = known[:count]
    weights_in_all: int = sum(state[f"{layer.name}.weight"].numel() for layer in _weighted(space.layers(child)))
    return taken / weights_in_all


def corresponding(child: Sequence[Layer], parent: Sequence[Layer]) -> list[tuple[Weighted, Weighted]]:
    """Layers with weights of both, in order, that play the same part; of equal ones those at the end are left over."""
    ours, theirs = _weighted(child), _weighted(parent)
    alike = np.array([[_likeness(a, b) for b in theirs] for a in ours])
    best = np.zeros((len(ours) + 1, len(theirs) + 1), int)
    for i, j in np.ndindex(alike.shape):
        best[i + 1, j + 1] = max(best[i, j + 1], best[i + 1, j], best[i, j] + alike[i, j])
    pairs = []
    i, j = alike.shape
    while i and j:
        if best[i, j] == best[i - 1, j]:
            i -= 1
        elif best[i, j] == best[i, j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((ours[i], theirs[j]))
    return pairs[::-1]


def _weighted(layers: Sequence[Layer]) -> list[Weighted]:
    return [layer for layer in layers if isinstance(layer, Convolution | Dense)]


def _likeness(a: Weighted, b: Weighted) -> int:
    """0 where one cannot take over from the other."""
    if type(a) is not type(b) or _part(a) != _part(b):
        return 0
    if isinstance(a, Convolution) and isinstance(b, Convolution):
        return 1 + (a.kernel == b.kernel) + (a.stride == b.stride) + (a.channels == b.channels)
    return 1


def _part(layer: Weighted) -> str:
    """The name without the number of its block."""
    return re.sub(r"\d+", "", layer.name)


def _maps(space: SearchSpace, architecture: Architecture) -> dict[str, tuple[int, int, int]]:
    """``(C, H, W)`` of what dense layers flatten, by layer."""
    graph = space.graph(architecture)
    shapes = {op.name: graph[op.inputs[0]].shape[1:] for op in graph.ops}
    dense = {layer.name: shapes[layer.name] for layer in space.layers(architecture) if isinstance(layer, Dense)}
    return {name: (shape[-1], *(shape[:2] if len(shape) == 3 else (1, 1))) for name, shape in dense.items()}


def _filters(weight: Tensor, flattened: tuple[int, int, int] | None) -> tuple[int, ...]:
    """The shape of ``weight`` as filters ``(outputs, channels, height, width)``."""
    return tuple(weight.shape) if flattened is None else (len(weight), *flattened)


def _overlay(new: Tensor, old: Tensor) -> int:
    """Put the filters ``old`` in the place of the first ones of ``new``, and tell how many weights these were."""
    channels, read = min(len(new), len(old)), min(new.shape[1], old.shape[1])
    spans = [_span(*sizes) for sizes in zip(new.shape[2:], old.shape[2:], strict=True)]
    (down, down_old), (across, across_old) = spans
    new[:channels] = 0
    part = old[:channels, :read, down_old, across_old]
    new[:channels, :read, down, across] = part
    return part.numel()


def _span(size: int, other: int) -> tuple[slice, slice]:
    """Where two axes with the same centre, which padding before them is counted to, lie on each other."""
    ahead = (size - 1) // 2 - (other - 1) // 2
    begin, begin_other = max(0, ahead), max(0, -ahead)
    length = min(size - begin, other - begin_other)
    return slice(begin, begin + length), slice(begin_other, begin_other + length)
