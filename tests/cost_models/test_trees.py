import json

import numpy as np
import pytest

from cost_models.trees import FEWEST_ROWS, Trees, fit_trees


def rows(count: int, seed: int = 0) -> list[dict[str, float]]:
    rng = np.random.default_rng(seed)
    return [{"width": float(rng.integers(1, 60)), "kernel": float(rng.choice([1, 3, 5])), "always": 1.0} for _ in range(count)]


def spilled(row: dict[str, float]) -> float:
    return 40.0 + 100.0 * (row["width"] % 4 > 0) + 24.0 * row["kernel"]


def with_rest(row: dict[str, float]) -> dict[str, float]:
    return {**row, "rest": row["width"] % 4}


def test_steps_are_learnt_and_survive_json() -> None:
    train = [with_rest(row) for row in rows(300)]
    trees = fit_trees(train, [spilled(row) for row in train])
    again = Trees.from_json(json.loads(json.dumps(trees.to_json())))
    assert again == trees
    for row in rows(50, seed=1):
        assert again(with_rest(row)) == pytest.approx(spilled(row), abs=10)


def test_predictions_are_those_of_the_library_that_fitted_them() -> None:
    from sklearn.ensemble import GradientBoostingRegressor

    train = [with_rest(row) for row in rows(200)]
    target = [spilled(row) for row in train]
    trees = fit_trees(train, target)
    names = ["kernel", "rest", "width"]
    booster = GradientBoostingRegressor(
        n_estimators=150, max_depth=3, learning_rate=0.1, subsample=0.8, min_samples_leaf=3, max_features=0.5, random_state=0
    ).fit([[row[name] for name in names] for row in train], target)
    fresh = [with_rest(row) for row in rows(40, seed=2)]
    expected = booster.predict([[row[name] for name in names] for row in fresh])
    assert [trees(row) for row in fresh] == pytest.approx(expected.tolist(), abs=0.5)


def test_few_rows_give_their_mean() -> None:
    few = rows(FEWEST_ROWS - 1)
    assert fit_trees(few, [float(i) for i in range(len(few))])({"width": 3.0}) == pytest.approx((len(few) - 1) / 2)
