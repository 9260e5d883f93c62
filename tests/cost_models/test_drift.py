"""A model that is off is noticed from what was built, and its refit is right again; one that holds is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from codegen.boards import load_board
from codegen.compile import compile_graph
from codegen.cores import CORES
from codegen.ir import Graph
from codegen.verify import measure_model
from cost_models import CostModel, load_cost_model
from cost_models.drift import Observation, find_drift, refit
from cost_models.parts import Parts
from cost_models.random_weights import fill
from cost_models.regression import Linear
from search_spaces import ImageSpace

BOARD = load_board("nucleo-l4r5zi")
MODEL = load_cost_model("cortex-m4")
Built = tuple[Graph, dict[str, object]]


@pytest.fixture(scope="module")
def built() -> list[Built]:
    """Four networks with random weights and what was measured of their programs."""
    rng = np.random.default_rng(90_125)
    space = ImageSpace((8, 8, 1), 10)
    found: list[Built] = []
    for _ in range(4):
        graph = fill(space.graph(space.sample(rng)), rng)
        inputs = rng.integers(-128, 128, (1, *graph[graph.inputs[0]].shape[1:])).astype(np.int8)
        model = compile_graph(graph, CORES["cortex-m4"], name="m")
        found.append((graph, measure_model(model, board=BOARD, inputs=inputs).to_json()))
    return found


def observe(model: CostModel, built: Sequence[Built]) -> list[Observation]:
    return [Observation.of(model.predict(graph, BOARD), graph, figures) for graph, figures in built]


def biased(*, cycles: float = 1.0, flash: float = 0.0, stack: int = 0) -> CostModel:
    """The shipped model, made wrong."""
    kernels = {}
    for name, costs in MODEL.parts.kernels.items():
        loops = Linear({feature: cycles * value for feature, value in costs.cycles.loops.coefficients.items()})
        kernels[name] = replace(costs, cycles=replace(costs.cycles, loops=loops))
    run = MODEL.parts.run
    moved = Linear({**run.flash.coefficients, "runs": run.flash.coefficients.get("runs", 0.0) + flash})
    frames = {name: getattr(run, name) + stack for name in ("stack", "few_far_stack", "far_stack")}
    moved_run = replace(run, flash=moved, **frames)
    return replace(MODEL, parts=Parts(kernels, MODEL.parts.routines, moved_run))


def test_the_shipped_model_holds(built: list[Built]) -> None:
    drift = find_drift(observe(MODEL, built))
    assert set(drift) == {"cycles", "flash", "stack", "arena"}
    assert not any(figure.drifted for figure in drift.values())
    assert all(figure.networks == 4 for figure in drift.values())
    assert drift["arena"].error == 0


@pytest.mark.parametrize(
    ("model", "figure"),
    [(biased(cycles=0.8), "cycles"), (biased(cycles=1.3), "cycles"), (biased(flash=3000), "flash"), (biased(stack=-200), "stack")],
)
def test_a_model_that_is_off_is_found_and_mended(built: list[Built], model: CostModel, figure: str) -> None:
    observations = observe(model, built)
    drift = find_drift(observations)
    assert [name for name, found in drift.items() if found.drifted] == [figure]
    assert drift[figure].outside == 4
    mended = find_drift(observe(refit(model, observations), built))
    assert not any(found.drifted for found in mended.values())
    assert mended[figure].error < max(0.2 * drift[figure].error, 0.02) or figure == "stack"


def test_the_refit_serves_networks_that_it_has_not_seen(built: list[Built]) -> None:
    model = biased(cycles=0.8)
    refitted = refit(model, observe(model, built[:2]))
    others = find_drift(observe(refitted, built[2:]))
    assert find_drift(observe(model, built[2:]))["cycles"].error > 0.15
    assert others["cycles"].error < 0.05


def test_two_misses_of_four_are_no_drift_of_an_interval_three_are(built: list[Built]) -> None:
    observations = [replace(seen, cycles=seen.predicted.cycles.value) for seen in observe(MODEL, built)]
    for index in (0, 1):
        observations[index] = replace(observations[index], cycles=2 * observations[index].cycles)
    assert find_drift(observations)["cycles"].outside == 2
    assert not find_drift(observations)["cycles"].drifted
    observations[2] = replace(observations[2], cycles=2 * observations[2].cycles)
    assert find_drift(observations)["cycles"].drifted


def test_a_broken_bound_is_drift_at_once(built: list[Built]) -> None:
    (first, *others) = observe(MODEL, built)
    drift = find_drift([replace(first, stack=first.predicted.ram.stack + 4), *others])
    assert (drift["stack"].outside, drift["stack"].drifted) == (1, True)


def test_nothing_built_nothing_changed() -> None:
    assert refit(MODEL, []) is MODEL
    assert not any(figure.drifted for figure in find_drift([]).values())
