from collections.abc import Callable, Sequence

import numpy as np
import pytest

from cost_models.regression import cross_validated, fit


def loops(rng: np.random.Generator) -> dict[str, float]:
    rows, columns = rng.integers(1, 50, 2)
    return {"calls": 1.0, "rows": float(rows), "cells": float(rows * columns)}


def test_costs_are_found_again_and_extrapolate() -> None:
    rng = np.random.default_rng(0)
    rows = [loops(rng) for _ in range(40)]
    measured = [50 + 7 * r["rows"] + 3 * r["cells"] for r in rows]
    model = fit(rows, measured, relative=True)
    assert model.coefficients == pytest.approx({"calls": 50, "rows": 7, "cells": 3}, rel=1e-5)
    assert model({"calls": 1, "rows": 1000, "cells": 1e6}) == pytest.approx(50 + 7000 + 3e6, rel=1e-5)


def test_no_cost_is_negative() -> None:
    rows = [{"calls": 1.0, "saved": float(n)} for n in range(1, 20)]
    model = fit(rows, [100 - r["saved"] for r in rows], relative=False)
    assert all(value > 0 for value in model.coefficients.values())


def test_cross_validation_does_not_see_the_row_it_predicts() -> None:
    rows = [{"calls": 1.0, **({"odd_one": 1.0} if i == 3 else {})} for i in range(10)]
    measured = [1000.0 if i == 3 else 10.0 for i in range(10)]

    def fitted(chosen: Sequence[int]) -> Callable[[int], float]:
        model = fit([rows[i] for i in chosen], [measured[i] for i in chosen], relative=True)
        return lambda i: model(rows[i])

    assert cross_validated(fitted, 10)[3] == pytest.approx(10.0)
