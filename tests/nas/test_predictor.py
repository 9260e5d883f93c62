"""What the predictor of networks' worth is made of."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from codegen.ir import total_macs
from nas.samplers import Features, Predictor, Result
from nas.samplers._gaussian_process import LENGTHS, NOISES, PRIOR, GaussianProcess, _matern, _squared_distances
from search_spaces import Architecture, ImageSpace

SPACE = ImageSpace((8, 8, 1), 10)


def test_predictions_are_those_of_the_textbook() -> None:
    """Mean and variance of every setting by matrix inversion, averaged by the likelihood of a Student t."""
    rng = np.random.default_rng(0)
    groups, new = [rng.random((12, 3)), rng.random((12, 2))], [rng.random((5, 3)), rng.random((5, 2))]
    values = np.sin(3 * groups[0][:, 0]) + groups[1][:, 1] + 0.1 * rng.standard_normal(12)
    targets = values - values.mean()
    means, seconds, likelihoods = [], [], []
    for lengths in product(LENGTHS, repeat=2):
        known = _matern([_squared_distances(g, g) for g in groups], lengths)
        cross = _matern([_squared_distances(g, n) for g, n in zip(groups, new, strict=True)], lengths)
        for noise in NOISES:
            inverse = np.linalg.inv(known + noise * np.eye(12))
            variance = (targets @ inverse @ targets + PRIOR * targets.var()) / (12 + PRIOR)
            mean = cross.T @ inverse @ targets
            means.append(mean)
            seconds.append(mean**2 + variance * (1 - np.einsum("ij,ik,kj->j", cross, inverse, cross)))
            sign, logarithm = np.linalg.slogdet(inverse)
            assert sign > 0
            likelihoods.append(0.5 * logarithm - (12 + PRIOR) / 2 * np.log(variance))
    weights = np.exp(np.array(likelihoods) - max(likelihoods))
    weights /= weights.sum()
    weights = np.where(weights >= 0.01, weights, 0)
    weights /= weights.sum()
    mean, deviation = GaussianProcess(groups, values).predict(new)
    expected = weights @ np.array(means)
    assert mean == pytest.approx(expected + values.mean(), abs=1e-9)
    assert deviation == pytest.approx(np.sqrt(weights @ np.array(seconds) - expected**2), abs=1e-6)


def test_it_is_less_sure_where_it_has_seen_less() -> None:
    known = np.linspace(0, 1, 20)[:, None]
    _, deviation = GaussianProcess([known], np.cos(4 * known[:, 0])).predict([np.array([[0.5], [1.5], [3.0]])])
    assert deviation[0] < deviation[1] < deviation[2]


def test_equal_values_are_no_error() -> None:
    mean, deviation = GaussianProcess([np.eye(4)], np.full(4, 0.7)).predict([np.eye(4)])
    assert mean == pytest.approx(0.7)
    assert np.isfinite(deviation).all()


def test_different_networks_have_different_features_and_absent_stages_have_none() -> None:
    rng = np.random.default_rng(1)
    architectures = list({a.id: a for a in (SPACE.sample(rng) for _ in range(300))}.values())
    (genes,) = Features(SPACE, None)(architectures)
    assert genes.min() == 0
    assert genes.max() == pytest.approx(1.5)
    assert len(np.unique(genes, axis=0)) == len(architectures)
    nonzero = (genes > 0).sum(axis=1)
    assert [len(a.values) for a in architectures] == nonzero.tolist()


def test_twice_as_many_channels_are_the_same_step_everywhere() -> None:
    features = Features(SPACE, None)
    name = next(name for name, options in SPACE.choices().items() if name.endswith("channels") and {8, 16, 32} <= set(options))
    rng = np.random.default_rng(4)
    drawn = next(a for a in (SPACE.sample(rng) for _ in range(1000)) if a.parameters.get(name) == 16)
    genes = [features([SPACE.from_params({**drawn.parameters, name: channels})])[0][0] for channels in (8, 16, 32)]
    assert np.abs(genes[1] - genes[0]).sum() == pytest.approx(np.abs(genes[2] - genes[1]).sum())


def test_the_predictor_ranks_networks_it_has_not_seen() -> None:
    def macs(architecture: Architecture) -> int:
        return total_macs(SPACE.graph(architecture))

    rng = np.random.default_rng(2)
    drawn = [SPACE.sample(rng) for _ in range(120)]
    results = [Result(n, a, np.log(macs(a)) + 0.3 * rng.standard_normal()) for n, a in enumerate(drawn[:60])]
    truth = np.argsort(np.argsort([macs(a) for a in drawn[60:]]))
    for costs, least in ((None, 0.5), (lambda a: (macs(a),), 0.9)):
        mean, _ = Predictor(Features(SPACE, costs), results).predict(drawn[60:])
        assert np.corrcoef(np.argsort(np.argsort(mean)), truth)[0, 1] > least


def test_of_many_results_the_best_and_the_latest_are_learnt_from() -> None:
    rng = np.random.default_rng(3)
    drawn = [SPACE.sample(rng) for _ in range(600)]
    results = [Result(n, a, float(n % 50)) for n, a in enumerate(drawn)]
    predictor = Predictor(Features(SPACE, None), results)
    mean, deviation = predictor.predict(drawn[:10])
    assert np.isfinite(mean).all()
    assert (deviation > 0).all()
