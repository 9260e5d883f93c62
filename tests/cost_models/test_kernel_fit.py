"""What bounds a kernel's stack: the worst that was seen of layers that a model had not seen, and of functions it had not met."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cost_models.costs import KernelCosts
from cost_models.kernel_fit import STACK_STEP, fit_kernel, refit_code
from cost_models.measured import MeasuredLayer

FRAMES = {f"tile{tile}": 8 * int(depth) for tile, depth in enumerate(np.random.default_rng(5).integers(0, 12, 80))}
"""Stack of shared functions, which does not follow from their descriptors."""
SIZES = {name: 100.0 + 2 * tile for tile, name in enumerate(FRAMES)}


def layers(tiles: range, copies: int, seed: int, *, noise: int, shares: bool = True) -> list[MeasuredLayer]:
    """Of each tile so many: the frame grows with the rows and is off by up to ``noise`` steps, as spilled registers are."""
    rng = np.random.default_rng(seed)
    found = []
    for tile in tiles:
        for height in rng.integers(1, 40, copies):
            name = f"tile{tile}"
            described = {"height": float(height), "shared.tile": float(tile)} | ({f"shared.name={name}": 1.0} if shares else {})
            stack = 40 + 8 * int(height > 20) + 8 * int(rng.integers(noise + 1)) + (FRAMES[name] if shares else 0)
            work = {"calls": 1.0, "rows": float(height)}
            shape = f"{tile} {height} {len(found)} {seed}"
            found.append(
                MeasuredLayer(shape, "k", 9, work, described, 50.0 * height, 9.0, 8, 200, stack, 0, (name,) if shares else ())
            )
    return found


def bound(costs: KernelCosts, layer: MeasuredLayer) -> float:
    return costs.costs(layer.work, layer.descriptors, 0, SIZES.keys()).stack


@pytest.fixture(scope="module")
def costs() -> KernelCosts:
    return fit_kernel(layers(range(60), 6, 0, noise=2), SIZES, of_networks=360).costs


def test_a_bound_holds_for_layers_that_were_not_learnt_from(costs: KernelCosts) -> None:
    gaps = [bound(costs, layer) - layer.stack for layer in layers(range(60), 6, 1, noise=2)]
    assert min(gaps) >= 0
    assert max(gaps) <= 64


def test_a_function_that_was_not_met_has_a_margin_of_its_own() -> None:
    learnt = layers(range(60), 6, 0, noise=2)
    more = [layer for tile in range(60, 76) for layer in layers(range(tile, tile + 1), 1, tile, noise=2)]
    costs = fit_kernel([*learnt, *more], SIZES, of_networks=len(learnt)).costs
    assert costs.unmet_stack_margin > costs.stack_margin
    layer = layers(range(79, 80), 1, 3, noise=0)[0]
    known = costs.costs(layer.work, layer.descriptors, 0, SIZES.keys())
    unmet = costs.costs(layer.work, layer.descriptors, 0, SIZES.keys() - {"tile79"})
    further = costs.unmet_stack_margin - costs.stack_margin
    assert unmet.stack - known.stack == pytest.approx(further)


def test_channels_that_leave_a_rest_have_a_margin_of_their_own() -> None:
    def with_channels(count: float, found: list[MeasuredLayer]) -> list[MeasuredLayer]:
        return [replace(layer, descriptors={**layer.descriptors, "window.channels": count}) for layer in found]

    whole = with_channels(8, layers(range(40), 2, 0, noise=1, shares=False))
    rest = with_channels(6, layers(range(40), 1, 1, noise=9, shares=False))
    costs = fit_kernel([*whole, *rest], {}, of_networks=len(whole) + len(rest)).costs
    assert STACK_STEP <= costs.stack_margin < costs.rest_stack_margin == costs.unmet_stack_margin
    for layer, margin in ((whole[0], costs.stack_margin), (rest[0], costs.rest_stack_margin)):
        assert bound(costs, layer) == pytest.approx(costs.stack(layer.descriptors) + margin)


def test_layers_of_networks_set_the_margin_where_there_are_enough() -> None:
    calm, wild = layers(range(40), 2, 0, noise=0, shares=False), layers(range(40), 2, 1, noise=9, shares=False)
    of_networks = fit_kernel([*calm, *wild], {}, of_networks=len(calm)).costs
    of_few = fit_kernel([*calm[:5], *wild], {}, of_networks=5).costs
    assert STACK_STEP <= of_networks.stack_margin < of_few.stack_margin
    assert of_networks.unmet_stack_margin == of_networks.stack_margin


def test_code_is_learnt_anew_and_nothing_else(costs: KernelCosts) -> None:
    larger = [replace(layer, code=300, calls=("tile3", "memcpy")) for layer in layers(range(20), 3, 2, noise=2)]
    anew = refit_code(costs, larger, {**SIZES, "memcpy": 30.0})
    assert anew.code({}) == pytest.approx(300)
    assert "memcpy" in anew.calls
    assert (anew.cycles, anew.reads, anew.stack, anew.stack_margin) == (costs.cycles, costs.reads, costs.stack, costs.stack_margin)
    assert (anew.code_spread, anew.shared_spread) == (costs.code_spread, costs.shared_spread)
