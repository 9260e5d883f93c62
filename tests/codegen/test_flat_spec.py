"""Specs as flat tuples."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.flat_spec import flat
from cost_models.operators import sample_operator


@dataclasses.dataclass(frozen=True)
class Inner:
    size: int
    pair: tuple[int, int] = (1, 2)


@dataclasses.dataclass(frozen=True)
class Outer:
    first: int
    inner: Inner
    maybe: Inner | None = None


@dataclasses.dataclass(frozen=True)
class Single:
    number: int


def test_parts_are_in_the_place_of_their_field() -> None:
    assert flat(Outer(3, Inner(4))) == (3, 4, (1, 2), None)
    assert flat(Outer(3, Inner(4), Inner(5))) == (3, 4, (1, 2), Inner(5))
    assert flat(Single(7)) == (7,)


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus"])
def test_specs_of_kernels_are_equal_where_their_tuples_are(core: str) -> None:
    rng = np.random.default_rng(0)
    found = [(s.kernel.name, s.spec) for _ in range(300) for s in lay_out(sample_operator(rng), CORES[core], "balanced").selections]
    assert len(set(found)) == len({(name, flat(spec)) for name, spec in found})
    windowed = [spec for _, spec in found if hasattr(spec, "window")]
    assert len(windowed) > 50
    assert not any(dataclasses.is_dataclass(value) for spec in windowed for value in flat(spec))
