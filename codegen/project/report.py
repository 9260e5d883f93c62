"""``report.json`` of a project: what was promised and built, and what a verification has to know of the project."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.boards.board import Board
from codegen.errors import UserError
from codegen.project.model_source import ARENA_ALIGN

if TYPE_CHECKING:
    from codegen.anomaly import AnomalyDetector
    from codegen.compile import CompiledModel
    from codegen.features import Preprocessing
    from codegen.measurement import Verification
    from codegen.streaming import Stream

FORMAT = 2


@dataclass(frozen=True, slots=True)
class ProjectLayer:
    """One call of ``<m>_run``: ``function`` is the whole C symbol, ``op`` the operator's kind, ``part_of`` the operator of which
    it computes a strip of rows, if it does."""

    name: str
    op: str
    kernel: str
    function: str
    macs: int
    part_of: str | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """What ``report.json`` says of the generated code. Sizes in bytes; ``name`` is the prefix of every symbol."""

    name: str
    optimize: str
    model_hash: str
    core: str
    board: Board
    arena_bytes: int
    arena_align: int
    io_bytes: int
    scratch_bytes: int
    layers: tuple[ProjectLayer, ...]
    front_end: Preprocessing | None
    detector: AnomalyDetector | None
    stream: Stream | None
    network_arena_bytes: int
    """Of the arena, what the network needs by itself."""


def report_json(
    model: CompiledModel, board: Board, report: Mapping[str, Any], compiler: str, built: Verification | None
) -> dict[str, Any]:
    """The whole report: the contract's keys, those of ``report``, and ``project`` for :func:`read_project`."""
    known: dict[str, Any] = {
        "board": board.name,
        "core": model.core.name,
        "compiler": compiler,
        "model_hash": model.hash,
        "limits": {},
        "predicted": None,
        **report,
    }
    if built is not None:
        known["built"] = built.to_json()
        known["support_routines"] = list(built.support_routines)
    known["project"] = {
        "format": FORMAT,
        "name": model.name,
        "optimize": model.optimize,
        "arena_bytes": model.arena_bytes,
        "network_arena_bytes": model.plan.arena_bytes,
        "arena_align": ARENA_ALIGN,
        "io_bytes": model.plan.io_bytes,
        "scratch_bytes": model.plan.scratch_bytes,
        "layers": [
            asdict(ProjectLayer(layer.op.name, layer.op.kind, layer.kernel, f"{model.name}_{layer.function}", layer.macs, origin))
            for layer in model.layers
            for origin in [model.layout.origins.get(layer.op.name)]
        ],
        "board": board.to_json(),
        "front_end": None if model.front_end is None else model.front_end.to_json(),
        "detector": None if model.detector is None else model.detector.to_json(),
        "stream": None if model.stream is None else model.stream.to_json(),
    }
    return known


def report_text(report: Mapping[str, Any]) -> str:
    """The report as the text of ``report.json``."""
    return json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_project(directory: Path) -> Project:
    """Read ``report.json`` of an exported project.

    :raises UserError: if ``directory`` holds no exported project, or one of another format.
    """
    from codegen.anomaly import detector_from_json
    from codegen.features import front_end_from_json
    from codegen.streaming import stream_from_json

    path = directory / "report.json"
    if not directory.is_dir():
        raise UserError(f"{directory}: no such directory; give the directory of an exported project")
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{directory}: holds no exported project (there is no report.json)") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); export the project again") from None
    if not isinstance(report, dict) or not isinstance(report.get("project"), dict):
        raise UserError(f"{path}: is not the report of an exported project")
    project = report["project"]
    if project.get("format") != FORMAT:
        raise UserError(f"{path}: has format {project.get('format')!r}, this version reads {FORMAT}; export the project again")
    detector, stream = project.get("detector"), project.get("stream")
    try:
        scores = None if detector is None else detector_from_json(detector)
        front_end = None if project.get("front_end") is None else front_end_from_json(project["front_end"])
        return Project(
            name=project["name"],
            optimize=project["optimize"],
            model_hash=report["model_hash"],
            core=report["core"],
            board=Board.from_json(project["board"]),
            arena_bytes=project["arena_bytes"],
            arena_align=project["arena_align"],
            io_bytes=project["io_bytes"],
            scratch_bytes=project["scratch_bytes"],
            layers=tuple(ProjectLayer(**layer) for layer in project["layers"]),
            front_end=front_end,
            detector=scores,
            stream=None if stream is None else stream_from_json(stream, front_end, scores),
            network_arena_bytes=project.get("network_arena_bytes", project["arena_bytes"]),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path}: is damaged ({type(error).__name__}: {error}); export the project again") from None


def stream_of(directory: Path, project: Project) -> Stream:
    """The stream of the ``project`` in ``directory``.

    :raises UserError: if it takes none.
    """
    if project.stream is None:
        raise UserError(f"{directory}: the project takes no stream; those of searches over sound or series do")
    return project.stream
