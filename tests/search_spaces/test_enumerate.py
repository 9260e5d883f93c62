"""Spaces with few networks, written out."""

from __future__ import annotations

from itertools import islice

import numpy as np

from search_spaces import DenseSpace, ImageSpace, TimeSeriesSpace


def test_every_network_of_a_small_space_comes_once() -> None:
    space = DenseSpace((4, 4, 1), 3)
    options = {name: choices[:2] for name, choices in space.choices().items()}
    small = space.restricted(options)
    members = list(small.enumerate())
    assert len({a.id for a in members}) == len(members)
    rng = np.random.default_rng(0)
    sampled = {small.sample(rng).id for _ in range(40 * len(members))}
    assert sampled == {a.id for a in members}
    assert all(small.mutate(a, rng) in members for a in members)


def test_parameters_that_depend_on_others_are_followed() -> None:
    """Only inverted residuals have an expansion."""
    space = TimeSeriesSpace(128, 6, 6)
    options = {name: choices[:1] for name, choices in space.choices().items()}
    options |= {"stage1_block": ("conv", "inverted_residual"), "stage1_expansion": (2, 3, 4), "stem_channels": (4, 8)}
    members = list(space.restricted(options).enumerate())
    assert len(members) == 2 * (1 + 3)


def test_a_large_space_can_be_begun() -> None:
    begun = list(islice(ImageSpace((8, 8, 1), 10).enumerate(), 500))
    assert len({a.id for a in begun}) == 500
