"""A person's recordings through a built project: sounds in, classes and scores out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError

if TYPE_CHECKING:
    from codegen.measurement import Verification

SUFFIXES = (".wav", ".wave")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said of ``file``: real ``scores`` by class, the best one of which is ``label``."""

    file: str
    label: str
    scores: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"file": self.file, "class": self.label, "scores": self.scores}


def are_sounds(paths: Sequence[Path]) -> bool:
    """Whether these are WAV files, by their names.

    :raises UserError: if only some are.
    """
    sounds = [path.suffix.lower() in SUFFIXES for path in paths]
    if any(sounds) and not all(sounds):
        raise UserError(f"--raw {paths[sounds.index(False)]}: give WAV files only, or none")
    return all(sounds)


def read_sounds(directory: Path, paths: Sequence[Path]) -> NDArray[np.int16]:
    """The files as the project in ``directory`` takes sound, int16 ``(n, samples)``: brought to its rate and length as the data was
    that it learnt from.

    :raises UserError: if it takes no sound, or a file cannot be read.
    """
    from codegen.project import read_project
    from nas.datasets.readers.audio import read_wav
    from nas.datasets.windows import clip_window

    front_end = read_project(directory).front_end
    if front_end is None:
        raise UserError(f"--raw {paths[0]}: the project in {directory} takes no sound")
    shape = _about_data(directory).get("input_shape")
    length = max(front_end.samples, shape[1] if isinstance(shape, list) and len(shape) == 3 else 0)
    return np.stack([clip_window(read_wav(path, front_end.settings.rate), length)[: front_end.samples] for path in paths])


def answers(directory: Path, paths: Sequence[Path], result: Verification) -> list[Answer]:
    """What the program of the project in ``directory`` said of the files when ``result`` was measured."""
    from codegen.graph_file import load

    graph = load(directory / "model.safetensors")
    tensor = graph[graph.outputs[0]]
    found = []
    for path, outputs in zip(paths, result.outputs, strict=True):
        stored = np.frombuffer(outputs[0], tensor.dtype).astype(np.float64)
        scores = [round(float(score), 4) for score in (stored - tensor.zero_point) * tensor.scale]
        names = _about_data(directory).get("classes") or [str(index) for index in range(len(scores))]
        found.append(Answer(str(path), names[int(stored.argmax())], dict(zip(names, scores, strict=True))))
    return found


def render_answers(found: Sequence[Answer]) -> str:
    """A line for each file: its class, then the scores, best first."""
    lines = []
    for answer in found:
        ordered = sorted(answer.scores.items(), key=lambda item: -item[1])
        lines.append(f"{answer.file}: {answer.label}   ({', '.join(f'{name} {score:g}' for name, score in ordered)})")
    return "\n".join(lines)


def _about_data(directory: Path) -> dict[str, Any]:
    about = json.loads((directory / "report.json").read_text(encoding="utf-8")).get("data")
    return about if isinstance(about, dict) else {}
