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
from nas.evenly_spaced import evenly_spaced
from nas.executor import Executor, unordered_map
from nas.files import read_json, write_atomically, write_json
from nas.layer_shares import layer_shares
from nas.metrics import describe
from nas.progress import Progress
from nas.run_directory import RunDirectory
from nas.streaming import Listening, Operation, choose_operation, state_operation, stream_for
from nas.study.board_search import HAND_DESIGNED, BoardOutcome, Chosen
from nas.study.feasibility import Feasibility
from nas.study.finalists import Finalist, built_figures, c_name, read_judge
from nas.study.hand_designed import design_json
from nas.study.preparation import Preparation
from nas.study.settings import SearchSettings, versions
from nas.study.stopping import early_stops
from nas.study.study_source import StudySource
from nas.study.tasks import Tested, graph_from_bytes, test
from nas.study.teacher import read_teacher
from nas.study.trials import SEARCH
from search_spaces import Architecture

if TYPE_CHECKING:
    from codegen.anomaly import AnomalyDetector
    from codegen.ir import Graph
    from codegen.streaming import Stream

FORMAT = 1
EMULATED = 5_000
"""Test examples that the winner's program is run on at most: emulating 50,000 would take an hour and show nothing new."""
KEYS = (
    *(
        "data",
        "board",
        "core",
        "limits",
        "objectives",
        "studies",
        "augmentation",
        "teacher",
        "refit",
        "weight_bits",
        "boards",
        "without_winner",
        "winner",
        "baselines",
        "without_baseline",
        "front",
        "finalists",
        "cost_model",
    ),
    *("test_uses", "seconds", "versions"),
)
"""Of ``report.json``, in their order: where there are several boards, ``boards`` has what the others lack."""
FIGURES = ("ram", "flash", "cycles", "latency_ms", "macs")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that is decided when the test part is looked at: of the ``boards`` with a winner, and why the others have none."""

    run: RunDirectory
    settings: SearchSettings
    preparation: Preparation
    sources: Sequence[StudySource]
    boards: Sequence[BoardOutcome]
    without_winner: Mapping[str, str]

    def where(self, board: BoardOutcome) -> str:
        """`` on <board>`` where the search is for several."""
        return f" on {board.name}" if len(self.preparation.boards) > 1 else ""


def conclude(outcome: Outcome, executor: Executor, progress: Progress, began: float) -> dict[str, Any]:
    """Test what was chosen, write the winners' projects and ``report.json``; returns the report.

    :raises RuntimeError: if a winner's program does not give the reference's outputs on the test part, or on :data:`EMULATED`
        examples of it where there are more.
    """
    from nas.learning.training import augmentation_words

    metric = outcome.preparation.train_set.metric
    operations = {board.name: _operation(outcome, board) for board in outcome.boards}
    test_set = replace(load_test(outcome.settings.data, outcome.settings.reading), metric=metric)
    uses = _TestUses(outcome.run)
    progress.phase("final test", sum(len(board.chosen) + 1 for board in outcome.boards))
    tested = _test_all(outcome, executor, test_set, uses, progress)
    boards = {
        board.name: _board(outcome, board, operations[board.name], tested, test_set, uses, executor, progress)
        for board in outcome.boards
    }
    several = {"boards": boards, "without_winner": dict(outcome.without_winner)}
    content = {
        "data": _data(outcome, len(test_set)),
        "objectives": [metric, *outcome.settings.costs],
        "studies": {source.label: _study(source, outcome.settings) for source in outcome.sources},
        "augmentation": augmentation_words(outcome.preparation.train_set, outcome.settings.finishing),
        "teacher": read_teacher(outcome.run),
        "refit": outcome.settings.refits,
        "weight_bits": outcome.settings.weight_bits,
        **(several if len(outcome.preparation.boards) > 1 else next(iter(boards.values()))),
        "test_uses": uses.entries,
        "seconds": round(time.monotonic() - began, 1),
        "versions": versions(),
    }
    report = {"format": FORMAT, **{key: content[key] for key in KEYS if key in content}}
    write_json(outcome.run.report, report)
    return report


def _board(
    outcome: Outcome,
    board: BoardOutcome,
    operation: Operation | None,
    tested: Mapping[str, Tested],
    test_set: Dataset,
    uses: _TestUses,
    executor: Executor,
    progress: Progress,
) -> dict[str, Any]:
    """What the report says of a board, whose winner's project is written."""
    winner, metric, where = board.chosen[0], test_set.metric, outcome.where(board)
    figures = {
        chosen.strategy: _figures(outcome, board, chosen, tested[chosen.candidate.architecture.id]) for chosen in board.chosen
    }
    emulated = test_set.subset(evenly_spaced(len(test_set), EMULATED))
    uses.log(f"the winner's program{where} in the emulator, bit by bit", winner.candidate.architecture, len(emulated))
    if operation is not None:
        false = "false accepts and false rejects" if test_set.normal is None else "false and missed alarms"
        purpose = f"{false} of the winner{where} on a stream"
        uses.log(purpose, winner.candidate.architecture, len(test_set))
        stated = state_operation(operation, _winner_graph(outcome, board), test_set)
        figures[winner.strategy]["stream"] = {"settings": operation.stream.to_json()["settings"], "operation": stated}
    stream = None if operation is None else operation.stream
    built = _write_winner(outcome, board, figures[winner.strategy], emulated, stream, executor)
    figures[winner.strategy]["built"] = built
    figures[winner.strategy]["predicted"]["layers"] = _predicted_layers(board.fits, winner.candidate.architecture)
    progress.step(f"winner{where} built: {built['inputs']} test inputs in the emulator, {built['mismatches']} differ")
    return {
        "board": board.name,
        "core": board.fits.board.core,
        "limits": board.fits.limits.to_json(),
        "front": [
            {"trial": candidate.number, "int8": finalist.int8_accuracy, **built_figures(finalist.built)}
            for candidate in board.front
            for finalist in (board.finalists[candidate.architecture.id],)
        ],
        "winner": figures[winner.strategy],
        "baselines": {chosen.strategy: figures[chosen.strategy] for chosen in board.chosen[1:]},
        "without_baseline": dict(board.without),
        "finalists": [
            {
                "architecture": finalist.architecture,
                "validation": {"metric": metric, "float": finalist.float_accuracy, "int8": finalist.int8_accuracy},
                "fine_tuned": finalist.fine_tuned,
                "predicted": _promise(board.fits, finalist),
                "built": {key: finalist.built[key] for key in FIGURES},
                "broken": list(finalist.broken(board.fits.limits)),
            }
            for finalist in sorted(board.finalists.values(), key=lambda finalist: -finalist.int8_accuracy)
        ],
        "cost_model": dict(board.cost_model),
    }


def _promise(fits: Feasibility, finalist: Finalist) -> dict[str, Any]:
    """What was predicted of a finalist before it was trained."""
    promise = fits.promise(fits.space.from_params(finalist.params))
    return {key: promise[key] for key in FIGURES}


def _predicted_layers(fits: Feasibility, architecture: Architecture) -> list[dict[str, Any]]:
    """The layers' shares of what was predicted of a network before it was trained."""
    shares = layer_shares(fits.space.graph(architecture), fits.cost_model, fits.board)
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
    """Test every chosen network once; two strategies or boards may have come to the same one."""
    shared = executor.share(outcome.preparation.validation), executor.share(test_set)
    waiting: dict[int, tuple[str, str]] = {}
    seen: set[str] = set()
    for board in outcome.boards:
        for chosen in board.chosen:
            architecture, name = chosen.candidate.architecture, f"{chosen.strategy}{outcome.where(board)}"
            if architecture.id in seen:
                progress.step(f"{name}: the same network")
                continue
            seen.add(architecture.id)
            run, space = outcome.run, outcome.preparation.space
            weights = run.finalist_file(architecture.id, ".float.safetensors").read_bytes()
            graph = run.finalist_file(architecture.id, ".safetensors").read_bytes()
            who = "the winner" if chosen.strategy == SEARCH else f"the baseline {chosen.strategy}"
            uses.log(f"{describe(test_set.metric)} of {who}{outcome.where(board)}", architecture, len(test_set))
            front_end = board.finalists[architecture.id].front_end
            ticket = executor.submit(test, space, space.params(architecture), weights, graph, front_end, *shared)
            waiting[ticket] = architecture.id, name
    tested = {}
    while waiting:
        result = executor.wait()
        key, name = waiting.pop(result.ticket)
        if result.error is not None:
            raise RuntimeError(f"the final test of {name} failed: {result.error}")
        tested[key] = result.value
        progress.step(f"{name}: {result.value.int8_accuracy:.2%} int8 on the test data")
    return tested


def _figures(outcome: Outcome, board: BoardOutcome, chosen: Chosen, tested: Tested) -> dict[str, Any]:
    candidate = chosen.candidate
    finalist = board.finalists[candidate.architecture.id]
    metric = outcome.preparation.train_set.metric
    drawn = chosen.strategy == HAND_DESIGNED
    return {
        "trial": trial_json(candidate.study, candidate.number, candidate.architecture),
        **({"design": design_json(board.fits.space, candidate.architecture)} if drawn else {}),
        "effort": round(candidate.effort, 3),
        "validation": {
            "metric": metric,
            "screening": candidate.screening,
            "float": finalist.float_accuracy,
            "int8": finalist.int8_accuracy,
            "n": outcome.preparation.validated,
        },
        "test": {
            "metric": metric,
            "float": tested.float_accuracy,
            "int8": tested.int8_accuracy,
            "n": tested.examples,
            **tested.details,
        },
        "predicted": board.fits.promise(candidate.architecture, board.fits.limits),
        "built": dict(finalist.built),
    }


def trial_json(study: str, number: int | None, architecture: Architecture) -> dict[str, Any]:
    """How reports name a trial."""
    params = dict(architecture.values)
    return {"study": study, "number": number, "architecture": architecture.id, "network": architecture.network, "params": params}


def _winner_graph(outcome: Outcome, board: BoardOutcome) -> Graph:
    architecture = board.chosen[0].candidate.architecture
    return graph_from_bytes(outcome.run.finalist_file(architecture.id, ".safetensors").read_bytes())


def _detector(outcome: Outcome, board: BoardOutcome) -> AnomalyDetector | None:
    """What scores the output of the board's winner, by the validation data."""
    from nas.inputs.program_inputs import program_form
    from nas.learning.quantization import fitted_detector

    front_end = board.finalists[board.chosen[0].candidate.architecture.id].front_end
    return fitted_detector(_winner_graph(outcome, board), program_form(outcome.preparation.validation, front_end))


def _operation(outcome: Outcome, board: BoardOutcome) -> Operation | None:
    """How the board's winner listens all the time, by the validation data; None for data that does not go on."""
    validation = outcome.preparation.validation
    finalist = board.finalists[board.chosen[0].candidate.architecture.id]
    alone = finalist.built.get("network", finalist.built)
    stream = stream_for(validation, finalist.front_end, alone["latency_ms"], _detector(outcome, board))
    return None if stream is None else choose_operation(stream, read_judge(outcome.run, finalist), validation)


def _write_winner(
    outcome: Outcome,
    board: BoardOutcome,
    figures: Mapping[str, Any],
    test_set: Dataset,
    stream: Stream | None,
    executor: Executor,
) -> dict[str, Any]:
    """Write ``verification/`` and ``winner/``, measured on the test examples in ``test_set``, which the workers share; returns what
    was measured."""
    from codegen.features import RawInput
    from codegen.reference import run as run_reference
    from nas.inputs.program_inputs import program_form, program_inputs
    from nas.learning.quantization import quantize_input

    settings, place, winner = outcome.settings, board.place, board.chosen[0]
    limits, architecture = board.fits.limits, winner.candidate.architecture.id
    graph = _winner_graph(outcome, board)
    front_end = board.finalists[architecture].front_end
    taken = quantize_input(graph, program_form(test_set, front_end).x)
    inputs = taken if front_end is None else program_inputs(test_set, front_end)
    expected = run_reference(graph, {graph.inputs[0]: taken})[graph.outputs[0]]
    shutil.rmtree(place.winner, ignore_errors=True)  # of a driver that was killed here
    files = {"inputs": inputs, "expected": expected}
    if isinstance(front_end, RawInput):
        files |= {"inputs": taken, "raw": inputs}
    for name, array in files.items():
        write_atomically(place.verification / f"{name}.npy", npy_bytes(array))
    report = {
        "limits": limits.to_json(),
        "predicted": figures["predicted"],
        "trial": {"number": winner.candidate.number, "params": dict(winner.candidate.architecture.values)},
        "test": figures["test"],
    }
    if is_path(settings.data):
        report["data"] = test_set.about_input()
    build = build_project(
        graph,
        board.fits.board,
        name=c_name(name_of(settings.data)),
        optimize=settings.optimize,
        report=report,
        directory=place.winner,
        inputs=inputs,
        expect=expected,
        limits=limits,
        front_end=front_end,
        detector=_detector(outcome, board),
        listen=None if stream is None else lambda _: Listening(stream, figures["stream"]["operation"]),
        spread=unordered_map(executor, "emulation of batch"),
    )
    if build.verification.mismatches or build.broken:
        shutil.rmtree(place.winner, ignore_errors=True)
        broken = ", ".join(violation.limit for violation in build.broken)
        what = f"breaks the limit on {broken}" if broken else f"gives other outputs on {build.verification.mismatches} test inputs"
        raise RuntimeError(f"the winner's program{outcome.where(board)} {what}")
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
        "folds": len(preparation.splits),
        "test": examples,
        "input_shape": list(data.input_shape),
        "classes": list(data.classes),
    }
    if is_path(settings.data):
        about |= {"path": settings.data, "hash": data.hash, "split": data.split, **data.about_input()}
    return about


def _study(source: StudySource, settings: SearchSettings) -> dict[str, Any]:
    trials = source.study.get_trials(deepcopy=False)
    completed, stopped = source.completed(), source.stopped()
    rejections = source.rejections()
    return {
        "sampler": source.sampler,
        "trials": len(trials),
        "completed": len(completed),
        "failed": len(trials) - len(completed) - len(stopped),
        "early_stops": early_stops(trials, settings.screening.epochs).to_json(),
        "best_accuracy": max(trial.value or 0.0 for trial in completed) if completed else None,
        "training_seconds": round(sum(trial.user_attrs.get("seconds", 0.0) for trial in [*completed, *stopped]), 1),
        "rejected": {"candidates": rejections.pop("candidates", 0), "by_limit": dict(sorted(rejections.items()))},
    }
