"""The end of a search."""

from __future__ import annotations

from nas.datasets import load_test
from nas.study.outcome import _spread


def test_of_many_test_examples_some_are_emulated_from_all_over() -> None:
    digits = load_test("digits")
    assert _spread(digits, 360) is digits
    some = _spread(digits, 100)
    assert len(some) == 100
    assert [int(y) for y in some.y[:3]] == [int(digits.y[i]) for i in (0, 3, 7)]
    assert (some.x[-1] == digits.x[356]).all()
