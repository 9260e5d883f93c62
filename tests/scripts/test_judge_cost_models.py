"""What is said of predictions beside measurements."""

from __future__ import annotations

from dataclasses import replace

import pytest
from judge_cost_models import Judged, figures

from codegen.boards import load_board
from cost_models import load_cost_model
from cost_models.measured import MeasuredProgram
from search_spaces import DenseSpace


def test_coverage_and_width_are_those_of_the_intervals() -> None:
    space = DenseSpace((1, 1, 50), 7)
    predicted = load_cost_model("cortex-m4").predict(space.graph(space.smallest()), load_board("nucleo-l4r5zi"))
    cycles, flash, ram = predicted.cycles, predicted.flash, predicted.ram
    inside = MeasuredProgram(
        layers=(),
        run_features={},
        run_cycles=0.0,
        run_reads=0,
        run_flash=0,
        run_stack=0,
        routines={},
        arena=ram.arena,
        stack=ram.stack - 64,
        static=0,
        code=round(flash.value),
        constants=0,
        cycles=cycles.high,
        instructions=0.0,
        reads=0,
        macs=predicted.macs,
    )
    outside = replace(inside, cycles=1.001 * cycles.high, code=int(flash.low) - 1, stack=ram.stack - 68)
    found = figures([Judged(predicted, inside), Judged(predicted, outside)])
    assert found["cycles"]["coverage"] == found["flash"]["coverage"] == found["stack_within_64_bytes"] == 0.5
    assert found["cycles_interval"] == pytest.approx(cycles.high / cycles.value - 1)
    assert found["flash_interval"] == pytest.approx(flash.high / flash.value - 1)
    assert (found["stack_gap"], found["arena_errors"]) == ([64, 68], 0)
