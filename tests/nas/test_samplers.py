"""The samplers under Optuna, with a feasibility check on multiply-accumulates and a score that needs no training."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from functools import partial

import optuna
import pytest

from codegen.ir import total_macs
from nas.samplers import (
    EvolutionSampler,
    FeasibleSampler,
    GPFeasibleSampler,
    NoFeasibleArchitectureError,
    NSGAIIFeasibleSampler,
    PredictorSampler,
    ProposingSampler,
    RandomFeasibleSampler,
    TPEFeasibleSampler,
    TurnsSampler,
    suggest_architecture,
)
from search_spaces import Architecture, ImageSpace

SPACE = ImageSpace((8, 8, 1), 10)
Make = Callable[..., FeasibleSampler]
ALL = [
    RandomFeasibleSampler,
    EvolutionSampler,
    partial(PredictorSampler, startup=4, candidates=30),
    TPEFeasibleSampler,
    partial(NSGAIIFeasibleSampler, population=6),
]


def fits(architecture: Architecture) -> tuple[str, ...]:
    return ("macs",) if total_macs(SPACE.graph(architecture)) > 60_000 else ()


def score(architecture: Architecture) -> float:
    """Best near the limit."""
    return total_macs(SPACE.graph(architecture)) / 60_000


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def run(sampler: ProposingSampler, trials: int, lag: int = 1, shuffle: int | None = None) -> list[str]:
    """Keeps up to ``lag`` trials under way, ends them in a random order, and returns the networks in order of their number."""
    study = optuna.create_study(sampler=sampler, direction="maximize")
    rng = random.Random(shuffle)
    under_way: dict[int, Architecture] = {}
    networks = []
    while len(networks) < trials or under_way:
        may_ask = len(networks) < trials and not any(number <= len(networks) - lag for number in under_way)
        if may_ask and (shuffle is None or rng.random() < 0.5 or not under_way):
            trial = study.ask()
            under_way[trial.number] = suggest_architecture(trial, SPACE)
            networks.append(under_way[trial.number].id)
        else:
            number = rng.choice(sorted(under_way)) if shuffle is not None else min(under_way)
            study.tell(number, score(under_way.pop(number)))
    return networks


@pytest.mark.parametrize("make", ALL)
def test_every_proposal_is_feasible_and_new(make: Make) -> None:
    study = optuna.create_study(sampler=make(SPACE, fits, seed=1), direction="maximize")
    seen = []
    for _ in range(25):
        trial = study.ask()
        architecture = suggest_architecture(trial, SPACE)
        assert fits(architecture) == ()
        seen.append(architecture.id)
        study.tell(trial, score(architecture))
    assert len(set(seen)) == len(seen)
    assert [trial.number for trial in study.trials] == list(range(25))


@pytest.mark.parametrize("make", ALL)
def test_the_same_seed_gives_the_same_networks(make: Make) -> None:
    first, again, other = (run(make(SPACE, fits, seed=seed), 14) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("shuffle", [1, 2, 3])
def test_the_order_in_which_trials_end_makes_no_difference(make: Make, shuffle: int) -> None:
    in_order = run(make(SPACE, fits, seed=5, lag=4), 24, lag=4)
    shuffled = run(make(SPACE, fits, seed=5, lag=4), 24, lag=4, shuffle=shuffle)
    assert shuffled == in_order


@pytest.mark.parametrize("make", ALL)
def test_a_search_may_begin_with_given_networks(make: Make) -> None:
    """With those that fit, each once, and then as without them."""
    *wide, first, second = SPACE.hand_designed()
    assert fits(wide[0])
    assert not fits(first)
    networks = run(make(SPACE, fits, seed=1, lag=3, first=(wide[0], first, first, second)), 12, lag=3)
    assert networks[:2] == [first.id, second.id]
    assert len(set(networks)) == len(networks)
    assert networks[2:4] == run(make(SPACE, fits, seed=1, lag=3), 4, lag=3)[2:]


@pytest.mark.slow
def test_optunas_gaussian_process_keeps_the_same_rules() -> None:
    """Its proposals take about a second each, after ten random ones."""
    networks = run(GPFeasibleSampler(SPACE, fits, seed=1, lag=2), 15, lag=2)
    assert len(set(networks)) == 15
    assert run(GPFeasibleSampler(SPACE, fits, seed=1, lag=2), 15, lag=2, shuffle=1) == networks


@pytest.mark.parametrize("make", [RandomFeasibleSampler, EvolutionSampler, partial(PredictorSampler, startup=4, candidates=30)])
def test_samplers_that_take_turns_keep_their_own_limits(make: Make) -> None:
    def tight(architecture: Architecture) -> tuple[str, ...]:
        return ("macs",) if total_macs(SPACE.graph(architecture)) > 6_000 else ()

    def turns(lag: int = 1) -> TurnsSampler:
        return TurnsSampler([make(SPACE, limits, seed=7, lag=lag) for limits in (fits, tight)])

    study = optuna.create_study(sampler=(sampler := turns()), direction="maximize")
    macs = []
    for number in range(24):
        proposal = sampler.propose(study, number)
        assert sampler.propose(study, number) is proposal
        architecture = suggest_architecture(study.ask(), SPACE)
        assert architecture == proposal.architecture
        macs.append(total_macs(SPACE.graph(architecture)))
        study.tell(number, score(architecture))
    assert max(macs[1::2]) <= 6_000 < max(macs[::2]) <= 60_000
    assert len({trial.params.values() for trial in study.trials}) == 24
    assert run(turns(3), 20, lag=3, shuffle=1) == run(turns(3), 20, lag=3)


def test_a_sampler_that_finds_nothing_leaves_its_turns_to_the_others() -> None:
    none = RandomFeasibleSampler(SPACE, lambda architecture: ("ram",), seed=0, most_draws=50)
    some = RandomFeasibleSampler(SPACE, fits, seed=0, most_draws=50)
    study = optuna.create_study(sampler=TurnsSampler([none, some]), direction="maximize")
    study.optimize(lambda trial: score(suggest_architecture(trial, SPACE)), n_trials=3)
    assert [fits(SPACE.from_params(trial.params)) for trial in study.trials] == [(), (), ()]
    with pytest.raises(NoFeasibleArchitectureError, match="limit on ram"):
        TurnsSampler([none, none]).propose(study, 3)


def test_evolution_begins_as_random_search_and_then_leaves_it() -> None:
    evolution, chance = (
        run(EvolutionSampler(SPACE, fits, seed=2, population=6), 16),
        run(RandomFeasibleSampler(SPACE, fits, seed=2), 16),
    )
    assert evolution[:6] == chance[:6]
    assert not set(evolution[6:]) & set(chance[6:])


def test_evolution_climbs() -> None:
    def best(sampler: FeasibleSampler) -> float:
        study = optuna.create_study(sampler=sampler, direction="maximize")
        study.optimize(lambda trial: -abs(score(suggest_architecture(trial, SPACE)) - 0.5), n_trials=40)
        return study.best_value

    seeds = range(6)
    evolution = sum(best(EvolutionSampler(SPACE, fits, seed=s, population=8, tournament=4)) for s in seeds)
    chance = sum(best(RandomFeasibleSampler(SPACE, fits, seed=s)) for s in seeds)
    assert evolution > chance


def test_the_predictor_begins_as_random_search_and_then_leaves_it() -> None:
    predictor, chance = (
        run(PredictorSampler(SPACE, fits, seed=2, startup=6, candidates=30), 12),
        run(RandomFeasibleSampler(SPACE, fits, seed=2), 12),
    )
    assert predictor[:6] == chance[:6]
    assert not set(predictor[6:]) & set(chance[6:])


def test_the_predictor_beats_evolution_where_trainings_are_noisy() -> None:
    """The target is a number of multiply-accumulates, which neither is told; some luck is added to every value."""

    def noisy(architecture: Architecture) -> float:
        luck = int(architecture.id, 16) % 1000 / 1000 - 0.5
        return -abs(score(architecture) - 0.5) + 0.1 * luck

    def mean_distance(sampler: FeasibleSampler) -> float:
        study = optuna.create_study(sampler=sampler, direction="maximize")
        distances = []
        for _ in range(40):
            trial = study.ask()
            architecture = suggest_architecture(trial, SPACE)
            distances.append(abs(score(architecture) - 0.5))
            study.tell(trial, noisy(architecture))
        return sum(distances[20:])

    seeds = range(4)
    predictor = sum(mean_distance(PredictorSampler(SPACE, fits, seed=s, candidates=40)) for s in seeds)
    evolution = sum(mean_distance(EvolutionSampler(SPACE, fits, seed=s, population=10, tournament=5)) for s in seeds)
    assert predictor < evolution


def test_a_predictor_without_knowledge_of_costs_or_direction_works_alike() -> None:
    """Minimising is maximising the opposite."""
    for direction, sign in (("maximize", 1.0), ("minimize", -1.0)):
        sampler = PredictorSampler(SPACE, fits, seed=1, startup=4, candidates=30, costs=lambda a: (total_macs(SPACE.graph(a)),))
        study = optuna.create_study(sampler=sampler, direction=direction)
        study.optimize(lambda trial, sign=sign: sign * score(suggest_architecture(trial, SPACE)), n_trials=16)
        assert abs(study.best_value) > 0.8


@pytest.mark.parametrize("make", ALL)
def test_a_small_space_is_proposed_whole_and_then_ends(make: Make) -> None:
    options = {name: choices[:1] for name, choices in SPACE.choices().items()}
    options |= {"stem_channels": SPACE.choices()["stem_channels"][:3], "stage1_channels": SPACE.choices()["stage1_channels"][:4]}
    space = SPACE.restricted(options)
    everything = {a.id for a in space.enumerate()}
    study = optuna.create_study(sampler=(sampler := make(space, lambda a: (), seed=0, most_draws=2000)), direction="maximize")
    seen = []
    for number in range(len(everything)):
        sampler.propose(study, number)
        trial = study.ask()
        seen.append(suggest_architecture(trial, space).id)
        study.tell(trial, float(number % 3))
    assert sorted(seen) == sorted(everything)
    with pytest.raises(NoFeasibleArchitectureError, match="exhausted"):
        sampler.propose(study, len(everything))


def test_rejections_are_counted_by_limit() -> None:
    study = optuna.create_study(sampler=(sampler := RandomFeasibleSampler(SPACE, fits, seed=0)), direction="maximize")
    proposals = []
    for number in range(8):
        proposals.append(sampler.propose(study, number))
        assert len(study.trials) == number  # a rejected candidate takes no trial number
        trial = study.ask()
        assert suggest_architecture(trial, SPACE) == proposals[-1].architecture
        study.tell(trial, 0.0)
    rejected = sum(proposal.candidates_rejected for proposal in proposals)
    assert rejected > 0
    assert sum(proposal.rejected_by.get("macs", 0) for proposal in proposals) == rejected


def test_a_limit_that_few_networks_keep_is_met_by_walking_from_the_smallest() -> None:
    smallest = total_macs(SPACE.graph(SPACE.smallest()))

    def tight(architecture: Architecture) -> tuple[str, ...]:
        return ("macs",) if total_macs(SPACE.graph(architecture)) > 2 * smallest else ()

    networks = run(RandomFeasibleSampler(SPACE, tight, seed=0), 4)
    assert len(set(networks)) == 4


@pytest.mark.parametrize("make", ALL)
def test_giving_up_names_the_limit_that_rejects_most(make: Make) -> None:
    def never(architecture: Architecture) -> tuple[str, ...]:
        return ("flash",) if total_macs(SPACE.graph(architecture)) % 3 else ("flash", "ram")

    study = optuna.create_study(sampler=(sampler := make(SPACE, never, seed=0, most_draws=50)), direction="maximize")
    with pytest.raises(NoFeasibleArchitectureError, match="flash"):
        sampler.propose(study, 0)
    assert study.trials == []


def test_failed_trials_are_not_tried_again() -> None:
    study = optuna.create_study(sampler=EvolutionSampler(SPACE, fits, seed=7, population=3, tournament=2), direction="maximize")
    seen = []
    for number in range(12):
        trial = study.ask()
        seen.append(suggest_architecture(trial, SPACE).id)
        if number % 3:
            study.tell(trial, float(number))
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert len(set(seen)) == 12


def test_any_optuna_sampler_can_search_the_space() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0), direction="maximize")
    study.optimize(lambda trial: score(suggest_architecture(trial, SPACE)), n_trials=12)
    assert len(study.trials) == 12
