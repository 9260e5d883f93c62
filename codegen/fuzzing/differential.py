"""One sample on every machine: the numpy reference on the graph as drawn against the host's C and the emulated cores."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from codegen.boards import Board, board_names, load_board
from codegen.compile import CompiledModel, compile_graph, lay_out
from codegen.cores import find_core
from codegen.emulator import ExecutionFault
from codegen.errors import UserError
from codegen.fuzzing.host import HostFault, run_on_host
from codegen.project import write_project
from codegen.reference import run
from codegen.schedules import RandomSchedules
from codegen.toolchain import CompileError
from codegen.verify import measure

if TYPE_CHECKING:
    from codegen.cores import Core
    from codegen.fuzzing.graphs import Sample
    from codegen.ir import Graph
    from codegen.optimize import Optimize


_LESS = 0.9


@dataclass(frozen=True, slots=True)
class Settings:
    """How a graph is compiled. ``schedules`` seeds a random choice among each kernel's schedules, None takes the compiler's own;
    ``strips`` limits the arena to less than it takes without computing operators in strips of rows."""

    optimize: Optimize = "balanced"
    schedules: int | None = None
    strips: bool = False

    def __str__(self) -> str:
        own = "" if self.schedules is None else f", schedules {self.schedules}"
        return f"--optimize {self.optimize}{own}{', in strips' if self.strips else ''}"

    def compile(self, graph: Graph, core: Core) -> CompiledModel:
        """``graph`` compiled in this way under the name ``m``."""
        chooser = None if self.schedules is None else RandomSchedules(core, self.schedules)
        limit = None
        if self.strips:
            limit = int(_LESS * lay_out(graph, core, "speed", choose=chooser).plan.arena_bytes)
        return compile_graph(graph, core, name="m", optimize=self.optimize, choose=chooser, arena_limit=limit)


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs from the reference: on which ``machine`` ("host", a core, or "compiler") built for which ``core``, and how."""

    machine: str
    core: str
    settings: Settings
    message: str

    def __str__(self) -> str:
        return f"{self.machine}, built for {self.core} {self.settings}: {self.message}"


@dataclass(frozen=True, slots=True, eq=False)
class Build:
    """A sample compiled for one core, with what differed; no model where the compiler failed."""

    model: CompiledModel | None
    differences: tuple[Difference, ...]


class Refusal(Exception):  # noqa: N818 - the compiler may refuse what it says it refuses
    """The compiler refused the graph with an error for the user."""


def check(sample: Sample, cores: Sequence[str], settings: Settings, *, host: Sequence[str]) -> list[Build]:
    """Compile ``sample`` for every one of ``cores``, run it emulated there, and on the host what was built for those in ``host``.

    :raises Refusal: if the compiler refuses the graph.
    """
    expected = run(sample.graph, sample.inputs)
    return [_check(sample.graph, sample.inputs, expected, core, settings, core in host) for core in cores]


def _check(
    graph: Graph,
    inputs: Mapping[str, NDArray[Any]],
    expected: Mapping[str, NDArray[Any]],
    core: str,
    settings: Settings,
    host: bool,
) -> Build:
    found: list[Difference] = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        project = Path(scratch) / "m"
        try:
            model = settings.compile(graph, find_core(core))
            write_project(model, project, board=_board(core), report={})
        except UserError as error:
            raise Refusal(str(error)) from error
        except Exception as error:  # whatever it is, it is what the fuzzer looks for
            message = f"{type(error).__name__}: {error}".splitlines()[0]
            return Build(None, (Difference("compiler", core, settings, message),))
        if message := _emulated(project, inputs, expected):
            found.append(Difference(core, core, settings, message))
        if host and (message := _on_host(model, project, inputs, expected)):
            found.append(Difference("host", core, settings, message))
    return Build(model, tuple(found))


def _emulated(project: Path, inputs: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]) -> str:
    try:
        result = measure(project, inputs=dict(inputs), expect=dict(expected))
    except ExecutionFault as fault:
        return f"fault: {fault}"
    except UserError as error:  # it does not compile, or uses what the core lacks
        return str(error).replace(str(project), "the project")
    return f"{result.mismatches} of {result.inputs} inputs give other outputs" if result.mismatches else ""


def _on_host(model: CompiledModel, project: Path, inputs: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]) -> str:
    try:
        outputs = run_on_host(model, project, inputs)
    except HostFault as fault:
        return f"sanitizer: {fault}"
    except CompileError as error:
        return f"does not compile: {next((line for line in str(error).splitlines() if 'error' in line), error)}"
    different = sum(any(found[name] != expected[name][i].tobytes() for name in found) for i, found in enumerate(outputs))
    return f"{different} of {len(outputs)} inputs give other outputs" if different else ""


@cache
def _board(core: str) -> Board:
    """A board with this core."""
    found = next((board for board in map(load_board, board_names()) if board.core == core), None)
    if found is None:
        raise UserError(f"core {core!r}: no board of the catalogue has it")
    return found
