"""Refit: what is built has learnt the validation data, what is said of these comes from the same network before that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from graph_weights import weights
from safetensors.torch import load

from codegen.errors import UserError
from nas.datasets import Split
from nas.executor import SerialExecutor
from nas.learning.quantization import quantize_network
from nas.learning.training import Recipe
from nas.progress import SilentProgress
from nas.run_directory import RunDirectory
from nas.study.finalists import Candidate, FinalistStage, read_judge
from nas.study.preparation import load_splits, prepare
from nas.study.settings import read_run_settings
from nas.study.tasks import graph_from_bytes, train_and_quantize, training_seed

pytestmark = pytest.mark.usefixtures("one_thread")
BOARD = "nucleo-l4r5zi"


def test_what_is_built_learnt_all_and_what_is_judged_did_not(unfinished: RunDirectory) -> None:
    short = Recipe(epochs=1)
    settings = replace(read_run_settings(unfinished), distill=False, refit=True, finishing=short, quantization=short)
    preparation = prepare(settings)
    space, architecture = preparation.space, preparation.space.smallest()
    (data,) = preparation.splits
    stage = FinalistStage(unfinished, settings, preparation, SerialExecutor(), preparation.splits, SilentProgress())
    stage.finish({BOARD: [Candidate("search", 0, architecture, None, effort=0.5)]})
    finalist = stage.done[BOARD][architecture.id]
    assert finalist.refit

    seed = training_seed(settings.seed, architecture.id)
    plain = train_and_quantize(space, space.params(architecture), [data], short, short, seed, "digits")
    everything = data[0].joined(data[1])
    assert len(everything) == len(data[0]) + len(data[1])
    more = train_and_quantize(space, space.params(architecture), [Split(everything, data.validation)], short, short, seed, "digits")
    built = graph_from_bytes(unfinished.finalist_file(architecture.id, ".safetensors").read_bytes())
    judge = read_judge(unfinished, finalist)
    assert weights(judge.graph) == weights(plain.int8.graph) != weights(built)
    module = space.module(architecture)
    module.load_state_dict(load(more.checkpoint))
    how = short if plain.int8.fine_tuned else replace(short, epochs=0)
    assert weights(built) == weights(quantize_network(module, everything, how, seed, "digits"))
    assert (finalist.float_accuracy, finalist.fine_tuned) == (plain.float_accuracy, plain.int8.fine_tuned)
    assert finalist.built["flash"]["total"] > 0


def test_detectors_of_anomalies_are_not_refit(tried: Path, data_dir: Path) -> None:
    valve = str(data_dir / "skab_valve" / "skab_windows.npz")
    settings = replace(read_run_settings(RunDirectory.open(tried)), distill=False, data=valve)
    assert not settings.refit  # as the files of versions that knew none of it say
    with pytest.raises(UserError, match="--refit: is of classifiers"):
        load_splits(replace(settings, refit=True))
    assert load_splits(settings)[0][0].train_set.normal is not None
