"""A person's recordings through a built project: files in, classes and scores out; of a folder of labelled ones the accuracy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from codegen.anomaly import AnomalyDetector
from codegen.errors import UserError
from codegen.features import Preprocessing
from codegen.ir import Graph
from nas.evenly_spaced import evenly_spaced
from nas.inputs.raw_files import LabelledFolder, RawExample, about_data, form_of, raw_files
from nas.metrics import CLASS_METRICS, ClassMetric, describe

if TYPE_CHECKING:
    from codegen.measurement import Verification

ALARM, NO_ALARM = "alarm", "no alarm"
EMULATED = 2_000
"""Examples of a folder that are run in the emulator at most, at equal distances; the reference answers all of them."""
_BATCH = 256
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said of ``file``, or of what begins at ``begin`` in it: real ``scores`` by class, the best one of which is
    ``label``; or the score of an anomaly with the threshold of the alarm, and whether there is one."""

    file: str
    label: str
    scores: dict[str, float]
    begin: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        place = {} if self.begin is None else {"begin": self.begin}
        return {"file": self.file, **place, "class": self.label, "scores": self.scores}


@dataclass(frozen=True, eq=False)
class Network:
    """The int8 network of a project, ``graph``, with what makes its inputs, the names of its outputs or of the data's classes, and
    what scores its output, where it detects anomalies."""

    graph: Graph
    front_end: Preprocessing
    classes: tuple[str, ...]
    detector: AnomalyDetector | None

    @staticmethod
    def of(directory: Path) -> Network:
        """Read from the project in ``directory``, which takes raw numbers."""
        from codegen.graph_file import load
        from codegen.project import read_project

        project, graph = read_project(directory), load(directory / "model.safetensors")
        size = graph[graph.outputs[0]].size
        names = about_data(directory).get("classes") or []
        named = len(names) == size or project.detector is not None
        assert project.front_end is not None
        return Network(graph, project.front_end, tuple(names) if named else tuple(map(str, range(size))), project.detector)

    def said(self, raw: NDArray[Any]) -> NDArray[Any]:
        """What the Python reference says of raw numbers ``(n, size)``: integer outputs ``(n, classes)``, or scores ``(n, 1)``."""
        from codegen.reference import run

        found = []
        for begin in range(0, len(raw), _BATCH):
            batch = self.front_end(raw[begin : begin + _BATCH])
            outputs = run(self.graph, {self.graph.inputs[0]: batch})[self.graph.outputs[0]]
            found.append(outputs.reshape(len(batch), -1) if self.detector is None else self.detector(batch, outputs)[:, None])
        return np.concatenate(found)

    def measured(self, result: Verification) -> NDArray[Any]:
        """The same of the program, when ``result`` was measured."""
        if self.detector is not None:
            assert result.anomaly is not None
            return np.array(result.anomaly.scores)[:, None]
        dtype = self.graph[self.graph.outputs[0]].dtype
        return np.stack([np.frombuffer(outputs[0], dtype) for outputs in result.outputs])

    def answer(self, example: RawExample, said: NDArray[Any]) -> Answer:
        """What is said of an example, in words and real numbers."""
        if self.detector is not None:
            real = self.detector.real(np.array([said[0], self.detector.threshold]))
            label = ALARM if said[0] > self.detector.threshold else NO_ALARM
            score, threshold = (round(float(value), 4) for value in real)
            return Answer(example.file, label, {"anomaly": score, "threshold": threshold}, example.begin)
        tensor = self.graph[self.graph.outputs[0]]
        scores = [round(float(score), 4) for score in (said.astype(np.float64) - tensor.zero_point) * tensor.scale]
        named = dict(zip(self.classes, scores, strict=True))
        return Answer(example.file, self.classes[int(said.argmax())], named, example.begin)


def is_folder(paths: Sequence[Path]) -> bool:
    """Whether it is a folder that is given.

    :raises UserError: if there is more beside it.
    """
    folders = [path for path in paths if path.is_dir()]
    if folders and len(paths) > 1:
        raise UserError(f"--raw {folders[0]}: give one folder and nothing else, or files")
    return bool(folders)


def common_form(paths: Sequence[Path]) -> str | None:
    """What raw numbers all of these files hold, by their names; None where it is plain bytes.

    :raises UserError: if they differ.
    """
    forms = [form_of(path) for path in paths]
    first = next((form for form in forms if form is not None), None)
    if first is not None:
        other = next((path for path, form in zip(paths, forms, strict=True) if form != first), None)
        if other is not None:
            raise UserError(f"--raw {other}: give {first} files only, or none")
    return first


def read_files(directory: Path, paths: Sequence[Path], form: str) -> list[RawExample]:
    """The examples in files of one form, as the project in ``directory`` takes them.

    :raises UserError: if it takes none of that form, or a file cannot be read.
    """
    reader = raw_files(directory, form, paths[0])
    return [example for path in paths for example in reader.read(path)]


def stacked(examples: Sequence[RawExample]) -> NDArray[Any]:
    """Raw numbers ``(n, size)``."""
    return np.stack([example.raw for example in examples])


def answers(directory: Path, examples: Sequence[RawExample], result: Verification) -> list[Answer]:
    """What the program of the project in ``directory`` said of the examples when ``result`` was measured."""
    network = Network.of(directory)
    return [network.answer(example, said) for example, said in zip(examples, network.measured(result), strict=True)]


def render_answers(directory: Path, found: Sequence[Answer]) -> str:
    """A line for each answer: its class, then the scores, best first."""
    rate = about_data(directory).get("rate")
    lines = []
    for answer in found:
        alarm = answer.label in (ALARM, NO_ALARM)
        ordered = list(answer.scores.items()) if alarm else sorted(answer.scores.items(), key=lambda item: -item[1])
        place = "" if answer.begin is None else f" from {answer.begin / rate:.2f} s" if rate else f" from {answer.begin}"
        scores = ", ".join(f"{name} {score:g}" for name, score in ordered)
        lines.append(f"{answer.file}{place}: {answer.label}   ({scores})")
    return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class FolderTest:
    """How a program does on the labelled recordings of a ``folder``: ``emulated`` of the examples by the program itself, of which
    ``mismatches`` differ from the reference. ``figures`` are for JSON, ``headline`` and ``lines`` say them in words."""

    folder: LabelledFolder
    emulated: int
    mismatches: int
    figures: dict[str, Any]
    headline: str
    lines: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "folder": str(self.folder.path),
            "files": len({example.file for example in self.folder.examples}),
            "n": len(self.folder.examples),
            "emulated": self.emulated,
            "mismatches": self.mismatches,
            **self.figures,
            "left_out": [{"file": file, "reason": reason} for file, reason in self.folder.left_out],
        }

    def render(self) -> str:
        """A few lines for a person."""
        n, left_out = len(self.folder.examples), self.folder.left_out
        ran = "all of them" if self.emulated == n else f"{self.emulated:,} of them, at equal distances,"
        verdict = "none differs" if not self.mismatches else f"{self.mismatches:,} differ"
        lines = [
            f"{self.folder.path}: {self.headline}, {self.folder.words}",
            f"{ran} ran in the emulator, features and network; {verdict} from the Python reference",
        ]
        if left_out:
            named = ", ".join(f"{file} ({reason})" for file, reason in left_out[:_NAMED])
            lines.append(f"{len(left_out):,} left out: {named}{', ...' if len(left_out) > _NAMED else ''}")
        return "\n".join([*lines, *self.lines])


def to_emulate(folder: LabelledFolder) -> NDArray[Any]:
    """Raw numbers ``(n, size)`` of the examples that are run in the emulator."""
    return stacked([folder.examples[at] for at in evenly_spaced(len(folder.examples), EMULATED)])


def test_folder(directory: Path, folder: LabelledFolder, result: Verification) -> FolderTest:
    """How the program of the project in ``directory`` does; ``result`` was measured on :func:`to_emulate`.

    :raises UserError: if a class of the folder is none of the project's.
    """

    network = Network.of(directory)
    unknown = sorted(set(folder.labels) - set(network.classes))
    if unknown:
        names = ", ".join(map(repr, network.classes))
        raise UserError(f"--raw {folder.path}: {unknown[0]!r} is no class of the project, which are {names}")
    said = network.said(stacked(folder.examples))
    said[evenly_spaced(len(folder.examples), EMULATED)] = network.measured(result)
    count, files = len(folder.examples), len({example.file for example in folder.examples})
    of = f"{count:,} examples" + ("" if count == files else f" of {files:,} files")
    judged = (
        _classes(directory, network, folder, said, of)
        if network.detector is None
        else _alarms(directory, network, folder, said, of)
    )
    return FolderTest(folder, result.inputs, result.mismatches, *judged)


def _classes(
    directory: Path, network: Network, folder: LabelledFolder, said: NDArray[Any], of: str
) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    from nas.metrics.confusion import confusion_matrix, interval, score

    metric, classes = _metric(directory), network.classes
    y = np.array([classes.index(label) for label in folder.labels])
    confusion = confusion_matrix(y, said.argmax(1), len(classes))
    value, (low, high) = float(score(metric, confusion)), interval(metric, confusion)
    figures = {
        "metric": metric,
        "score": value,
        "interval": [low, high],
        "accuracy": float(score("accuracy", confusion)),
        "classes": list(classes),
        "confusion": confusion.tolist(),
    }
    headline = f"{describe(metric)} {value:.2%} ({low:.1%} to {high:.1%}); {np.trace(confusion):,} of {of} are right"
    width, lines = max(map(len, classes)), []
    for name, row in zip(classes, confusion, strict=True):
        if row.sum():
            taken = sorted(zip(row, classes, strict=True), key=lambda item: -item[0])
            lines.append(f"  {name:<{width}}  " + ", ".join(f"{other} {count}" for count, other in taken if count))
    return figures, headline, tuple(lines)


def _alarms(
    directory: Path, network: Network, folder: LabelledFolder, said: NDArray[Any], of: str
) -> tuple[dict[str, Any], str, tuple[str, ...]]:
    from nas.metrics.detection import auprc, auroc, auroc_interval

    detector, normal = network.detector, about_data(directory).get("normal")
    assert detector is not None
    anomalous = np.array([label != normal for label in folder.labels])
    if anomalous.all() or not anomalous.any():
        raise UserError(f"--raw {folder.path}: holds {folder.labels[0]!r} only; a test takes normal examples ({normal}) and others")
    alarms, area = said[:, 0] > detector.threshold, auroc(anomalous, said[:, 0])
    low, high = auroc_interval(area, int((~anomalous).sum()), int(anomalous.sum()))
    precise = auprc(anomalous, said[:, 0])
    false, detected = float(alarms[~anomalous].mean()), float(alarms[anomalous].mean())
    figures = {
        "metric": "auroc",
        "score": area,
        "interval": [low, high],
        "auprc": precise,
        "alarm": {"threshold": detector.threshold, "false_alarms": false, "detected": detected},
    }
    lines = (f"alarms: {detected:.1%} of {anomalous.sum():,} anomalies, {false:.1%} of {(~anomalous).sum():,} normal examples",)
    return figures, f"AUROC {area:.3f} ({low:.3f} to {high:.3f}), AUPRC {precise:.3f} over {of}", lines


def _metric(directory: Path) -> ClassMetric:
    tested = json.loads((directory / "report.json").read_text(encoding="utf-8")).get("test")
    metric = tested.get("metric") if isinstance(tested, dict) else None
    return cast(ClassMetric, metric) if metric in CLASS_METRICS else "accuracy"
