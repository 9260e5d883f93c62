"""Build an exported project for its core, run it in the emulator, compare it with the network it came from, measure it.

The directory is all that is asked: the C sources are compiled as they are, the expected outputs come from ``model.safetensors`` by
the numpy reference, so an edited project is found out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.graph_file import content_hash, load
from codegen.ir import Graph
from codegen.layer_flash import layer_flash
from codegen.measurement import AnomalyMeasurement, Flash, LayerMeasurement, Ram, Verification
from codegen.project.report import Project, ProjectLayer, read_project
from codegen.project.vectors import expected_outputs, read_inputs, read_samples
from codegen.samples import Arrays, fit_inputs, fit_outputs

if TYPE_CHECKING:
    from codegen.boards.board import Board
    from codegen.compile import CompiledModel
    from codegen.cores import Core
    from codegen.elf import Elf
    from codegen.emulator import Executions, ModelInterface
    from codegen.features import Preprocessing
    from codegen.process_map import UnorderedMap


T = TypeVar("T")

_RESULT_BYTES = 8
"""Behind the arena, for the score of a reconstruction."""

FEATURES = "features"
"""What measurements call spectrograms and normalisation, which come before the first layer."""
NETWORK_INPUTS = 2
"""Inputs on which the network alone is measured, where all of them go through the front end: cycles hardly depend on them."""


def measure(
    directory: Path,
    *,
    inputs: Arrays | None = None,
    expect: Arrays | None = None,
    core: str | None = None,
    raw: NDArray[Any] | None = None,
    spread: UnorderedMap | None = None,
) -> Verification:
    """Verify the exported project in ``directory``.

    :param inputs: of the network, int8 as it is, float32 through ``<m>_quantize_input``; the project's own vectors if not given.
        Other dtypes, such as int16 sound ``(n, samples)``, count as ``raw``, where the project takes them.
    :param raw: instead of them raw numbers, such as windows of a recording, through the project's front end.
    :param expect: expected outputs of the C type's dtype; the numpy reference's if not given.
    :param core: another core to build for and run on than the project was exported for.
    :param spread: where many inputs run in the emulator; by default on all processors that this process may use. What comes of
        them does not depend on it.
    :raises UserError: if the directory is no exported project, it does not compile, an array does not fit the network, or a process
        that ran some of the inputs died.
    :raises codegen.emulator.ExecutionFault: if the code touches memory that is not its own, or does what its core would answer
        with a fault; the message says where.
    """
    from codegen.cores import find_core

    project = read_project(directory)
    graph = read_graph(directory, project)
    chosen = find_core(core or project.core)
    raw = _raw(directory, project, inputs, raw)
    if raw is not None:
        assert project.front_end is not None
        given: Mapping[str, NDArray[Any]] = {graph.inputs[0]: project.front_end(raw)}
    else:
        given = _own_vectors(directory, project, graph) if inputs is None else fit_inputs(graph, inputs, "--inputs")
    if expect is None:
        wanted = expected_outputs(graph, given)
    else:
        wanted = fit_outputs(graph, expect, len(next(iter(given.values()))), "--expect")
    if project.detector is not None:
        score = _measure_anomaly(directory, project, graph, chosen, given, spread)
        expected = project.detector(given[graph.inputs[0]], expected_outputs(graph, given)[graph.outputs[0]])
        differ = np.array(score.scores) != expected
    else:
        score, differ = None, np.zeros(len(next(iter(given.values()))), bool)
    if raw is None:
        alone = _measure(directory, project, graph, chosen, given, wanted, differ=differ, spread=spread)
        return replace(alone, anomaly=score)
    few = {name: array[:NETWORK_INPUTS] for name, array in given.items()}
    alone = _measure(directory, project, graph, chosen, few, {name: array[:NETWORK_INPUTS] for name, array in wanted.items()})
    whole = _measure(directory, project, graph, chosen, given, wanted, raw, differ=differ, spread=spread)
    return replace(whole, network=alone, anomaly=score)


def measure_model(
    model: CompiledModel,
    *,
    board: Board,
    inputs: Arrays | None = None,
    expect: Arrays | None = None,
    raw: NDArray[Any] | None = None,
    spread: UnorderedMap | None = None,
) -> Verification:
    """Measure a compiled model before it is exported, as :func:`measure` does, in a temporary directory."""
    from codegen.project.writer import write_project

    with tempfile.TemporaryDirectory(prefix="project-") as scratch:
        directory = Path(scratch) / model.name
        write_project(model, directory, board=board, report={})
        return measure(directory, inputs=inputs, expect=expect, raw=raw, spread=spread)


@dataclass(frozen=True, slots=True)
class _Symbols:
    """What the linker starts from and the emulator calls; ``extra`` is linked beside."""

    run: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    extra: tuple[str, ...] = ()

    @property
    def roots(self) -> tuple[str, ...]:
        return (self.run, *self.inputs, *self.outputs, *self.extra)


def _symbols(project: Project, graph: Graph, front_end: Preprocessing | None) -> _Symbols:
    def labels(kind: str, count: int) -> tuple[str, ...]:
        return (f"{project.name}_{kind}",) if count == 1 else tuple(f"{project.name}_{kind}_{i}" for i in range(count))

    outputs = labels("output", len(graph.outputs))
    if front_end is None:
        return _Symbols(f"{project.name}_run", labels("input", len(graph.inputs)), outputs)
    linked = tuple(f"{project.name}_{name}" for name in front_end.linked)
    return _Symbols(f"{project.name}_{front_end.entry}", (), outputs, linked)


def _raw(directory: Path, project: Project, inputs: Arrays | None, raw: NDArray[Any] | None) -> NDArray[Any] | None:
    """Raw numbers to run front end and network on; None where it is the network alone that is asked for."""
    front_end = project.front_end
    if front_end is None:
        if raw is not None:
            raise UserError(f"{directory}: the project takes no raw numbers; give its network's inputs")
        return None
    if raw is not None:
        return front_end.fit(raw, "--raw")
    if inputs is None:
        return _vectors(directory, lambda text: read_samples(text, project.name, front_end))
    if isinstance(inputs, Mapping) or np.asarray(inputs).dtype != front_end.raw_type or front_end.raw_type == np.float32:
        return None
    return front_end.fit(inputs, "--inputs")


def read_graph(directory: Path, project: Project) -> Graph:
    """The network that the project in ``directory`` was made of.

    :raises UserError: if it is missing, damaged or another one.
    """
    path = directory / "model.safetensors"
    if not path.is_file():
        raise UserError(f"{path}: is missing; export the project again")
    graph = load(path)
    if content_hash(graph) != project.model_hash:
        raise UserError(f"{path}: is not the network that report.json names; export the project again")
    return graph


def _own_vectors(directory: Path, project: Project, graph: Graph) -> dict[str, NDArray[Any]]:
    return _vectors(directory, lambda text: read_inputs(text, project.name, graph))


def _vectors(directory: Path, read: Callable[[str], T]) -> T:
    path = directory / "test" / "vectors.h"
    try:
        return read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); give --inputs or export the project again") from None


def _measure_anomaly(
    directory: Path,
    project: Project,
    graph: Graph,
    core: Core,
    inputs: Mapping[str, NDArray[Any]],
    spread: UnorderedMap | None,
) -> AnomalyMeasurement:
    """Run network and score, and measure the score."""
    from codegen.anomaly.templates import render
    from codegen.emulator import ModelInterface, execute_many
    from codegen.rendering import prefixed

    name, given = project.name, inputs[graph.inputs[0]]
    behind = -(-project.network_arena_bytes // _RESULT_BYTES) * _RESULT_BYTES
    layers = (*((layer.name, layer.function) for layer in project.layers), ("anomaly score", f"{name}_anomaly_score"))
    interface = ModelInterface(
        run=f"{name}_run_anomaly",
        inputs=(),
        outputs=((f"{name}_anomaly_result", _RESULT_BYTES),),
        arena_bytes=behind + _RESULT_BYTES,
        arena_align=project.arena_align,
        layers=layers,
        argument_bytes=graph[graph.inputs[0]].nbytes,
    )
    with tempfile.TemporaryDirectory(prefix="verify-") as scratch:
        harness = Path(scratch) / "anomaly_harness.c"
        harness.write_text(prefixed(render("anomaly_harness.c", m=name, behind=behind), name), encoding="utf-8")
        roots = [interface.run, interface.outputs[0][0], f"{name}_is_anomaly"]
        program = build(directory, project, core, roots, Path(scratch) / "model.elf", beside=[harness])
        stimuli = [[example.tobytes()] for example in given]
        execution = execute_many(program, core, interface, stimuli, watch_memory=False, spread=spread).all
    own = {f"{name}_anomaly_score", f"{name}_is_anomaly", f"{name}_anomaly_log2"}
    profile = execution.layers[-2]  # the last is the run function itself
    return AnomalyMeasurement(
        flash=sum(function.size for function in program.functions if function.name in own),
        instructions=profile.instructions,
        cycles=profile.cycles,
        scores=tuple(int.from_bytes(outputs[0][:4], "little", signed=True) for outputs in execution.outputs),
    )


def build(directory: Path, project: Project, core: Core, roots: Sequence[str], output: Path, *, beside: Sequence[Path] = ()) -> Elf:
    """Link what ``roots`` reach of the project in ``directory``, and of the C files ``beside`` it, for ``core``.

    :raises UserError: if it does not compile, or uses an instruction that the core lacks.
    """
    from codegen import elf
    from codegen.toolchain import CompileError, ZigCompiler

    sources = sorted((directory / "src").glob("*.c"))
    if not sources:
        raise UserError(f"{directory / 'src'}: holds no C sources; export the project again")
    include_dirs = [directory / "include", directory / "src"]
    try:
        ZigCompiler().link(
            [*sources, *beside], include_dirs=include_dirs, core=core, optimize=project.optimize, roots=list(roots), output=output
        )
    except CompileError as error:
        first = next((line for line in str(error).splitlines() if "error" in line), str(error).splitlines()[0])
        raise UserError(f"{directory}: does not compile for {core.name}: {first}") from error
    program = elf.read(output)
    forbidden = elf.forbidden_opcodes(program, core)
    if forbidden:
        raise UserError(f"{directory}: the build uses instructions that {core.name} lacks: {forbidden[0]}")
    return program


def _measure(
    directory: Path,
    project: Project,
    graph: Graph,
    core: Core,
    inputs: Mapping[str, NDArray[Any]],
    expected: Mapping[str, NDArray[Any]],
    raw: NDArray[Any] | None = None,
    *,
    differ: NDArray[np.bool_] | None = None,
    spread: UnorderedMap | None = None,
) -> Verification:
    """Measure the network on ``inputs`` or, with the ``raw`` numbers that these come of, front end and network. ``differ`` marks
    inputs that are known to give something else than they should."""
    from codegen.emulator import ModelInterface, execute_many
    from codegen.toolchain import ZigCompiler

    front_end = None if raw is None else project.front_end
    symbols = _symbols(project, graph, front_end)
    calls = tuple((layer.name, layer.function) for layer in project.layers)
    interface = ModelInterface(
        run=symbols.run,
        inputs=() if raw is not None else tuple((s, graph[n].nbytes) for s, n in zip(symbols.inputs, graph.inputs, strict=True)),
        outputs=tuple((s, graph[name].nbytes) for s, name in zip(symbols.outputs, graph.outputs, strict=True)),
        arena_bytes=project.network_arena_bytes if front_end is None else project.arena_bytes,
        arena_align=project.arena_align,
        layers=calls if front_end is None else ((FEATURES, f"{project.name}_{front_end.function}"), *calls),
        argument_bytes=0 if raw is None else raw[0].nbytes,
    )
    count = len(next(iter(inputs.values())))
    if raw is None:
        stimuli = [[inputs[name][i].tobytes() for name in graph.inputs] for i in range(count)]
    else:
        stimuli = [[np.ascontiguousarray(example).tobytes()] for example in raw]
    wanted = [tuple(expected[name][i].tobytes() for name in graph.outputs) for i in range(count)]
    with tempfile.TemporaryDirectory(prefix="verify-") as scratch:
        program = build(directory, project, core, symbols.roots, Path(scratch) / "model.elf")
        executions = execute_many(program, core, interface, stimuli, spread=spread)
    places = (executions.all, executions.at_start)
    unequal = [any(outputs != wanted[i] for place in places for outputs in place.outputs[i : i + 1]) for i in range(count)]
    if differ is not None:
        unequal = [one or bool(other) for one, other in zip(unequal, differ, strict=True)]
    return _verification(project, front_end, core, interface, program, executions, sum(unequal), count, ZigCompiler().identity)


def _verification(
    project: Project,
    front_end: Preprocessing | None,
    core: Core,
    interface: ModelInterface,
    program: Elf,
    executions: Executions,
    mismatches: int,
    count: int,
    compiler: str,
) -> Verification:
    first = executions.all
    features = () if front_end is None else (ProjectLayer(FEATURES, front_end.operator, "", "", 0),)
    layers = (*features, *project.layers)
    flash = Flash(program.code, program.constants + program.initial_data)
    parts, shared = layer_flash(program, project.name, [function for _, function in interface.layers], features=len(features))
    own_board = core.name == project.core
    return Verification(
        mismatches=mismatches,
        inputs=count,
        instructions=first.instructions,
        cycles=first.cycles,
        latency_ms=project.board.latency_ms(first.cycles, first.flash_bytes) if own_board else None,
        ram=Ram(
            arena=interface.arena_bytes,
            io=project.io_bytes,
            scratch=project.scratch_bytes,
            stack=max(first.stack_bytes, executions.at_start.stack_bytes),
            static=program.static,
            state=0 if front_end is None else front_end.state_bytes,
        ),
        flash=flash,
        macs=sum(layer.macs for layer in project.layers),
        layers=tuple(
            LayerMeasurement(layer.name, layer.op, layer.macs, profile.instructions, profile.cycles, layer.part_of, part)
            for layer, profile, part in zip(layers, first.layers[:-1], parts, strict=True)  # the last is the run function itself
        ),
        shared=shared,
        core=core.name,
        board=project.board.name if own_board else None,
        compiler=compiler,
        support_routines=_support_routines(program, project.name),
        outputs=first.outputs,
    )


def _support_routines(program: Elf, name: str) -> tuple[str, ...]:
    """Functions that are not the model's own, under their last names: the compiler's library qualifies them."""
    return tuple(sorted({f.name.rpartition(".")[2] for f in program.functions if not f.name.startswith(f"{name}_")}))
