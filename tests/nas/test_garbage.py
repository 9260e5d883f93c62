"""How often garbage is looked for."""

from __future__ import annotations

import gc

import pytest

from nas.garbage import COLLECT_AFTER, fewer_collections


def test_garbage_is_looked_for_less_often_meanwhile() -> None:
    before = gc.get_threshold()
    with fewer_collections():
        assert gc.get_threshold() == (COLLECT_AFTER, *before[1:])
        assert before[0] < COLLECT_AFTER
    assert gc.get_threshold() == before


def test_an_error_does_not_leave_it_so() -> None:
    @fewer_collections()
    def failing() -> None:
        raise KeyError

    before = gc.get_threshold()
    for _ in range(2):
        with pytest.raises(KeyError):
            failing()
    assert gc.get_threshold() == before
