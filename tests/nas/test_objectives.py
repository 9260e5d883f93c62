"""Several objectives: what is proposed, which networks are finished, which wins."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import optuna
import pytest
from command_line import nas, nas_here, read
from hypothesis import given
from hypothesis import strategies as st
from short_recipes import SHORT

from codegen.boards import load_board
from codegen.errors import UserError
from cost_models import Limits, load_cost_model
from nas.samplers import (
    EvolutionSampler,
    FeasibleSampler,
    GPFeasibleSampler,
    NSGAIIFeasibleSampler,
    PredictorSampler,
    RandomFeasibleSampler,
    TPEFeasibleSampler,
    suggest_architecture,
)
from nas.samplers._objectives import chebyshev
from nas.study.feasibility import Feasibility
from nas.study.finalists import Candidate, Finalist, best, front
from nas.study.objectives import cost_values, hypervolume, merits, parse_objectives, spread, undominated
from search_spaces import Architecture, ImageSpace

SPACE = ImageSpace((8, 8, 1), 10)
POINTS = st.lists(st.tuples(*[st.integers(0, 5).map(float)] * 3), min_size=1, max_size=12)


def test_what_the_option_says() -> None:
    assert parse_objectives(None, "macro_f1") == ("macro_f1", ())
    assert parse_objectives("accuracy,latency", None) == ("accuracy", ("latency",))
    assert parse_objectives(" Flash, ram", None) == (None, ("ram", "flash"))
    assert parse_objectives("macs,macro_f1", "macro_f1") == ("macro_f1", ("macs",))


@pytest.mark.parametrize(
    "text", ["accuracy", "", "accuracy,speed", "latency,latency", "accuracy,macro_f1,ram", "balanced_accuracy,ram"]
)
def test_an_option_that_makes_no_sense(text: str) -> None:
    with pytest.raises(UserError, match="--objective"):
        parse_objectives(text, "accuracy")


@given(POINTS)
def test_nothing_beats_the_front(points: list[tuple[float, ...]]) -> None:
    found = undominated(points)

    def beats(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        return a != b and all(x >= y for x, y in zip(a, b, strict=True))

    for at, point in enumerate(points):
        assert (at in found) == (not any(beats(other, point) for other in points))


@given(POINTS)
def test_the_hypervolume_is_the_number_of_cells_below(points: list[tuple[float, ...]]) -> None:
    cells = np.stack(np.meshgrid(*[np.arange(5)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    below = np.any([(cells < point).all(axis=1) for point in points], axis=0)
    assert hypervolume(np.array(points)) == below.sum()


@given(POINTS)
def test_the_first_of_a_spread_are_of_the_front(points: list[tuple[float, ...]]) -> None:
    order = spread(points, len(points))
    assert sorted(order) == list(range(len(points)))
    assert points[order[0]][0] == max(point[0] for point in points)
    different = {points[at] for at in undominated(points)}
    assert {points[at] for at in order[: len(different)]} == different


def test_many_points_of_many_objectives_are_no_obstacle() -> None:
    """A quarter of them tell nothing of the others; all of the front ordered would take hours."""
    points = np.random.default_rng(0).random((200, 5)).tolist()
    order = spread(points, 3)
    assert sorted(order) == list(range(200))
    assert set(order[:3]) <= set(undominated(points))


@given(POINTS, st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_the_best_by_any_weights_is_of_the_front(points: list[tuple[float, ...]], weights: list[float]) -> None:
    values = chebyshev(np.array(points), np.array(weights))
    assert points[int(values.argmax())] in [points[at] for at in undominated(points)]


@pytest.fixture(scope="module")
def feasibility() -> Feasibility:
    board = load_board("nucleo-l4r5zi")
    return Feasibility(SPACE, load_cost_model(board.core), board, Limits(ram=8 * 1024, flash=48 * 1024), 0.95)


SAMPLERS: dict[str, type[FeasibleSampler]] = {
    "evolution": EvolutionSampler,
    "predictor": PredictorSampler,
    "tpe": TPEFeasibleSampler,
    "nsgaii": NSGAIIFeasibleSampler,
    "gp": GPFeasibleSampler,
    "random": RandomFeasibleSampler,
}


def run_study(sampler: FeasibleSampler, feasibility: Feasibility, trials: int) -> list[tuple[float, ...]]:
    """The merits of every trial of a study in which accuracy grows with multiply-accumulates."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    found = []
    for _ in range(trials):
        trial = study.ask()
        figures = feasibility.figures(suggest_architecture(trial, SPACE))
        accuracy = 1 - 1 / np.log(10 + figures["macs"])
        study.tell(trial, accuracy)
        found.append(merits(accuracy, figures, ("ram", "latency")))
    return found


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_takes_several_objectives(feasibility: Feasibility, name: str) -> None:
    def minimize(architecture: Architecture) -> tuple[float, ...]:
        return cost_values(feasibility.figures(architecture), ("ram", "latency"))

    trials = 7 if name == "gp" else 14
    first, again = (run_study(SAMPLERS[name](SPACE, feasibility, seed=1, minimize=minimize), feasibility, trials) for _ in range(2))
    assert first == again


def finalist(name: str, accuracy: float, ram: int, latency: float) -> Finalist:
    built = {"ram": {"total": ram}, "flash": {"total": 9000}, "latency_ms": latency, "macs": 1000, "cycles": 1000}
    return Finalist(name, {}, accuracy, accuracy, built, 1.0)


def test_the_winner_is_the_cheapest_of_those_that_are_as_good() -> None:
    """One standard error of 0.9 on 400 examples is 0.015."""
    architectures = dict(zip("abcd", (SPACE.sample(np.random.default_rng(seed)) for seed in range(4)), strict=True))
    figures = {"a": (0.90, 9000, 5.0), "b": (0.89, 4000, 6.0), "c": (0.88, 1000, 1.0), "d": (0.889, 3000, 9.0)}
    done = {architectures[name].id: finalist(architectures[name].id, *values) for name, values in figures.items()}
    candidates = [Candidate("search", number, architectures[name], None) for number, name in enumerate(figures)]

    def winner(*costs: str, limits: Limits = Limits(), examples: int = 400) -> str:  # noqa: B008
        chosen = best(candidates, done, limits, costs, examples)  # type: ignore[arg-type]
        assert chosen is not None
        return list(figures)[chosen.number or 0]

    assert winner() == "a"
    assert winner("ram") == "d"
    assert winner("latency") == "a"
    assert winner("ram", examples=40) == "c"
    assert winner("ram", limits=Limits(latency_ms=7)) == "b"
    kept = front(list(done.values()), Limits(latency_ms=7), ("ram", "latency"))
    assert [entry.architecture for entry in kept] == [architectures[name].id for name in "abc"]
    assert [entry.int8_accuracy for entry in front(list(done.values()), Limits(), ("latency",))] == [0.90, 0.88]
    assert dataclasses.replace(kept[0], seconds=2.0) not in kept


CONFIG = (
    """
format = 1

[search]
objective = "accuracy,flash,latency"
trials = 4
finalists = 3
seed = 3
baselines = false
"""
    + SHORT
)


@pytest.mark.slow
def test_a_search_for_a_front(tmp_path: Path) -> None:
    (tmp_path / "front.toml").write_text(CONFIG)
    done = nas("search", "--config", "front.toml", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report, trials = read(tmp_path / "run" / "report.json"), read(tmp_path / "run" / "front.json")
    assert report["objectives"] == ["accuracy", "flash", "latency"]
    assert list(trials["objectives"]) == ["accuracy", "flash", "latency_ms"]
    assert report["winner"]["trial"]["number"] in [entry["trial"] for entry in report["front"]]
    points = [merits(entry["int8"], entry, ("flash", "latency")) for entry in report["front"]]
    assert undominated(points) == list(range(len(points)))
    assert "front by accuracy, flash, latency" in done.stdout
    exported = nas_here("export", "run", "--front", "--out", "front", cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr
    for entry in report["front"]:
        built = read(tmp_path / "front" / f"trial-{entry['trial']}" / "report.json")["built"]
        assert (built["flash"]["total"], built["ram"]["total"]) == (entry["flash"], entry["ram"])
    assert nas_here("export", "run:0", "--front", "--out", "no", cwd=tmp_path).returncode == 2
    refused = nas("search", "--objective", "accuracy,beauty", cwd=tmp_path)
    assert refused.returncode == 2
    assert "'beauty'" in refused.stderr
