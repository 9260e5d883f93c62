from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nas.evenly_spaced import evenly_spaced


@given(st.integers(0, 500), st.integers(1, 500))
def test_they_are_as_far_apart_as_can_be(count: int, most: int) -> None:
    taken = evenly_spaced(count, most)
    assert len(taken) == min(count, most)
    assert count <= most or len(set(np.diff(taken).tolist())) <= 2
    assert taken.tolist() == sorted({at for at in taken.tolist() if 0 <= at < count})
    assert count > most or taken.tolist() == list(range(count))
    assert not count or (taken[0] == 0 and count - taken[-1] <= -(-count // most))


def test_they_are_from_all_over() -> None:
    assert evenly_spaced(360, 100)[[0, 1, 2, -1]].tolist() == [0, 3, 7, 356]
