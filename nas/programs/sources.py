"""What ``nas export`` and ``nas predict`` take: a run, one of its trials, or an int8 ``.tflite`` file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.errors import UserError
from nas.datasets import is_path, name_of
from nas.run_directory import RunDirectory
from nas.study.board_report import board_names, pick_board, read_report_on, report_on
from nas.study.finalists import Finalist, c_name, read_finalist, read_judge
from nas.study.settings import SearchSettings, read_run_settings
from nas.study.trials import read_trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codegen.anomaly import AnomalyDetector
    from codegen.features import Preprocessing
    from codegen.ir import Graph
    from nas.streaming import Judge, Listen


@dataclass(frozen=True, slots=True)
class Source:
    """A network from somewhere: ``run`` with an optional trial ``number`` (None: the winner), or a model file at ``path``."""

    text: str
    run: RunDirectory | None = None
    number: int | None = None
    path: Path | None = None

    @property
    def name(self) -> str:
        """The prefix of the C symbols."""
        if self.path is not None:
            return c_name(self.path.stem)
        assert self.run is not None
        return c_name(name_of(read_run_settings(self.run).data))


@dataclass(frozen=True, slots=True)
class Trained:
    """An int8 graph with what makes its input of raw numbers, if anything does, and what scores its output, if it detects
    anomalies; where they are known, inputs of the built program from the data, and what a report says of its origin; ``listen``
    tells how it listens all the time, if it can."""

    graph: Graph
    inputs: NDArray[Any] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    front_end: Preprocessing | None = None
    detector: AnomalyDetector | None = None
    listen: Listen | None = None


def find_source(text: str) -> Source:
    """Parse ``SOURCE``.

    :raises UserError: if it is no run, trial or model file.
    """
    path = Path(text)
    if path.suffix.lower() == ".tflite":
        if not path.is_file():
            raise UserError(f"{text}: no such file")
        return Source(text, path=path)
    if path.is_dir():
        return Source(text, run=RunDirectory.open(path))
    head, colon, tail = text.rpartition(":")
    if colon and Path(head).is_dir():
        if not tail.isascii() or not tail.isdigit():
            raise UserError(f"{text}: {tail!r} is not the number of a trial; write {head}:7")
        return Source(text, run=RunDirectory.open(Path(head)), number=int(tail))
    if path.exists():
        raise UserError(f"{text}: not a run directory or an int8 .tflite file")
    raise UserError(f"{text}: no such run, trial (RUN:7) or .tflite file")


def shapes(source: Source, board: str | None = None) -> Trained:
    """The source's graph, for which shapes are enough, and its front end: nothing is trained. ``board`` as for :func:`trained`."""
    if source.path is not None:
        return Trained(_imported(source))
    assert source.run is not None
    settings = read_run_settings(source.run)
    if source.number is None:
        report = read_report_on(source.run, pick_board(source.run, settings, board))
        return _stored(source.run, settings, report["winner"]["trial"]["architecture"])[0]
    from nas.datasets import load_train
    from nas.study.preparation import front_ends_for, space_for

    data = load_train(settings.data, settings.reading)
    space, front_ends = space_for(data, settings.weight_bits), front_ends_for(data)
    architecture = space.from_params(read_trial(source.run, source.number).params)
    front_end = None if front_ends is None else front_ends(space.input(architecture))
    return Trained(space.graph(architecture), front_end=front_end)


def trained(source: Source, board: str | None = None) -> Trained:
    """The source's int8 graph with weights. A trial that was no finalist is finished first: trained fully and quantised.

    :param board: name or file of the board whose winner is meant, where a run has several.
    :raises UserError: if the search has not ended (for a winner), the trial does not exist or failed, or the file is damaged.
    """
    if source.path is not None:
        return Trained(_imported(source))
    assert source.run is not None
    from nas.streaming import Judge, listener
    from nas.study.preparation import load_splits, space_for

    settings = read_run_settings(source.run)
    splits, _ = load_splits(settings)
    train_set, validation = splits[0]
    known: Mapping[str, Any] | None = None
    if source.number is None:
        report = read_report_on(source.run, pick_board(source.run, settings, board))["winner"]
        known = report.get("stream")
        trial = {"number": report["trial"]["number"], "params": report["trial"]["params"]}
        about: dict[str, Any] = {"trial": trial, "test": report["test"]}
        network, judge = _stored(source.run, settings, report["trial"]["architecture"])
    else:
        frozen = read_trial(source.run, source.number)
        space = space_for(train_set, settings.weight_bits)
        architecture = space.from_params(frozen.params)
        about = {"trial": {"number": source.number, "params": frozen.params}}
        if _finalist(source.run, settings, architecture.id) is not None:
            network, judge = _stored(source.run, settings, architecture.id)
            known = _tested_stream(source.run, settings, architecture.id, board)
        else:
            from nas.study.tasks import train_and_quantize, training_seed
            from nas.study.teacher import read_lesson

            seed = training_seed(settings.seed, architecture.id)
            recipes = settings.finishing, settings.quantization
            lesson = read_lesson(source.run, settings)
            given = space, frozen.params, splits, *recipes, seed, source.name, lesson
            made = train_and_quantize(*given)
            judge = Judge(made.int8.graph, made.int8.front_end)
            if settings.refits:
                made = train_and_quantize(*given, judge=made)
            network = Trained(made.int8.graph, front_end=made.int8.front_end)
    if is_path(settings.data):
        about["data"] = train_set.about_input()
    from nas.inputs.program_inputs import program_form, program_inputs
    from nas.learning.quantization import fitted_detector, quantize_input

    front_end = network.front_end
    inputs = quantize_input(network.graph, validation.x) if front_end is None else program_inputs(validation, front_end)
    detector = fitted_detector(network.graph, program_form(validation, front_end))
    listen = listener(front_end, validation, detector, known, judge)
    return replace(network, inputs=inputs, about=about, detector=detector, listen=listen)


def _tested_stream(run: RunDirectory, settings: SearchSettings, architecture: str, board: str | None) -> Mapping[str, Any] | None:
    """What the report says of the stream of this architecture, if it is the winner of the board, or of the first of which it is."""
    if not run.report.is_file():
        return None
    names = board_names(settings)
    report = run.read_report()
    for name in (board, *names) if board in names else names:
        winner = report_on(report, name or "").get("winner")
        if winner is not None and winner["trial"]["architecture"] == architecture:
            stream: Mapping[str, Any] | None = winner.get("stream")
            return stream
    return None


def _imported(source: Source) -> Graph:
    from codegen.float_borders import int8_core
    from codegen.importers.tflite import import_tflite

    assert source.path is not None
    return int8_core(import_tflite(source.path))


def _finalist(run: RunDirectory, settings: SearchSettings, architecture: str) -> Finalist | None:
    """The finalist with this id, on whichever board."""
    places = (settings.directory(run, board) for board in board_names(settings))
    return next((found for place in places if (found := read_finalist(place, architecture)) is not None), None)


def _stored(run: RunDirectory, settings: SearchSettings, architecture: str) -> tuple[Trained, Judge]:
    """A finalist, and what chooses how it listens."""
    from codegen.graph_file import load
    from nas.streaming import Judge

    finalist, graph = _finalist(run, settings, architecture), load(run.finalist_file(architecture, ".safetensors"))
    if finalist is None:
        return Trained(graph), Judge(graph, None)
    return Trained(graph, front_end=finalist.front_end), read_judge(run, finalist)
