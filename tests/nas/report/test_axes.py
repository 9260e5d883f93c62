from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.report.axes import Scale, fitting, steps, without_outliers

VALUES = st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=30)


@given(VALUES, st.booleans())
def test_every_value_lies_inside_and_ticks_are_few(values: list[float], logarithmic: bool) -> None:
    scale = fitting(values, 10, 110, may_be_logarithmic=logarithmic)
    places = [scale(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(10 <= place <= 110 for place in places)
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))
    assert all(9.9 <= scale(tick) <= 110.1 for tick in ticks)


def test_ticks_are_round() -> None:
    assert Scale(0, 23, 0, 1).ticks() == [0, 5, 10, 15, 20]
    assert Scale(0.931, 1.0, 0, 1).ticks(5) == [0.94, 0.96, 0.98, 1.0]
    assert Scale(0.9, 60, 0, 1, logarithmic=True).ticks() == [1, 2, 5, 10, 20, 50]


def test_wide_ranges_are_logarithmic_where_they_may_be() -> None:
    assert fitting([1, 100], 0, 1, may_be_logarithmic=True).logarithmic
    assert not fitting([1, 100], 0, 1).logarithmic
    assert not fitting([10, 100], 0, 1, may_be_logarithmic=True).logarithmic


def test_a_few_failures_do_not_press_the_others_together() -> None:
    scale, low = without_outliers([0.1, 0.95, 0.96, 0.96, 0.97, 0.98, 0.98, 0.99], 100, 0)
    assert low == 1
    assert scale.low > 0.9
    assert scale(0.1) == 100
    assert without_outliers([0.5], 100, 0)[1] == 0


def test_steps_stay_level_until_the_next_point() -> None:
    assert steps([(0, 5), (3, 7), (4, 9)]) == [(0, 5), (3, 5), (3, 7), (4, 7), (4, 9)]


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_one_value_alone_has_a_scale(value: float) -> None:
    assert 0 <= fitting([value], 0, 1)(value) <= 1
