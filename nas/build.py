"""From an int8 graph to a C project in its place: compiled, measured, checked against the limits, then written whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cost_models.limits import Limits, Violation, built_violations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codegen.anomaly import AnomalyDetector
    from codegen.boards import Board
    from codegen.compile import CompiledModel
    from codegen.features import Preprocessing
    from codegen.ir import Graph
    from codegen.measurement import Verification
    from codegen.optimize import Optimize
    from codegen.process_map import UnorderedMap
    from codegen.schedules import Chooser
    from nas.streaming import Listen


@dataclass(frozen=True, slots=True)
class Build:
    """What was measured of a project, the limits that it breaks, whether it was written, and its arena as text."""

    verification: Verification
    broken: tuple[Violation, ...]
    written: bool
    memory_map: str


def build_project(
    graph: Graph,
    board: Board,
    *,
    name: str,
    optimize: Optimize,
    report: Mapping[str, Any],
    directory: Path,
    inputs: NDArray[Any] | None = None,
    expect: NDArray[Any] | None = None,
    limits: Limits | None = None,
    force: bool = False,
    choose: Chooser | None = None,
    front_end: Preprocessing | None = None,
    detector: AnomalyDetector | None = None,
    listen: Listen | None = None,
    spread: UnorderedMap | None = None,
) -> Build:
    """Compile ``graph`` for ``board``, measure it on ``inputs`` and write the project to ``directory``. ``choose`` picks schedules;
    with a ``front_end`` inputs are raw. ``detector`` scores reconstructions; ``listen`` tells what ``<m>_push`` does, whose costs
    are measured and noted in the report. Many inputs run where ``spread`` does, as for :func:`codegen.verify.measure`.

    A program that breaks ``limits`` or whose outputs differ from ``expect`` is not written, unless it fits and ``force`` is given
    (limits only). Where the limit on RAM asks for it, operators are computed in strips of rows.

    :raises UserError: if the directory is not empty or cannot be written, or an operator has no kernel.
    """
    from codegen.compile import compile_graph
    from codegen.cores import find_core
    from codegen.memory_map import text_map
    from codegen.project import write_project
    from codegen.verify import measure_model

    limits = limits or Limits()
    core, arena_limit = find_core(board.core), None
    while True:
        model = compile_graph(
            graph,
            core,
            name=name,
            optimize=optimize,
            choose=choose,
            arena_limit=arena_limit,
            front_end=front_end,
            detector=detector,
        )
        given = {"inputs": inputs} if front_end is None else {"raw": inputs}
        verification = measure_model(model, board=board, expect=expect, spread=spread, **given)
        ram = verification.ram
        if limits.ram is None or ram.total <= limits.ram:
            break
        left = limits.ram - (ram.total - ram.arena)  # by stack and static variables, which only a build tells
        if arena_limit is not None and left >= arena_limit:
            break
        arena_limit = left
    broken = built_violations(verification.to_json(), limits)
    written = verification.bit_exact and (force or not broken)
    if written:
        about: dict[str, Any] = {}
        if listen is not None:
            latency = (verification.network or verification).latency_ms
            assert latency is not None  # measured on the board's own core
            listening = listen(latency)
            model = model.with_stream(listening.stream)
            about = {} if listening.operation is None else {"operation": listening.operation}
        report = {**report, **_streamed(model, board, about)}
        write_project(model, directory, board=board, report=report, vectors=inputs, built=verification)
    return Build(verification, broken, written, text_map(model.layout))


def _streamed(model: CompiledModel, board: Board, about: Mapping[str, Any]) -> dict[str, Any]:
    """The report's ``stream``: ``about`` it and what it costs, where the model has one."""
    if model.stream is None:
        return {}
    from codegen.stream_emulation import stream_costs

    return {"stream": {**about, "built": stream_costs(model, board).to_json(model.stream, board)}}
