"""The pruners under Optuna, with curves that need no training."""

from __future__ import annotations

import random

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState

from nas.pruners import HalvingPruner, MedianPruner, RungPruner
from nas.samplers import values_of

EPOCHS = 8
RUNGS = (2, 4)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def curve(quality: float) -> dict[int, float]:
    return {epoch: quality * (1 - 0.5**epoch) for epoch in range(1, EPOCHS + 1)}


def objective(trial: optuna.Trial) -> float:
    for epoch, value in curve(trial.suggest_float("quality", 0, 1)).items():
        trial.report(value, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def study_of(pruner: RungPruner, direction: str = "maximize") -> optuna.Study:
    return optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1), pruner=pruner, direction=direction)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize(("pruner", "least", "most"), [(MedianPruner(RUNGS), 0.35, 0.6), (HalvingPruner(RUNGS), 0.5, 0.85)])
def test_they_stop_the_worse_trials_of_any_study(pruner: RungPruner, least: float, most: float, direction: str) -> None:
    study = study_of(pruner, direction)
    study.optimize(objective, n_trials=120)
    stopped = [trial for trial in study.trials if trial.state == TrialState.PRUNED]
    completed = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert least < len(stopped) / 120 < most
    assert all(trial.last_step in RUNGS and trial.number >= pruner.startup for trial in stopped)
    worse = np.mean([trial.params["quality"] for trial in stopped]) - np.mean([t.params["quality"] for t in completed])
    assert worse < -0.2 if direction == "maximize" else worse > 0.2
    assert study.best_trial in completed


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(2, 4))
def test_thresholds_are_quantiles_of_those_before(qualities: list[float], factor: int) -> None:
    """A trial that is the best so far goes on; where all end alike, nobody is stopped."""
    for pruner in (MedianPruner(RUNGS), HalvingPruner(RUNGS, reduction_factor=factor)):
        study = study_of(pruner)
        for quality in qualities:
            study.add_trial(optuna.create_trial(value=quality, intermediate_values=curve(quality)))
        study.ask()
        found = pruner.thresholds(study, study.trials[-1])
        if len(qualities) < pruner.startup:
            assert found == {}
            continue
        best = curve(max(qualities))
        assert all(found[rung] <= best[rung] for rung in RUNGS)
        reached = [sum(curve(quality)[rung] >= found[rung] for quality in qualities) for rung in RUNGS]
        share = 2 if isinstance(pruner, MedianPruner) else factor
        assert all(count >= (len(qualities) + 1) // share for count in reached)


def test_what_is_under_way_is_not_asked() -> None:
    """With a lag the thresholds are the same in whatever order trials end."""

    def run(shuffle: int) -> list[tuple[float, str, dict[int, float]]]:
        study, under_way = study_of(pruner := MedianPruner(RUNGS, lag=4)), dict[int, tuple[float, dict[int, float]]]()
        rng, order = np.random.default_rng(3), random.Random(shuffle)
        asked = 0
        while asked < 40 or under_way:
            if asked < 40 and not any(number <= asked - 4 for number in under_way) and order.random() < 0.6:
                trial = study.ask()
                under_way[asked] = float(rng.random()), pruner.thresholds(study, study.trials[asked])
                asked += 1
            elif under_way:
                number = order.choice(sorted(under_way))
                quality, thresholds = under_way.pop(number)
                trial = optuna.Trial(study, study.trials[number]._trial_id)
                for epoch, value in curve(quality).items():
                    trial.report(value, epoch)
                    if epoch in thresholds and value < thresholds[epoch]:
                        assert trial.should_prune()  # which Optuna may ask as well
                        study.tell(trial, state=TrialState.PRUNED)
                        break
                    assert not trial.should_prune()
                else:
                    study.tell(trial, value)
        return [(trial.value or 0.0, trial.state.name, trial.intermediate_values) for trial in study.trials]

    first = run(1)
    assert {state for _, state, _ in first} == {"PRUNED", "COMPLETE"}
    assert run(2) == run(3) == first


def test_a_trial_is_judged_by_those_that_cost_no_more() -> None:
    """Accuracy grows with cost; the cheap ones are on the front and must not be stopped for being less accurate."""

    def cost(trial: FrozenTrial) -> tuple[float, ...]:
        return (float(trial.user_attrs["cost"]),)

    pruner = MedianPruner(RUNGS, contests=[cost])
    study = study_of(pruner)
    for number in range(20):
        attributes, quality = {"cost": 1 + number}, 0.3 + 0.03 * number
        study.add_trial(optuna.create_trial(value=quality, intermediate_values=curve(quality), user_attrs=attributes))

    def thresholds(cost: float) -> dict[int, float]:
        trial = study.ask()
        trial.set_user_attr("cost", cost)
        return pruner.thresholds(study, study.trials[-1])

    assert thresholds(4.5) == {}  # too few to tell
    cheap, costly = thresholds(8), thresholds(20)
    assert cheap[2] < curve(0.3 + 0.03 * 7)[2] < costly[2]


def test_a_trial_may_win_in_any_contest() -> None:
    """It is stopped where it is hopeless on every board that it fits on."""

    def on(board: str, trial: FrozenTrial) -> tuple[float, ...] | None:
        return () if board in trial.user_attrs["fits"] else None

    pruner = MedianPruner(RUNGS, contests=[lambda trial: on("large", trial), lambda trial: on("small", trial)])
    study = study_of(pruner)
    for number in range(20):
        fits, quality = (["large"], 0.9) if number % 2 else (["large", "small"], 0.4)
        study.add_trial(optuna.create_trial(value=quality, intermediate_values=curve(quality), user_attrs={"fits": fits}))

    def thresholds(*fits: str) -> dict[int, float]:
        trial = study.ask()
        trial.set_user_attr("fits", fits)
        return pruner.thresholds(study, study.trials[-1])

    assert thresholds("large")[2] == curve(0.9)[2]
    assert thresholds("small") == thresholds("large", "small") == {rung: curve(0.4)[rung] for rung in RUNGS}
    assert thresholds() == {}


def test_what_a_stopped_trial_is_taken_for() -> None:
    """Its last value and what the completed ones gained from there; nothing where no other was there, or it came to nothing."""

    def stopped(*values: float) -> FrozenTrial:
        return optuna.create_trial(state=TrialState.PRUNED, intermediate_values=dict(enumerate(values, start=1)))

    completed = [
        optuna.create_trial(value=end, intermediate_values={1: 0.4, 2: 0.6}) for end in (0.7, 0.8, 0.9)
    ]  # which gained 0.2 from the second step on, by the median
    failed = optuna.create_trial(state=TrialState.FAIL)
    others = [stopped(0.3, 0.35), stopped(0.1), stopped(0.1, 0.2, 0.3), stopped(0.2, float("nan")), failed]
    values = values_of([*completed, *others])
    assert values[:3] == [0.7, 0.8, 0.9]
    assert values[3:5] == pytest.approx([0.55, 0.5])
    assert values[5:] == [None, None, None]
    assert values_of(others) == [None] * len(others)


def test_trainings_too_short_for_rungs_are_never_stopped() -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trials([optuna.trial.create_trial(value=float(n), intermediate_values={1: float(n)}) for n in range(9)])
    trial = study.ask()
    assert MedianPruner(()).thresholds(study, study.get_trials()[trial.number]) == {}


def test_bad_arguments() -> None:
    for bad in ({"rungs": (4, 2)}, {"rungs": (0, 1)}, {"rungs": RUNGS, "lag": 0}, {"rungs": RUNGS, "contests": ()}):
        with pytest.raises(ValueError, match="must be"):
            MedianPruner(**bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reduction_factor"):
        HalvingPruner(RUNGS, reduction_factor=1)
