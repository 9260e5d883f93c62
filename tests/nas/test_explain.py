"""Why something fits or does not: the binding limit, the layer to blame, and changes that really fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.boards import load_board
from cost_models import Limits, load_cost_model
from nas.cli import cli
from nas.layer_shares import layer_shares
from nas.run_directory import RunDirectory
from nas.study.changes import in_words, nearest_changes
from nas.study.explanation import explain
from nas.study.explanation_text import explanation_text
from nas.study.feasibility import Feasibility
from search_spaces import Architecture, DenseSpace, ImageSpace, SearchSpace, TimeSeriesSpace

BOARD = load_board("nucleo-l4r5zi")
IMAGES = ImageSpace((16, 16, 3), 10, resolutions=(8, 16), grey=True).restricted(
    {"stages": (1, 2), "stage1_depth": (1,), "stage2_depth": (1,), "stem_channels": (4, 8, 16), "stage1_channels": (4, 16, 32)}
)
SERIES = TimeSeriesSpace(64, 3, 5).restricted({"stages": (1,)})
DENSE = DenseSpace((1, 1, 20), 4).restricted(
    {"layers": (1, 2, 3), "layer1_width": (8, 16, 32), "layer2_width": (8, 16), "layer3_width": (8, 16)}
)
SPACES: list[SearchSpace] = [IMAGES, SERIES, DENSE]


def feasibility(space: SearchSpace, **limits: int) -> Feasibility:
    return Feasibility(space, load_cost_model(BOARD.core), BOARD, Limits(**limits), 0.95)


def sampled(space: SearchSpace, seed: int) -> Architecture:
    return space.sample(np.random.default_rng(seed))


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(SPACES), st.integers(0, 10_000), st.sampled_from(["ram", "flash"]), st.floats(0.4, 1.1))
def test_offered_changes_fit_and_none_nearer_does(space: SearchSpace, seed: int, limit: str, share: float) -> None:
    architecture = sampled(space, seed)
    needed = feasibility(space).predict(architecture)
    bound = int(share * (needed.ram.total if limit == "ram" else needed.flash.high))
    fits = feasibility(space, **{limit: bound})
    explanation = explain(fits, architecture)
    assert explanation.fits is not fits(architecture)
    if explanation.fits:
        assert explanation.changes == ()
        return
    for change in explanation.changes:
        assert fits(change.architecture) == ()
        values = dict(change.architecture.values)
        for step in change.steps:
            assert values[step.name] == step.new != step.old == architecture.parameters[step.name]
    # Every single change by hand: where one fits, pairs are not offered, and no nearer one was missed.
    single = {}
    for name, value in architecture.values:
        options = space.choices()[name]
        for option in options:
            changed = space.changed(architecture, {name: option})
            if changed != architecture and not fits(changed):
                distance = 1 if isinstance(value, str) else abs(options.index(option) - options.index(value))
                single[changed] = min(distance, single.get(changed, distance))
    if single:
        assert {len(change.steps) for change in explanation.changes} == {1}
        assert explanation.changes[0].distance == min(single.values())
        assert len(explanation.changes) == min(3, len(single))
    else:
        assert {len(change.steps) for change in explanation.changes} <= {2}


def test_pairs_are_offered_where_no_single_change_fits() -> None:
    space = DENSE
    architecture = space.from_params({"layers": 3, "layer1_width": 32, "layer2_width": 16, "layer3_width": 16})
    whole = feasibility(space)
    loosest = whole.predict(architecture).flash.high

    def least(size: int) -> float:
        """Flash of the smallest network that so many changes lead to."""
        options = [(name, option) for name, _ in architecture.values for option in space.choices()[name]]
        groups = [dict(group) for group in combinations(options, size) if len(dict(group)) == size]
        return min(whole.predict(space.changed(architecture, group)).flash.high for group in groups)

    one, two = least(1), least(2)
    assert two < one < loosest
    changes = nearest_changes(feasibility(space, flash=int((one + two) / 2)), architecture)
    assert changes
    assert all(len(change.steps) == 2 for change in changes)
    assert nearest_changes(feasibility(space, flash=int(two) - 1), architecture) == []
    assert " and " in str(changes[0])


def test_the_layer_to_blame_is_the_one_that_takes_most() -> None:
    space = IMAGES
    architecture = sampled(space, 3)
    prediction = feasibility(space).predict(architecture)
    explanation = explain(feasibility(space, ram=prediction.ram.total - 1, flash=10**6), architecture)
    shares = layer_shares(space.graph(architecture), load_cost_model(BOARD.core), BOARD)
    fullest = max(shares, key=lambda share: share.ram)
    assert fullest.ram == prediction.ram.arena  # what the arena is as large as
    assert explanation.figures[0].limit == "ram"
    assert explanation.figures[0].broken
    assert explanation.largest("ram")[0].ram == fullest.ram
    assert explanation.largest("latency")[0].cycles == max(share.cycles for share in shares)
    assert sum(share.constants for share in shares) < prediction.flash.value
    text = explanation_text(explanation, "it")
    first, second, third = text.splitlines()[:3]
    assert first == "it does not fit nucleo-l4r5zi"
    assert second.startswith("RAM ")
    assert f"most in {fullest.name} ({fullest.op})" in second
    assert third.endswith(", fits")


def test_what_is_built_counts_more_than_what_was_predicted() -> None:
    space = SERIES
    architecture = sampled(space, 5)
    prediction = feasibility(space).predict(architecture)
    fits = feasibility(space, ram=prediction.ram.total)
    built = {
        "ram": {"total": int(1.2 * prediction.ram.total)},
        "flash": {"total": 1000},
        "latency_ms": 1.0,
        "macs": prediction.macs,
    }
    assert explain(fits, architecture).fits
    explanation = explain(fits, architecture, built)
    assert not explanation.fits
    assert explanation.changes
    for change in explanation.changes:
        assert fits.predict(change.architecture).ram.total * 1.2 <= 1.001 * prediction.ram.total


def test_parameters_in_words() -> None:
    assert in_words("stage2_expansion") == "stage 2 expansion"
    assert in_words("stem_channels") == "stem channels"
    assert in_words("resolution") == "resolution"


def nas(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="nas")


def test_a_trial_of_a_run(unfinished: RunDirectory) -> None:
    result = nas("explain", f"{unfinished.path}:4")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("trial 4 fits nucleo-l4r5zi\n")
    assert "the search rejected " in result.output
    tight = nas("explain", f"{unfinished.path}:4", "--budget", "700", "--json")
    about = json.loads(tight.output)
    assert tight.exit_code == 1
    assert about["trial"] == "trial 4"
    assert not about["fits"]
    assert about["binding"] == "ram"
    assert about["figures"]["ram"]["limit"] == 700
    assert about["figures"]["flash"]["limit"] == 24576
    assert about["changes"]
    assert about["rejected"]["candidates"] >= max(about["rejected"]["by_limit"].values())
    assert set(about["layers"][0]) == {"name", "op", "macs", "ram", "code", "constants", "cycles"}


def test_a_run_alone_means_its_best_trial(unfinished: RunDirectory) -> None:
    from nas.report.evidence import Evidence

    best = max(Evidence(unfinished).of_study("search"), key=lambda trial: trial.accuracy)
    assert nas("explain", str(unfinished.path)).output.startswith(f"trial {best.number} fits")


def test_bad_sources_are_one_line(unfinished: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"")
    for source, words in (
        ("none", "no such run"),
        (f"{unfinished.path}:99", "no such trial"),
        (str(tmp_path / "model.tflite"), "nas predict"),
    ):
        result = nas("explain", source)
        assert result.exit_code == 2
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
    unfinished.journal.write_bytes(b"")
    assert "no trial was made yet" in nas("explain", str(unfinished.path)).stderr


@pytest.mark.slow
def test_a_winner_is_explained_as_built(finished: RunDirectory) -> None:
    report = json.loads(finished.report.read_text())
    about = json.loads(nas("explain", str(finished.path), "--json").output)
    assert about["fits"]
    assert about["architecture"] == report["winner"]["trial"]["architecture"]
    assert about["figures"]["ram"]["built"] == report["winner"]["built"]["ram"]["total"]
    assert about["layers"] == report["winner"]["predicted"]["layers"]
    assert " built " in nas("explain", str(finished.path)).output


def test_features_of_sounds_are_a_share_of_their_own(unpacked: Callable[[str], Path]) -> None:
    from nas.datasets import Reading, load_train
    from nas.study.preparation import front_ends_for, space_for

    data = load_train(str(unpacked("fsdd")), Reading())
    space, board = space_for(data), load_board("nucleo-l4r5zi")
    fits = Feasibility(space, load_cost_model(board.core), board, Limits(ram=8192), 0.95, front_ends_for(data))
    architecture = space.smallest()
    explanation = explain(fits, architecture)
    features, *layers = explanation.layers
    whole, network = fits.predict(architecture), fits.network(architecture)
    assert features.name == "features"
    assert features.flash == round(whole.flash.value - network.flash.value) > 0
    assert tuple(layers) == layer_shares(space.graph(architecture), load_cost_model(board.core), board)
    built = {"ram": {"total": 9000}, "flash": {"total": 1000}, "latency_ms": 1.0, "macs": whole.macs}
    broken = explain(fits, architecture, built)
    for change in broken.changes:  # judged with their features, not as networks alone
        assert fits.predict(change.architecture).ram.total * 9000 / whole.ram.total <= 1.001 * 8192
