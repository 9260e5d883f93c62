import numpy as np
import pytest

from cost_models.intervals import Conformal


def test_intervals_cover_new_draws_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(400):
        conformal = Conformal.of(np.abs(rng.standard_t(4, 60)))
        covered.append(abs(rng.standard_t(4)) <= conformal.quantile(0.9))
    assert 0.86 <= np.mean(covered) <= 0.96


def test_interval_grows_with_spread_and_confidence() -> None:
    conformal = Conformal.of(range(1, 101))
    narrow, wide = conformal.interval(1000.0, 1.0, 0.5), conformal.interval(1000.0, 2.0, 0.5)
    assert wide.high - wide.low == pytest.approx(2 * (narrow.high - narrow.low))
    assert conformal.quantile(0.99) > conformal.quantile(0.9) > conformal.quantile(0.5)
    assert conformal.interval(10.0, 5.0, 0.9).low == 0.0


def test_confidence_beyond_the_held_out_networks_widens_further() -> None:
    conformal = Conformal.of([0.5, 1.0, 2.0])
    assert conformal.quantile(0.999) > conformal.quantile(0.99) > 2.0


def test_coverage_judges_each_network_by_the_others() -> None:
    assert Conformal.of([1.0] * 99 + [50.0]).coverage(0.95) == pytest.approx(0.99)
