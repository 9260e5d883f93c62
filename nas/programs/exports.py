"""A network as a C project: predicted, built, measured, and written if it keeps the limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.errors import UserError
from nas.build import Build, build_project

if TYPE_CHECKING:
    from codegen.boards import Board
    from codegen.cores import Core
    from codegen.ir import Graph
    from codegen.optimize import Optimize
    from codegen.schedules import Schedules
    from cost_models.limits import Limits, Violation
    from nas.programs.sources import Source, Trained
    from nas.progress import Progress


@dataclass(frozen=True, slots=True)
class Exported:
    """The ``build``, and what was ``predicted`` of it, as ``nas predict --json`` prints it, or why there is no
    prediction: not every core has a cost model."""

    build: Build
    predicted: dict[str, Any] | None
    no_prediction: str | None


def export_network(
    network: Trained,
    board: Board,
    limits: Limits,
    *,
    name: str,
    optimize: Optimize,
    directory: Path,
    tuning: Progress | None = None,
    force: bool = False,
) -> Exported:
    """Write ``network`` as a C project to ``directory``; ``name`` is the prefix of its symbols.

    :param tuning: shows the search for the best schedules; without it the kernels' own are taken.
    :param force: write the project although it breaks a limit.
    :raises UserError: if the directory is not empty or cannot be written, or an operator has no kernel.
    """
    from codegen.cores import find_core
    from cost_models import load_cost_model
    from nas.study.front_end_charge import promise

    choose = None if tuning is None else _tuned(network.graph, find_core(board.core), optimize, tuning)
    predicted, reason = None, None
    try:
        cost_model = load_cost_model(board.core, optimize=optimize)
        alone = cost_model.predict(network.graph, board, choose=choose, ram_limit=limits.ram)
        predicted = promise(alone, network.front_end, board, optimize, limits)
    except UserError as error:  # exporting does not depend on a cost model
        reason = str(error)
    build = build_project(
        network.graph,
        board,
        name=name,
        optimize=optimize,
        report={"limits": limits.to_json(), "predicted": predicted, **network.about},
        directory=directory,
        inputs=network.inputs,
        limits=limits,
        force=force,
        choose=choose,
        front_end=network.front_end,
        detector=network.detector,
        listen=network.listen,
    )
    return Exported(build, predicted, reason)


def front_sources(source: Source, board: str | None) -> list[Source]:
    """The finalists of a run that none of the others beats, as sources of their own, most accurate first.

    :raises UserError: if ``source`` is no run, or the run's search has not ended or has no winner for the board.
    """
    from nas.study.board_report import pick_board, read_report_on
    from nas.study.settings import read_run_settings

    if source.run is None or source.number is not None:
        raise UserError(f"--front: is for a run, {source.text} is none; leave it out")
    report = read_report_on(source.run, pick_board(source.run, read_run_settings(source.run), board))
    return [replace(source, text=f"{source.text}:{entry['trial']}", number=entry["trial"]) for entry in report["front"]]


def violation_text(broken: Violation) -> str:
    """A limit that is broken, in words: what is needed, and by how much that is too much."""
    from nas.study.feasibility import describe

    return f"needs {describe(broken.limit, broken.value)}, {describe(broken.limit, broken.value - broken.bound)} above the limit"


def _tuned(graph: Graph, core: Core, optimize: Optimize, progress: Progress) -> Schedules:
    """The schedules that measurements find best; Ray starts only if a layer was never measured before."""
    from collections.abc import Iterator, Sequence

    from nas.executor import unordered_map
    from nas.programs.tuning import tune
    from nas.ray_executor import RayExecutor

    def on_ray(function: Callable[..., Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        with RayExecutor() as executor:
            yield from unordered_map(executor)(function, items)

    return tune(graph, core, optimize, on_ray, progress.counter("layers to tune"))
