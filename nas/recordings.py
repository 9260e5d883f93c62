"""A person's recordings through a built project: files in, classes and scores out; of a folder of labelled ones the accuracy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.ir import Graph
from nas.metrics import CLASS_METRICS, ClassMetric, describe
from nas.raw_files import LabelledFolder, RawExample, about_data, form_of, raw_files

if TYPE_CHECKING:
    from codegen.measurement import Verification

EMULATED = 2_000
"""Examples of a folder that are run in the emulator at most, at equal distances; the reference answers all of them."""
_BATCH = 256
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said of ``file``, or of what begins at ``begin`` in it: real ``scores`` by class, the best one of which is
    ``label``."""

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
    """The int8 network of the project in ``directory``, ``graph``, with the names of its outputs."""

    directory: Path
    graph: Graph
    classes: tuple[str, ...]

    @staticmethod
    def of(directory: Path) -> Network:
        """Read from the project."""
        from codegen.graph_file import load

        graph = load(directory / "model.safetensors")
        size = graph[graph.outputs[0]].size
        names = about_data(directory).get("classes") or []
        return Network(directory, graph, tuple(names) if len(names) == size else tuple(map(str, range(size))))

    def stored(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Integer outputs ``(n, classes)`` of the Python reference for raw numbers ``(n, size)``."""
        from codegen.project import read_project
        from codegen.reference import run

        front_end = read_project(self.directory).front_end
        assert front_end is not None
        batches = [front_end(raw[begin : begin + _BATCH]) for begin in range(0, len(raw), _BATCH)]
        outputs = [run(self.graph, {self.graph.inputs[0]: batch})[self.graph.outputs[0]] for batch in batches]
        return np.concatenate([batch.reshape(len(batch), -1) for batch in outputs])

    def measured(self, result: Verification) -> NDArray[Any]:
        """The same of the program, when ``result`` was measured."""
        dtype = self.graph[self.graph.outputs[0]].dtype
        return np.stack([np.frombuffer(outputs[0], dtype) for outputs in result.outputs])

    def answer(self, example: RawExample, stored: NDArray[Any]) -> Answer:
        """What integer outputs ``(classes,)`` say of an example."""
        tensor = self.graph[self.graph.outputs[0]]
        scores = [round(float(score), 4) for score in (stored.astype(np.float64) - tensor.zero_point) * tensor.scale]
        named = dict(zip(self.classes, scores, strict=True))
        return Answer(example.file, self.classes[int(stored.argmax())], named, example.begin)


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
    return [network.answer(example, stored) for example, stored in zip(examples, network.measured(result), strict=True)]


def render_answers(directory: Path, found: Sequence[Answer]) -> str:
    """A line for each answer: its class, then the scores, best first."""
    rate = about_data(directory).get("rate")
    lines = []
    for answer in found:
        ordered = sorted(answer.scores.items(), key=lambda item: -item[1])
        place = "" if answer.begin is None else f" from {answer.begin / rate:.2f} s" if rate else f" from {answer.begin}"
        scores = ", ".join(f"{name} {score:g}" for name, score in ordered)
        lines.append(f"{answer.file}{place}: {answer.label}   ({scores})")
    return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class FolderTest:
    """How a program does on the labelled recordings of a ``folder``: ``confusion`` of ``classes`` (rows) with those that they were
    taken for, ``emulated`` of the examples by the program itself, of which ``mismatches`` differ from the reference."""

    folder: LabelledFolder
    metric: ClassMetric
    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    emulated: int
    mismatches: int

    @property
    def score(self) -> float:
        """The metric, 0..1."""
        from nas.metrics.confusion import score

        return float(score(self.metric, self.confusion))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        from nas.metrics.confusion import interval, score

        return {
            "folder": str(self.folder.path),
            "files": len({example.file for example in self.folder.examples}),
            "n": len(self.folder.examples),
            "emulated": self.emulated,
            "mismatches": self.mismatches,
            "metric": self.metric,
            "score": self.score,
            "interval": list(interval(self.metric, self.confusion)),
            "accuracy": float(score("accuracy", self.confusion)),
            "classes": list(self.classes),
            "confusion": self.confusion.tolist(),
            "left_out": [{"file": file, "reason": reason} for file, reason in self.folder.left_out],
        }

    def render(self) -> str:
        """A few lines for a person."""
        figures = self.to_json()
        low, high = figures["interval"]
        n, files = figures["n"], figures["files"]
        right = int(np.trace(self.confusion))
        head = f"{self.folder.path}: {describe(self.metric)} {self.score:.2%} ({low:.1%} to {high:.1%})"
        of = "" if n == files else f" of {files:,} files"
        ran = "all of them" if self.emulated == n else f"{self.emulated:,} of them, at equal distances,"
        verdict = "none differs" if not self.mismatches else f"{self.mismatches:,} differ"
        lines = [
            f"{head}; {right:,} of {n:,} examples{of} are right, {self.folder.words}",
            f"{ran} ran in the emulator, features and network; {verdict} from the Python reference",
        ]
        if self.folder.left_out:
            named = ", ".join(f"{file} ({reason})" for file, reason in self.folder.left_out[:_NAMED])
            more = ", ..." if len(self.folder.left_out) > _NAMED else ""
            lines.append(f"{len(self.folder.left_out):,} left out: {named}{more}")
        width = max(map(len, self.classes))
        for name, row in zip(self.classes, self.confusion, strict=True):
            if row.sum():
                taken = sorted(zip(row, self.classes, strict=True), key=lambda item: -item[0])
                said = ", ".join(f"{other} {count}" for count, other in taken if count)
                lines.append(f"  {name:<{width}}  {said}")
        return "\n".join(lines)


def to_emulate(folder: LabelledFolder) -> NDArray[Any]:
    """Raw numbers ``(n, size)`` of the examples that are run in the emulator."""
    return stacked([folder.examples[at] for at in _spread(len(folder.examples))])


def test_folder(directory: Path, folder: LabelledFolder, result: Verification) -> FolderTest:
    """How the program of the project in ``directory`` does; ``result`` was measured on :func:`to_emulate`.

    :raises UserError: if a class of the folder is none of the project's.
    """
    from nas.metrics.confusion import confusion_matrix

    network = Network.of(directory)
    unknown = sorted(set(folder.labels) - set(network.classes))
    if unknown:
        names = ", ".join(map(repr, network.classes))
        raise UserError(f"--raw {folder.path}: {unknown[0]!r} is no class of the project, which are {names}")
    said = network.stored(stacked(folder.examples)).argmax(1)
    said[_spread(len(folder.examples))] = network.measured(result).argmax(1)
    y = np.array([network.classes.index(label) for label in folder.labels])
    confusion = confusion_matrix(y, said, len(network.classes))
    return FolderTest(folder, _metric(directory), network.classes, confusion, result.inputs, result.mismatches)


def _spread(count: int) -> NDArray[np.intp]:
    return np.arange(min(count, EMULATED)) * count // min(count, EMULATED)


def _metric(directory: Path) -> ClassMetric:
    tested = json.loads((directory / "report.json").read_text(encoding="utf-8")).get("test")
    metric = tested.get("metric") if isinstance(tested, dict) else None
    return cast(ClassMetric, metric) if metric in CLASS_METRICS else "accuracy"
