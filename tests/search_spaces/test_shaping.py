"""Shaping by a budget: most networks of the shaped space fit and use the budget, and it is a part of the space it came from."""

from __future__ import annotations

import numpy as np
import pytest

from codegen.boards import load_board
from codegen.ir import total_macs
from cost_models import Limits, load_cost_model
from nas.study.feasibility import Feasibility
from search_spaces import Architecture, AutoencoderSpace, ImageSpace, SearchSpace, TimeSeriesSpace, shape_by_budget

SAMPLES = 300


def uses(space: SearchSpace, feasibility: Feasibility, seed: int = 99) -> np.ndarray:
    """The part of the tightest limit that random networks need; above 1 they do not fit."""
    rng = np.random.default_rng(seed)
    return np.array([1 + max(feasibility.margins(space.sample(rng)).values()) for _ in range(SAMPLES)])


def feasibility(space: SearchSpace, limits: Limits) -> Feasibility:
    return Feasibility(space, load_cost_model("cortex-m4"), load_board("nucleo-l4r5zi"), limits, 0.95)


def test_most_networks_fit_a_tight_budget_and_use_more_of_it() -> None:
    space = AutoencoderSpace((1, 60, 8))
    fits = feasibility(space, Limits(flash=32 * 1024))
    shaped = shape_by_budget(space, fits, samples=500)
    before, after = uses(space, fits), uses(shaped.space, fits)
    assert (before <= 1).mean() < 0.4
    assert (after <= 1).mean() > 0.6
    assert np.mean(after * (after <= 1)) > 1.5 * np.mean(before * (before <= 1))
    assert after[after <= 1].mean() > 0.95 * before[before <= 1].mean()
    assert shaped.after.macs > shaped.before.macs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "limits"),
    [
        (ImageSpace((8, 8, 1), 10), Limits(ram=3 * 1024, flash=16 * 1024)),
        (TimeSeriesSpace(128, 6, 6), Limits(ram=11059, flash=19763)),
    ],
    ids=["digits", "activities"],
)
def test_convolutional_spaces_are_shaped_by_ram_and_flash(space: SearchSpace, limits: Limits) -> None:
    fits = feasibility(space, limits)
    shaped = shape_by_budget(space, fits, samples=400)
    before, after = uses(space, fits), uses(shaped.space, fits)
    assert (before <= 1).mean() < 0.4
    assert (after <= 1).mean() > 0.6
    assert np.mean(after * (after <= 1)) > 2 * np.mean(before * (before <= 1))
    assert after[after <= 1].mean() > 0.85 * before[before <= 1].mean()


def test_the_same_seed_gives_the_same_space() -> None:
    space = TimeSeriesSpace(128, 6, 6)

    def fits(architecture: Architecture) -> tuple[str, ...]:
        return () if total_macs(space.graph(architecture)) <= 200_000 else ("macs",)

    first, second = (shape_by_budget(space, fits, seed=3, samples=SAMPLES) for _ in range(2))
    assert first.space.choices() == second.space.choices()
    assert (first.checks, first.before, first.after) == (second.checks, second.before, second.after)
    assert first.checks % SAMPLES == 0
    assert shape_by_budget(space, fits, seed=4, samples=SAMPLES).before != first.before


def test_a_shaped_space_is_a_part_that_keeps_names_and_half_of_every_range() -> None:
    space = TimeSeriesSpace(128, 6, 6)
    shaped = shape_by_budget(space, lambda a: () if total_macs(space.graph(a)) <= 100_000 else ("macs",), samples=SAMPLES).space
    assert shaped.name == space.name
    assert shaped.choices() != space.choices()
    for name, options in space.choices().items():
        kept = shaped.choices()[name]
        assert len(kept) >= len(options) / 2
        assert kept == options[options.index(kept[0]) : options.index(kept[-1]) + 1]
        if name not in space.sizes():
            assert kept == options
    architecture = shaped.sample(np.random.default_rng(0))
    assert space.from_params(shaped.params(architecture)).id == architecture.id


def test_where_nothing_fits_networks_become_small_and_where_all_fit_large() -> None:
    space = ImageSpace((32, 32, 3), 10, resolutions=(16, 24, 32), grey=True)

    def work(part: SearchSpace) -> float:
        rng = np.random.default_rng(1)
        return float(np.mean([np.log(total_macs(space.graph(part.sample(rng)))) for _ in range(SAMPLES)]))

    nothing = shape_by_budget(space, lambda a: ("ram",), samples=SAMPLES)
    everything = shape_by_budget(space, lambda a: (), samples=SAMPLES)
    assert nothing.after.share == 0
    assert everything.after.share == 1
    assert work(nothing.space) < work(space) - 1
    assert work(everything.space) > work(space) + 1
    assert nothing.space.choices()["resolution"] == (16, 24)
    assert everything.space.choices()["resolution"] == (24, 32)
    assert everything.space.choices()["colour"] == ("grey", "full")
