"""The end of a search: the one look at the test part, the winner's project, the report."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nas.build import build_project
from nas.datasets import Dataset, is_path, load_test, name_of
from nas.executor import Executor
from nas.files import read_json, write_atomically, write_json
from nas.layer_shares import layer_shares
from nas.metrics import describe
from nas.progress import Progress
from nas.run_directory import RunDirectory
from nas.search.finalists import Candidate, Finalist, c_name
from nas.search.preparation import Preparation
from nas.search.settings import SearchSettings, versions
from nas.search.study_source import StudySource
from nas.search.tasks import Tested, graph_from_bytes, test
from nas.streaming import Operation, choose_operation, state_operation, stream_for
from search_spaces import Architecture

if TYPE_CHECKING:
    from codegen.ir import Graph
    from codegen.streaming import Stream

FORMAT = 1
EMULATED = 5_000
"""Test examples that the winner's program is run on at most: emulating 50,000 would take an hour and show nothing new."""
FIGURES = ("ram", "flash", "cycles", "latency_ms", "macs")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a strategy came to: ``strategy`` is ``search`` (the winner) or the name of a baseline."""

    strategy: str
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that is decided when the test part is looked at; ``chosen`` begins with the winner, ``cost_model``
    says how good its promises were."""

    run: RunDirectory
    settings: SearchSettings
    preparation: Preparation
    sources: Sequence[StudySource]
    chosen: Sequence[Chosen]
    finalists: Mapping[str, Finalist]
    cost_model: Mapping[str, Any]


def conclude(outcome: Outcome, executor: Executor, progress: Progress, began: float) -> dict[str, Any]:
    """Test what was chosen, write the winner's project and ``report.json``; returns the report.

    :raises RuntimeError: if the winner's program does not give the reference's outputs on the test part, or on :data:`EMULATED`
        examples of it where there are more.
    """
    metric, winner = outcome.preparation.train_set.metric, outcome.chosen[0]
    operation = _operation(outcome, winner)
    test_set = replace(load_test(outcome.settings.data, outcome.settings.reading), metric=metric)
    uses = _TestUses(outcome.run)
    progress.phase("final test", len(outcome.chosen) + 1)
    tested = _test_all(outcome, executor, test_set, uses, progress)
    figures = {chosen.strategy: _figures(outcome, chosen, tested[chosen.candidate.architecture.id]) for chosen in outcome.chosen}
    emulated = _spread(test_set, EMULATED)
    uses.log("the winner's program in the emulator, bit by bit", winner.candidate.architecture, len(emulated))
    stream = None
    if operation is not None:
        uses.log("false accepts and false rejects of the winner on a stream", winner.candidate.architecture, len(test_set))
        stated = state_operation(operation, _winner_graph(outcome, winner), test_set)
        stream = {"settings": operation.stream.settings.to_json(), "operation": stated}
        figures[winner.strategy]["stream"] = stream
    built = _write_winner(outcome, winner, figures[winner.strategy], emulated, None if operation is None else operation.stream)
    figures[winner.strategy]["built"] = built
    figures[winner.strategy]["predicted"]["layers"] = _predicted_layers(outcome.preparation, winner.candidate.architecture)
    progress.step(f"winner built: {built['inputs']} test inputs in the emulator, {built['mismatches']} differ")
    report = {
        "format": FORMAT,
        "data": _data(outcome, len(test_set)),
        "board": outcome.preparation.board.name,
        "core": outcome.preparation.board.core,
        "limits": outcome.settings.limits.to_json(),
        "studies": {source.label: _study(source) for source in outcome.sources},
        "winner": figures[winner.strategy],
        "baselines": {chosen.strategy: figures[chosen.strategy] for chosen in outcome.chosen[1:]},
        "finalists": [
            {
                "architecture": finalist.architecture,
                "validation": {"metric": metric, "float": finalist.float_accuracy, "int8": finalist.int8_accuracy},
                "predicted": _promise(outcome, finalist),
                "built": {key: finalist.built[key] for key in FIGURES},
                "broken": list(finalist.broken(outcome.settings.limits)),
            }
            for finalist in sorted(outcome.finalists.values(), key=lambda finalist: -finalist.int8_accuracy)
        ],
        "cost_model": dict(outcome.cost_model),
        "test_uses": uses.entries,
        "seconds": round(time.monotonic() - began, 1),
        "versions": versions(),
    }
    write_json(outcome.run.report, report)
    return report


def _promise(outcome: Outcome, finalist: Finalist) -> dict[str, Any]:
    """What was predicted of a finalist before it was trained."""
    preparation = outcome.preparation
    promise = preparation.feasibility.promise(preparation.space.from_params(finalist.params))
    return {key: promise[key] for key in FIGURES}


def _predicted_layers(preparation: Preparation, architecture: Architecture) -> list[dict[str, Any]]:
    """The layers' shares of what was predicted of a network before it was trained."""
    feasibility = preparation.feasibility
    shares = layer_shares(preparation.space.graph(architecture), feasibility.cost_model, feasibility.board)
    return [share.to_json() for share in shares]


class _TestUses:
    """The log of every use of the test part. Written before the use, so that a kill hides none."""

    def __init__(self, run: RunDirectory) -> None:
        self._path = run.path / "test_uses.json"
        self.entries: list[dict[str, Any]] = read_json(self._path)["uses"] if self._path.is_file() else []

    def log(self, purpose: str, architecture: Architecture, examples: int) -> None:
        """Note one use."""
        self.entries.append({"purpose": purpose, "architecture": architecture.id, "examples": examples})
        write_json(self._path, {"format": FORMAT, "uses": self.entries})


def _test_all(outcome: Outcome, executor: Executor, test_set: Dataset, uses: _TestUses, progress: Progress) -> dict[str, Tested]:
    """Test every chosen network once; two strategies may have come to the same one."""
    shared = executor.share(outcome.preparation.validation), executor.share(test_set)
    waiting: dict[int, Chosen] = {}
    seen: set[str] = set()
    for chosen in outcome.chosen:
        architecture = chosen.candidate.architecture
        if architecture.id in seen:
            progress.step(f"{chosen.strategy}: the same network")
            continue
        seen.add(architecture.id)
        run, space = outcome.run, outcome.preparation.space
        weights = run.finalist_file(architecture.id, ".float.safetensors").read_bytes()
        graph = run.finalist_file(architecture.id, ".safetensors").read_bytes()
        who = "the winner" if chosen.strategy == "search" else f"the baseline {chosen.strategy}"
        uses.log(f"{describe(test_set.metric)} of {who}", architecture, len(test_set))
        front_end = outcome.finalists[architecture.id].front_end
        waiting[executor.submit(test, space, space.params(architecture), weights, graph, front_end, *shared)] = chosen
    tested = {}
    while waiting:
        result = executor.wait()
        chosen = waiting.pop(result.ticket)
        if result.error is not None:
            raise RuntimeError(f"the final test of {chosen.strategy} failed: {result.error}")
        tested[chosen.candidate.architecture.id] = result.value
        progress.step(f"{chosen.strategy}: {result.value.int8_accuracy:.2%} int8 on the test data")
    return tested


def _figures(outcome: Outcome, chosen: Chosen, tested: Tested) -> dict[str, Any]:
    candidate = chosen.candidate
    finalist = outcome.finalists[candidate.architecture.id]
    metric = outcome.preparation.train_set.metric
    return {
        "trial": trial_json(candidate.study, candidate.number, candidate.architecture),
        "effort": round(candidate.effort, 3),
        "validation": {
            "metric": metric,
            "screening": candidate.screening,
            "float": finalist.float_accuracy,
            "int8": finalist.int8_accuracy,
            "n": len(outcome.preparation.validation),
        },
        "test": {
            "metric": metric,
            "float": tested.float_accuracy,
            "int8": tested.int8_accuracy,
            "n": tested.examples,
            **tested.details,
        },
        "predicted": outcome.preparation.feasibility.promise(candidate.architecture, outcome.settings.limits),
        "built": dict(finalist.built),
    }


def trial_json(study: str, number: int | None, architecture: Architecture) -> dict[str, Any]:
    """How reports name a trial."""
    params = dict(architecture.values)
    return {"study": study, "number": number, "architecture": architecture.id, "network": architecture.network, "params": params}


def _spread(dataset: Dataset, most: int) -> Dataset:
    """All of the examples, or so many of them at equal distances."""
    return dataset if len(dataset) <= most else dataset.subset(np.arange(most) * len(dataset) // most)


def _winner_graph(outcome: Outcome, winner: Chosen) -> Graph:
    return graph_from_bytes(outcome.run.finalist_file(winner.candidate.architecture.id, ".safetensors").read_bytes())


def _operation(outcome: Outcome, winner: Chosen) -> Operation | None:
    """How the winner listens all the time, by the validation data; None for data that does not go on."""
    graph, validation = _winner_graph(outcome, winner), outcome.preparation.validation
    finalist = outcome.finalists[winner.candidate.architecture.id]
    alone = finalist.built.get("network", finalist.built)
    stream = stream_for(validation, graph, finalist.front_end, alone["latency_ms"])
    return None if stream is None else choose_operation(stream, graph, validation)


def _write_winner(
    outcome: Outcome, winner: Chosen, figures: Mapping[str, Any], test_set: Dataset, stream: Stream | None
) -> dict[str, Any]:
    """Write ``verification/`` and ``winner/``, measured on the test examples in ``test_set``; returns what was measured."""
    from codegen.reference import run as run_reference
    from nas.quantization import quantize_input
    from nas.spectrograms import network_form, program_inputs

    run, settings = outcome.run, outcome.settings
    architecture = winner.candidate.architecture.id
    graph = _winner_graph(outcome, winner)
    front_end = outcome.finalists[architecture].front_end
    taken = quantize_input(graph, network_form(test_set, front_end).x)
    inputs = taken if front_end is None else program_inputs(test_set, front_end)
    expected = run_reference(graph, {graph.inputs[0]: taken})[graph.outputs[0]]
    shutil.rmtree(run.winner, ignore_errors=True)  # of a driver that was killed here
    for name, array in (("inputs", inputs), ("expected", expected)):
        write_atomically(run.path / "verification" / f"{name}.npy", npy_bytes(array))
    report = {
        "limits": settings.limits.to_json(),
        "predicted": figures["predicted"],
        "trial": {"number": winner.candidate.number, "params": dict(winner.candidate.architecture.values)},
        "test": figures["test"],
    }
    if stream is not None:
        report["stream"] = {"operation": figures["stream"]["operation"]}
    if is_path(settings.data):
        report["data"] = test_set.about_input()
    build = build_project(
        graph,
        outcome.preparation.board,
        name=c_name(name_of(settings.data)),
        optimize=settings.optimize,
        report=report,
        directory=run.winner,
        inputs=inputs,
        expect=expected,
        limits=settings.limits,
        front_end=front_end,
        stream=stream,
    )
    if build.verification.mismatches or build.broken:
        shutil.rmtree(run.winner, ignore_errors=True)
        broken = ", ".join(excess.limit for excess in build.broken)
        what = f"breaks the limit on {broken}" if broken else f"gives other outputs on {build.verification.mismatches} test inputs"
        raise RuntimeError(f"the winner's program {what}")
    return build.verification.to_json()


def npy_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """``array`` as the content of a ``.npy`` file."""
    import io

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _data(outcome: Outcome, examples: int) -> dict[str, Any]:
    preparation, settings = outcome.preparation, outcome.settings
    data = preparation.train_set
    about: dict[str, Any] = {
        "name": name_of(settings.data),
        "train": len(data),
        "validation": len(preparation.validation),
        "test": examples,
        "input_shape": list(data.input_shape),
        "classes": list(data.classes),
    }
    if is_path(settings.data):
        about |= {"path": settings.data, "hash": data.hash, "split": data.split, **data.about_input()}
    return about


def _study(source: StudySource) -> dict[str, Any]:
    trials = source.study.get_trials(deepcopy=False)
    completed = source.completed()
    rejections = source.rejections()
    return {
        "sampler": type(source.study.sampler).__name__,
        "trials": len(trials),
        "completed": len(completed),
        "failed": len(trials) - len(completed),
        "best_accuracy": max(trial.value or 0.0 for trial in completed) if completed else None,
        "training_seconds": round(sum(trial.user_attrs.get("seconds", 0.0) for trial in completed), 1),
        "rejected": {"candidates": rejections.pop("candidates", 0), "by_limit": dict(sorted(rejections.items()))},
    }
