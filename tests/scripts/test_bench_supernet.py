"""A supernet's networks share their weights, each as the network that it is on its own."""

from __future__ import annotations

import numpy as np
import torch
from bench_supernet import Supernet, train_supernet, validated
from make_search_table import Part
from search_table import closed_space
from torch.func import functional_call

SPACE = closed_space()


def part(windows: int, seed: int) -> Part:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(windows) % 6
    return Part(torch.randn(windows, 6, 1, 128, generator=generator) + y[:, None, None, None], y)


def test_narrow_networks_are_parts_of_wide_ones() -> None:
    rng = np.random.default_rng(0)
    members = list({a.id: a for a in (SPACE.sample(rng) for _ in range(30))}.values())
    supernet = Supernet(SPACE, members, 0)
    for a in members:
        weights = supernet.weights(a)
        own = dict(supernet.module_of(a).named_parameters())
        assert {name: w.shape for name, w in weights.items()} == {name: p.shape for name, p in own.items()}
        output = functional_call(supernet.module_of(a).eval(), weights, (part(4, 0).x,))
        assert output.shape == (4, 6)
    stems = [supernet.weights(a)["stem.weight"] for a in members]
    wide = max(stems, key=len)
    assert len({len(stem) for stem in stems}) > 2
    assert all(torch.equal(stem, wide[: len(stem)]) for stem in stems)
    kernels = {
        w.shape[3]: w
        for a in members
        for name, w in supernet.weights(a).items()
        if name == "block1_depthwise.weight" and a.parameters["stage1_block"] == "depthwise_separable"
    }
    least = min(map(len, kernels.values()))
    assert set(kernels) == {3, 7}
    assert torch.equal(kernels[7][:least, :, :, 2:5], kernels[3][:least])


def test_training_one_network_trains_its_neighbours() -> None:
    rng = np.random.default_rng(1)
    first = SPACE.sample(rng)
    second = SPACE.mutate(first, rng)
    supernet = Supernet(SPACE, [first, second], 0)
    parts = {"train": part(256, 1), "validation": part(120, 2)}
    before = validated(supernet, second, parts)
    train_supernet(supernet, [first], parts["train"], passes=60, paths=1, seed=0)
    assert validated(supernet, second, parts) > max(before, 0.5)
    assert validated(supernet, first, parts) == validated(supernet, first, parts)
