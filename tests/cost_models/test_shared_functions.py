"""Functions that layers share: which a spec names, and what one that was not measured is taken to need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from codegen.boards import load_board
from codegen.compile import lay_out
from codegen.cores import CORES
from cost_models import CostModel, load_cost_model
from cost_models.descriptors import descriptors, shared_functions
from cost_models.kernel_fit import fit_kernel
from cost_models.measured import MeasuredLayer
from cost_models.operators import sample_operator
from search_spaces._layers import Convolution, Layer, layer_chain, shape_graph

BOARD = load_board("nucleo-l4r5zi")
SHAPE = (12, 12, 8)
LAYERS = [Convolution("a", None, (5, 5)), Convolution("b", None, (5, 5), activation=False)]
"""Two functions that call one."""


@pytest.fixture(scope="module")
def model() -> CostModel:
    return load_cost_model(BOARD.core, optimize="balanced")


def called(layers: Sequence[Layer]) -> dict[str, tuple[str, dict[str, float]]]:
    """The shared functions of a network, each with its kernel and its descriptors."""
    found = {}
    for s in lay_out(shape_graph("network", SHAPE, layers), CORES[BOARD.core], "balanced").selections:
        described = shared_functions(descriptors(s.spec, s.kernel.work(s.spec)))
        found.update({name: (s.kernel.name, described[name]) for name in s.kernel.shared_functions(s.spec)})
    return found


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus"])
def test_descriptors_name_what_a_spec_shares_whatever_its_zero_points(core: str) -> None:
    rng = np.random.default_rng(0)
    shared = 0
    for _ in range(300):
        for s in lay_out(sample_operator(rng), CORES[core], "balanced").selections:
            described = shared_functions(descriptors(s.spec, s.kernel.work(s.spec)))
            names = set(s.kernel.shared_functions(s.spec))
            assert names <= set(described)
            assert all(described[name] for name in names)
            shared += len(names)
            if names:
                spec = replace(s.spec, zero_point=7, requantization=replace(s.spec.requantization, zero_point=9))
                assert shared_functions(descriptors(spec, s.kernel.work(spec))) == described
    assert shared > 20


def test_each_has_the_descriptors_of_it_alone() -> None:
    described = {"tile": 1.0, "shared.name=f": 1.0, "shared.tile": 4.0, "eight.name=g": 1.0, "eight.width": 6.0, "has rows": 1.0}
    assert shared_functions(described) == {"f": {"shared.tile": 4.0}, "g": {"eight.width": 6.0}}


def layer(tile: int, height: int) -> MeasuredLayer:
    name = f"tile{tile}"
    described = {"height": float(height), f"shared.name={name}": 1.0, "shared.tile": float(tile), "has rows": 1.0}
    work = {"calls": 1.0, "rows": float(height)}
    return MeasuredLayer(f"{tile} {height}", "k", 9, work, described, 50.0 * height, 9.0, 8, 200, 40, 0, (name, "memcpy"))


def test_bytes_of_unmet_functions_are_learnt_from_those_that_were_met() -> None:
    layers = [layer(tile, height) for tile in range(1, 60) if tile % 5 for height in (3, 4)]
    sizes = {"memcpy": 30.0, **{f"tile{tile}": 100.0 + 20 * tile for tile in range(1, 60) if tile % 5}}
    costs = fit_kernel(layers, sizes, of_networks=len(layers)).costs
    assert set(costs.calls) == {"memcpy"}
    for tile in range(10, 60, 5):
        estimate = costs.shared_function({"shared.tile": float(tile)})
        assert estimate.code == pytest.approx(100 + 20 * tile, abs=60)
        assert 0 < estimate.spread < 60
    unmet = layer(25, 3)
    assert set(costs.costs(unmet.work, unmet.descriptors, 0, sizes).calls) == {"memcpy", "tile25"}


def test_a_function_that_was_not_measured_is_paid_once(model: CostModel) -> None:
    names = called(LAYERS)
    routines = {name: routine for name, routine in model.parts.routines.items() if name not in names}
    unmet = replace(model, parts=replace(model.parts, routines=routines))
    off = sum(
        model.parts.kernels[kernel].shared_function(described).code - model.parts.routines[name].code
        for name, (kernel, described) in names.items()
    )
    assert 0 < abs(off) < 0.3 * sum(model.parts.routines[name].code for name in names)
    for count in (1, 2):
        chain, graph = layer_chain(SHAPE, LAYERS[:count]), shape_graph("network", SHAPE, LAYERS[:count])
        quick, general, met = unmet.predict_chain(chain, BOARD), unmet.predict(graph, BOARD), model.predict(graph, BOARD)
        assert np.allclose(quick.flash, general.flash, rtol=1e-12)
        assert quick.flash.value - met.flash.value == pytest.approx(off, abs=1e-6)
        assert quick.flash.high - quick.flash.low > met.flash.high - met.flash.low
