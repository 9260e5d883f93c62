"""The table that strategies are compared on, and the comparison."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from bench_search import STRATEGIES
from make_search_table import untested, work
from search_problem import LIMITS, Problem, Training, problem_of, repeated, rung_correlations
from search_table import COSTS, DEFAULT, SearchTable, architectures, closed_space

from codegen.boards import load_board
from codegen.errors import UserError
from cost_models import load_cost_model

SCRIPTS = DEFAULT.parents[1]


@pytest.fixture(scope="module")
def table() -> SearchTable:
    return SearchTable.load(DEFAULT)


@pytest.fixture(scope="module")
def problem(table: SearchTable) -> Problem:
    return problem_of(table, DEFAULT, LIMITS, 0, [0])


def test_the_table_is_of_the_whole_space_and_the_space_is_closed(table: SearchTable) -> None:
    space = closed_space()
    members = architectures(space, table, DEFAULT)
    assert 2000 <= len(members) == len(set(table.ids.tolist())) <= 2500
    rng = np.random.default_rng(0)
    for _ in range(300):
        a, b = (members[int(at)] for at in rng.integers(len(members), size=2))
        assert space.sample(rng).id in table.row
        assert space.mutate(a, rng).id in table.row
        assert space.crossover(a, b, rng).id in table.row


def test_what_it_holds_makes_sense(table: SearchTable) -> None:
    for part in ("validation", "test"):
        accuracy = table.accuracy(part)
        assert accuracy.shape == (len(table.ids), table.trained.shape[1], len(table.rungs))
        known = accuracy[table.trained]
        assert np.isfinite(known).all()
        assert ((known >= 0) & (known <= 1)).all()
        assert known[:, -1].mean() > known[:, 0].mean() + 0.05  # longer trainings are better
        assert np.isnan(accuracy[~table.trained]).all()
    assert (table.seconds[table.trained] > 0).all()
    validation, test = (table.accuracy(part)[:, 0, -1][table.trained[:, 0]] for part in ("validation", "test"))
    assert np.corrcoef(validation, test)[0, 1] > 0.5


def test_what_tests_best_is_no_luck_of_few_trainings(table: SearchTable) -> None:
    assert table.trained[:, :2].all(), "the table is whole"
    assert untested(table) == []
    within = problem_of(table, DEFAULT, LIMITS, 0, [0, 1])
    best = np.argsort(-np.where(within.feasible, within.test, 0), kind="stable")[:20]
    assert table.trained[best].all()
    lucky = dataclasses.replace(table, test=table.test.copy(), validation=table.validation.copy())
    worst = int(np.argmin(np.where(within.feasible & ~table.trained.all(axis=1), within.test, 1)))
    lucky.test[worst, :2] = table.about["test"]["windows"]
    assert untested(lucky) == [worst]
    missing = np.flatnonzero(~table.trained[worst]).tolist()
    assert list(islice(work(lucky), len(missing))) == [(worst, seed) for seed in missing]


def test_costs_are_those_that_the_shipped_cost_model_predicts(table: SearchTable) -> None:
    space = closed_space()
    board = load_board(table.about["board"])
    model = load_cost_model(board.core)
    members = architectures(space, table, DEFAULT)
    for row in range(0, len(members), 400):
        p = model.predict_chain(space.chain(members[row]), board, confidence=table.about["confidence"])
        here = [float(table.costs[name][row]) for name in COSTS]
        assert here[0] == p.ram.total
        assert here[6] == p.macs
        others = [p.flash.value, p.flash.high, p.cycles.value, p.latency_ms.value, p.latency_ms.high]
        assert here[1:6] == pytest.approx(others, rel=0.05)  # calibrations move a little


def test_the_file_comes_back_as_it_was(table: SearchTable, tmp_path: Path) -> None:
    table.save(path := tmp_path / "table.npz")
    again = SearchTable.load(path)
    assert again.about == table.about
    for name in ("ids", "validation", "test", "seconds"):
        assert np.array_equal(getattr(again, name), getattr(table, name))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"table\.npz: damaged"):
        SearchTable.load(path)
    with pytest.raises(UserError, match=r"none\.npz: no such file"):
        SearchTable.load(tmp_path / "none.npz")


def test_a_table_of_another_space_is_refused(table: SearchTable) -> None:
    other = dataclasses.replace(table, ids=table.ids[::-1])
    with pytest.raises(UserError, match="other architectures"):
        architectures(closed_space(), other, DEFAULT)


def test_regret_is_of_the_network_that_validation_selects(problem: Problem) -> None:
    toy = dataclasses.replace(
        problem,
        feasible=np.array([True, True, True, False]),
        rungs=[2, 8],
        curves=np.array([[0.4, 0.5], [0.5, 0.9], [0.6, 0.7], [0.7, 1.0]]),
        test=np.array([0.6, 0.7, 0.8, 0.9]),
    )
    rows = toy.selected([Training(row, 8) for row in (0, 2, 1)], [1, 2, 3, 4])
    assert rows == [0, 2, 1, 1]
    assert toy.selected([Training(0, 8), Training(1, 2), Training(2, 8)], [1, 2, 3]) == [0, 0, 2]
    assert toy.regret(rows) == pytest.approx([0.2, 0.0, 0.1, 0.1])


def test_smoothing_leaves_nothing_that_a_second_training_repeats(table: SearchTable, problem: Problem) -> None:
    smooth = problem.smoothed[problem.feasible]
    raw = problem.test[problem.feasible]
    assert raw.std() > smooth.std() > 0.3 * raw.std()
    assert smooth.max() < raw.max()
    if table.trained[:, 1].sum() > 500:
        assert abs(repeated(problem)) < 0.2
        correlations = rung_correlations(table)
        assert 0 < correlations["after 2"] < correlations["after 4"] < 1


def test_a_predictor_selects_better_than_one_lucky_validation(problem: Problem) -> None:
    """Of networks drawn at random, by the smoothed test accuracy."""
    orders = [STRATEGIES["random"](problem, seed, 60) for seed in range(12)]
    lucky = [problem.smoothed_regret(problem.selected(order, [60])) for order in orders]
    predicted = [problem.smoothed_regret(problem.predicted(order, [60])) for order in orders]
    assert np.mean(predicted) < np.mean(lucky)


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name not in ("gp", "halving")])
def test_strategies_evaluate_feasible_networks_once(problem: Problem, name: str) -> None:
    trainings = STRATEGIES[name](problem, 0, 12)
    rows = [training.row for training in trainings]
    assert len(set(rows)) == len(rows) >= 12
    assert (len(rows) == 12) is ("+" not in name)
    assert problem.feasible[rows].all()
    assert STRATEGIES[name](problem, 0, 12) == trainings


def test_a_bracket_of_halving_costs_what_its_trainings_cost(problem: Problem) -> None:
    """Eight trainings of 2 epochs, four that go on to 4, two of them to 8: as many epochs as 4 whole trainings."""
    trainings = STRATEGIES["halving"](problem, 0, 12)
    assert [training.epochs for training in trainings] == 3 * [2, 2, 2, 2, 4, 4, 8, 8]
    assert problem.within(trainings, 12) == trainings
    assert [len(problem.within(trainings, n)) for n in (1, 3, 4)] == [4, 7, 8]
    rows = [training.row for training in trainings]
    assert len(set(rows)) == 24
    assert problem.feasible[rows].all()
    drawn = [t.row for seed in range(10) for t in STRATEGIES["halving"](problem, seed, 40) if t.epochs == 8]
    assert np.mean(problem.curves[drawn, 0]) > np.mean(problem.curves[problem.feasible, 0])


def test_searches_that_stop_trials_try_more_networks_in_the_same_epochs(problem: Problem) -> None:
    whole, median = (STRATEGIES[name](problem, 3, 20) for name in ("random", "random+median"))
    assert [training.epochs for training in whole] == 20 * [8]
    assert sum(training.epochs for training in median) <= 20 * 8 + 7
    assert len(median) > 25
    assert {training.epochs for training in median} == {2, 4, 8}
    assert [training.row for training in median[:20]] == [training.row for training in whole]
    for select in (problem.selected, problem.predicted):
        for row in select(median, [10, 20]):
            assert row in [training.row for training in median if training.epochs == 8]


def test_the_bench_prints_a_table_and_draws(tmp_path: Path) -> None:
    arguments = ["--seeds", "2", "--evaluations", "10", "--only", "random,largest", "--training-seeds", "0"]
    files = ["--svg", str(tmp_path / "c.svg"), "--json", str(tmp_path / "c.json")]
    command = [sys.executable, str(SCRIPTS / "bench_search.py"), *arguments, *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "random" in done.stdout
    assert (tmp_path / "c.svg").read_text().count("<polyline") == 2
    searches = json.loads((tmp_path / "c.json").read_text())
    assert [len({row for row, epochs in trainings if epochs == 8}) for trainings in searches["random"]] == [10, 10]


def test_a_search_may_see_an_earlier_rung(table: SearchTable, problem: Problem) -> None:
    early = problem_of(table, DEFAULT, LIMITS, 0, [0], epochs=2)
    known = problem.feasible
    assert np.array_equal(early.validation[known] * table.about["validation"]["windows"], table.validation[known, 0, 0])
    assert np.array_equal(early.test, problem.test)
    with pytest.raises(UserError, match=r"no rung of 3 epochs; choose one of 2, 4, 8"):
        problem_of(table, DEFAULT, LIMITS, 0, [0], epochs=3)


@pytest.mark.slow
def test_the_maker_goes_on_where_it_stopped(tmp_path: Path, shared_dir: Path) -> None:
    data = shared_dir / "data" / "har_smartphone_hapt" / "hapt_har6.npz"
    path = tmp_path / "table.npz"
    command = [sys.executable, str(SCRIPTS / "make_search_table.py"), "--table", str(path), "--data", str(data), "--limit"]
    for _ in range(2):
        done = subprocess.run([*command, "2"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    stopped = SearchTable.load(path)
    path.unlink()
    subprocess.run([*command, "4"], check=True, capture_output=True)
    whole = SearchTable.load(path)
    assert whole.trained.sum() == stopped.trained.sum() == 4
    assert np.array_equal(whole.validation, stopped.validation)
    assert np.array_equal(whole.test, stopped.test)
