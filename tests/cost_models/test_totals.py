"""Sums over layers against the formulas in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.memory_plan import LinkDemand
from cost_models.costs import FEW_CALLS, REACH, LayerCosts, Routine, RunCosts
from cost_models.parts import Parts
from cost_models.regression import Linear
from cost_models.totals import LEAST_CODE_SPREAD, LEAST_READS_SPREAD, RunCall, Summation

ROUTINES = {f"routine{i}": Routine(40.0 + i, float(i % 7)) for i in range(200)}
RUN = RunCosts(
    cycles=Linear({"runs": 10.0, "calls": 2.0}),
    reads=Linear({"arguments": 4.0}),
    flash=Linear({"runs": 30.0, "borders": 8.0}),
    flash_spread=0.2,
    stack=21,
    few_far_stack=29,
    far_stack=37,
)
PARTS = Parts({}, ROUTINES, RUN)
DEMANDS = [LinkDemand(8, 0, ((1, None), (2, 4))[: i % 3]).packed() for i in range(6)]

amount = st.floats(0, 1e6)
costs = st.builds(
    LayerCosts,
    cycles=amount,
    cycles_spread=amount,
    reads=amount,
    reads_spread=amount,
    code=amount,
    code_spread=amount,
    constants=st.integers(0, 1000),
    stack=amount,
    calls=st.lists(st.sampled_from(sorted(ROUTINES)), unique=True).map(tuple),
    shared=st.sampled_from([(), (), ("routine0",), ("routine1",), ("routine0", "routine1")]),
)


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[LayerCosts], list[int]]:
    """Functions, and which of them are called in order."""
    functions = draw(st.lists(costs, min_size=1, max_size=6))
    return functions, draw(st.lists(st.sampled_from(range(len(functions))), min_size=1))


@settings(deadline=None)
@given(programs())
def test_what_layers_share_counts_once_and_their_errors_add_up(
    drawn: tuple[list[LayerCosts], list[int]],
) -> None:
    functions, calls = drawn
    summation = Summation(PARTS)
    packed = [
        summation.packed(summation.number(), function, macs=i, scratch=8 - i, arguments=3, demand=demand)
        for i, (function, demand) in enumerate(zip(functions, DEMANDS, strict=False))
    ]
    sums = summation.sums(b"".join(packed[i] for i in calls), len(calls))
    assert (sums.macs, sums.scratch, sums.arguments) == (sum(calls), 8 - min(calls), 3 * len(calls))
    assert sums.constants == sum(functions[i].constants for i in calls)
    run = RunCall(len(calls), 3 * len(calls), 2)
    totals = summation.totals(sums, run, constants=7, macs=8, arena=9)
    used = [functions[i] for i in sorted(set(calls))]
    groups: dict[object, list[LayerCosts]] = defaultdict(list)
    for i in calls:
        groups[functions[i].shared or i].append(functions[i])
    routines = [ROUTINES[name] for name in {name for function in used for name in function.calls}]
    assert totals.cycles == pytest.approx(sum(functions[i].cycles for i in calls) + 10 + 2 * len(calls))
    assert totals.cycles_spread == pytest.approx(math.hypot(*(sum(f.cycles_spread for f in g) for g in groups.values())))
    assert totals.reads == pytest.approx(sum(functions[i].reads for i in calls) + 12 * len(calls))
    reads_spread = math.hypot(LEAST_READS_SPREAD, *(sum(f.reads_spread for f in g) for g in groups.values()))
    assert totals.reads_spread == pytest.approx(reads_spread)
    assert totals.code == pytest.approx(sum(f.code for f in used) + 46 + sum(r.code for r in routines))
    around = math.hypot(LEAST_CODE_SPREAD, 0.2 * 46)
    assert totals.code_spread == pytest.approx(math.hypot(around, *(f.code_spread for f in used), *(r.spread for r in routines)))
    assert totals.stack % 4 == 0
    assert 0 <= totals.stack - (max(functions[i].stack for i in calls) + 21) < 4
    assert (totals.constants, totals.macs, totals.arena, totals.flash) == (7, 8, 9, totals.code + 7)


@pytest.mark.parametrize(
    ("arena", "calls", "beside"),
    [(0, 1, 21), (REACH, 99, 21), (REACH + 1, FEW_CALLS, 29), (REACH + 1, FEW_CALLS + 1, 37), (10 * REACH, 99, 37)],
)
def test_run_takes_more_stack_where_addresses_are_far_and_many(arena: int, calls: int, beside: int) -> None:
    summation = Summation(PARTS)
    function = summation.packed(summation.number(), LayerCosts(1.0, 0.0, 1.0, 0.0, 100.0, 3.0, 0, 83.0, (), ()))
    totals = summation.totals(summation.sums(function, 1), RunCall(calls, 3, 2), constants=0, macs=1, arena=arena)
    assert totals.stack == 83 + beside


def test_a_routine_that_comes_to_be_known_later_counts_once() -> None:
    summation = Summation(PARTS)
    functions = [LayerCosts(1.0, 0.0, 1.0, 0.0, 100.0, 3.0, 0, 8.0, calls, ()) for calls in (("later",), ("routine3", "later"))]
    with pytest.raises(KeyError, match="later"):
        summation.packed(summation.number(), functions[0])
    summation.add_routine("later", Routine(500.0, 40.0))
    summation.add_routine("later", Routine(1.0, 1.0))
    packed = [summation.packed(summation.number(), function) for function in functions]
    sums = summation.sums(b"".join(packed), 2)
    assert sums.code == pytest.approx(2 * 100 + 500 + ROUTINES["routine3"].code)
    assert sums.code_variance == pytest.approx(2 * 3**2 + 40**2 + ROUTINES["routine3"].spread ** 2)
