"""Ensembles that are evaluated together."""

from __future__ import annotations

import numpy as np
import pytest

from cost_models.joint_trees import JointTrees
from cost_models.trees import Trees, fit_trees


def rows(count: int, seed: int) -> list[dict[str, float]]:
    rng = np.random.default_rng(seed)
    return [{name: float(rng.integers(0, 40)) for name in ("width", "depth", "zero", "tile")} for _ in range(count)]


@pytest.fixture(scope="module")
def ensembles() -> list[Trees]:
    train = rows(300, 0)
    narrow = [{"zero": row["zero"], "tile": row["tile"]} for row in train]
    return [
        fit_trees(train, [row["width"] * row["depth"] for row in train]),
        fit_trees(narrow, [row["tile"] - row["zero"] for row in train], count=40),
        Trees(2.5, (), ()),
    ]


def test_each_gives_what_it_gives_alone(ensembles: list[Trees]) -> None:
    joint = JointTrees(ensembles)
    for row in [*rows(50, 1), {"width": 3.0}, {}]:
        assert joint(row) == [trees(row) for trees in ensembles]
