"""The shipped model against builds of fresh random networks: what the search promises is what the chip does."""

import numpy as np
import pytest

from codegen.boards import load_board
from codegen.ir import Graph, total_macs
from cost_models import Prediction, load_cost_model
from cost_models.calibration import Job, run_job
from cost_models.measured import MeasuredProgram
from search_spaces.image import ImageSpace

SPACES = (ImageSpace((8, 8, 1), 10), ImageSpace((16, 16, 3), 5), ImageSpace((28, 28, 1), 10))


@pytest.fixture(scope="module")
def compared() -> list[tuple[Prediction, MeasuredProgram]]:
    rng = np.random.default_rng(987_654)
    graphs: list[Graph] = []
    while len(graphs) < 12:
        space = SPACES[len(graphs) % len(SPACES)]
        graph = space.graph(space.sample(rng))
        if total_macs(graph) < 1_500_000:
            graphs.append(graph)
    model, board = load_cost_model("cortex-m4"), load_board("nucleo-l4r5zi")
    return [(model.predict(g, board), run_job(Job(g, "cortex-m4", "balanced", 5_000 + i))) for i, g in enumerate(graphs)]


@pytest.mark.slow
def test_arena_is_exact_and_nothing_is_static(compared: list[tuple[Prediction, MeasuredProgram]]) -> None:
    assert [p.ram.arena for p, _ in compared] == [m.arena for _, m in compared]
    assert [p.ram.static for p, _ in compared] == [m.static for _, m in compared]


@pytest.mark.slow
def test_stack_is_bounded_within_64_bytes(compared: list[tuple[Prediction, MeasuredProgram]]) -> None:
    for prediction, measured in compared:
        assert 0 <= prediction.ram.stack - measured.stack <= 64


@pytest.mark.slow
def test_flash_and_cycles_lie_in_their_intervals(compared: list[tuple[Prediction, MeasuredProgram]]) -> None:
    # 95 % intervals: of 12, at least 9 inside with probability 0.998.
    assert sum(m.code + m.constants in p.flash for p, m in compared) >= 9
    assert sum(m.cycles in p.cycles for p, m in compared) >= 9


@pytest.mark.slow
def test_intervals_are_narrow_enough_to_be_of_use(compared: list[tuple[Prediction, MeasuredProgram]]) -> None:
    for prediction, measured in compared:
        assert prediction.cycles.value == pytest.approx(measured.cycles, rel=0.1)
        assert prediction.cycles.high < 1.15 * prediction.cycles.value
        assert abs(prediction.flash.value - measured.code - measured.constants) < max(700, 0.05 * prediction.flash.value)
