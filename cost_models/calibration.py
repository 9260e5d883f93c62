"""Calibration: sample operators, build and run them, fit, and judge the fit on networks it has not seen."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from codegen.boards import Board
from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.emulator import ExecutionFault
from codegen.errors import UserError
from codegen.harness import Device
from codegen.int4 import WeightBits, as_bytes, int4_graph, int4_hash, parts_of, takes_int4
from codegen.ir import Graph, Weighted
from codegen.kernels import library_hash
from codegen.optimize import Optimize
from codegen.process_map import UnorderedMap, serial_map
from codegen.schedules import RandomSchedules
from codegen.toolchain import CompileError, ZigCompiler
from cost_models.card import EMULATOR
from cost_models.covering import covering_operators
from cost_models.fitting import fit_model
from cost_models.measured import MeasuredProgram
from cost_models.measurement import measure, shape_key
from cost_models.model import CostModel
from cost_models.operators import bundle, part, sample_operator
from cost_models.random_weights import fill
from cost_models.result_cache import ResultCache

BUNDLE = 24
"""Operators in one build: TVM and the compiler start once for all of them."""
LONG_FORM = 10
"""Operators for each one that is sampled once more with the long form of requantisation."""
UNPACKED, UNPACKED_IN_PARTS = 48, 16
"""Operators that are built on weights of four bits and of eight; those that are computed in parts are rare among random ones."""
FEWEST_NETWORKS = 10
MOST_CODE = 4096
"""Bytes of code and alignment that a layer is taken to need at most."""

MOST_REFUSED = 30
"""Operators that may be too large for a board, for each one that is asked for."""


@dataclass(frozen=True, slots=True)
class Job:
    """One program to build and measure: shape-only ``graph``, filled with random weights drawn from ``seed``.

    ``any_schedule`` gives layers schedules at random instead of those that the compiler would pick; unless ``bounded`` layers need
    the long form of requantisation. With ``weight_bits`` weights of four bits lie in flash as such or, the same, as bytes.
    """

    graph: Graph
    core: str
    optimize: Optimize
    seed: int
    any_schedule: bool = False
    bounded: bool = True
    weight_bits: WeightBits | None = None

    @property
    def key(self) -> str:
        """Identifies the program: equal keys give equal C."""
        shapes = [shape_key(op, self.graph) for op in self.graph.ops]
        wiring = [(op.inputs, op.output) for op in self.graph.ops]
        form: tuple[str, ...] = () if self.bounded else ("long form",)
        if self.weight_bits is not None:
            form += (f"int4 weights in {self.weight_bits} bits", int4_hash())
        return hashlib.sha256(repr((shapes, wiring, self.seed, self.any_schedule, *form)).encode()).hexdigest()[:24]


class Progress(Protocol):
    """Is told how many programs of how many are measured."""

    def __call__(self, done: int, total: int, /) -> None:
        """Called once before the first program and after each one."""


def run_job(job: Job, device: Device | None = None) -> MeasuredProgram:
    """Fill, build, emulate and take apart one job's program; with a ``device`` count its cycles there.

    :raises RuntimeError: if it does not compile or faults (one line, which unlike the cause can be sent between processes).
    :raises UserError: if the device fails.
    """
    rng = np.random.default_rng(job.seed)
    core = CORES[job.core]
    choose = RandomSchedules(core, job.seed) if job.any_schedule else None
    try:
        return measure(_filled(job, rng), core, job.optimize, rng, choose=choose, device=device)
    except (CompileError, ExecutionFault) as error:
        raise RuntimeError(f"program {job.key}: {error}") from None


def _filled(job: Job, rng: np.random.Generator) -> Graph:
    if job.weight_bits is None:
        return fill(job.graph, rng, bounded=job.bounded)
    graph = fill(int4_graph(job.graph), rng, bounded=job.bounded)
    return graph if job.weight_bits == 4 else as_bytes(graph)


def sample_bundles(core: str, optimize: Optimize, samples: int, seed: int, *, most_bytes: int | None = None) -> list[Job]:
    """Bundles of ``samples`` random operators of different shapes.

    The first bundles do not depend on ``samples``, so a longer calibration reuses the results of a shorter one. Every second bundle
    has schedules at random: networks may be tuned. One in :data:`LONG_FORM` operators more has weights that need the long form of
    requantisation: trained networks have such layers now and then, and they take other schedules. With ``most_bytes``
    no program is larger (see :func:`program_bytes`): larger operators are left out, and bundles hold fewer.

    :raises UserError: if hardly any operator is small enough.
    """

    def size(graph: Graph) -> int:
        return 0 if most_bytes is None else program_bytes(graph, core, optimize)

    room = math.inf if most_bytes is None else most_bytes
    short = _bundles(_different_operators(np.random.default_rng(seed), samples, size, room), size, room)
    weighted = _different_operators(np.random.default_rng([seed, 1]), samples // LONG_FORM, size, room, _has_weights)
    jobs = [(part, True) for part in short] + [(part, False) for part in _bundles(weighted, size, room)]
    return [
        Job(bundle(part, "bundle"), core, optimize, seed * 1_000_003 + i, i % 2 == 1, bounded)
        for i, (part, bounded) in enumerate(jobs)
    ]


def covering_bundles(
    kernels: Sequence[tuple[int, int]], core: str, optimize: Optimize, seed: int, *, most_bytes: int | None = None
) -> list[Job]:
    """Bundles of the :func:`cost_models.covering.covering_operators`; with ``most_bytes`` without those that are larger."""

    def size(graph: Graph) -> int:
        return 0 if most_bytes is None else program_bytes(graph, core, optimize)

    room = math.inf if most_bytes is None else most_bytes
    operators = [graph for graph in covering_operators(kernels, core, optimize) if size(graph) <= room]
    return [
        Job(bundle(part, "bundle"), core, optimize, seed * 1_000_003 + 900_000 + i)
        for i, part in enumerate(_bundles(operators, size, room))
    ]


def unpacking_bundles(core: str, optimize: Optimize, seed: int, *, most_bytes: int | None = None) -> list[tuple[Job, Job]]:
    """Bundles of operators whose weights take four bits where that is wanted, some of them computed in parts; and bundles of such a
    part of each on weights of eight bits. With ``most_bytes`` without those that are larger.

    :raises UserError: if hardly any operator is small enough.
    """

    def size(graph: Graph) -> int:
        return 0 if most_bytes is None else program_bytes(graph, core, optimize)

    def many_weights(graph: Graph) -> bool:
        (op,) = graph.ops
        return isinstance(op, Weighted) and takes_int4(type(op), graph[op.weight].size)

    def in_parts(graph: Graph) -> bool:
        return many_weights(graph) and parts_of(graph.ops[0], int4_graph(graph), CORES[core], optimize) > 1

    room = math.inf if most_bytes is None else most_bytes
    operators = _different_operators(np.random.default_rng([seed, 2]), UNPACKED, size, room, many_weights)
    operators += _different_operators(np.random.default_rng([seed, 3]), UNPACKED_IN_PARTS, size, room, in_parts)
    pairs = []
    for i, graphs in enumerate(_bundles(operators, size, room)):
        parts = [part(graph, parts_of(graph.ops[0], int4_graph(graph), CORES[core], optimize)) for graph in graphs]
        at = seed * 1_000_003 + 950_000 + i
        on_four = Job(bundle(graphs, "bundle"), core, optimize, at, weight_bits=4)
        pairs.append((on_four, Job(bundle(parts, "bundle"), core, optimize, at, weight_bits=8)))
    return pairs


def _has_weights(graph: Graph) -> bool:
    return isinstance(graph.ops[0], Weighted)


def _different_operators(
    rng: np.random.Generator, count: int, size: Callable[[Graph], int], room: float, wanted: Callable[[Graph], bool] | None = None
) -> list[Graph]:
    """So many operators of different shapes that fit into ``room``; only ``wanted`` ones, if asked."""
    chosen: dict[str, Graph] = {}
    refused = 0
    while len(chosen) < count:
        graph = sample_operator(rng)
        if wanted is not None and not wanted(graph):
            continue
        if size(graph) > room:
            refused += 1
            if refused > MOST_REFUSED * count:
                raise UserError(f"hardly any operator fits into {room:,} bytes of RAM, code and constants included")
        else:
            chosen.setdefault(shape_key(graph.ops[0], graph), graph)
    return list(chosen.values())


def _bundles(graphs: Sequence[Graph], size: Callable[[Graph], int], room: float) -> list[list[Graph]]:
    """The operators in order, at most :data:`BUNDLE` and no more than ``room`` has room for at a time."""
    bundles: list[list[Graph]] = []
    left = 0.0
    for graph in graphs:
        if not bundles or len(bundles[-1]) == BUNDLE or size(graph) > left:
            bundles.append([])
            left = room
        bundles[-1].append(graph)
        left -= size(graph)
    return bundles


def program_bytes(graph: Graph, core: str, optimize: Optimize) -> int:
    """Bytes of RAM that a program of ``graph`` takes where code and constants lie there as well: a bound, from shapes alone."""
    layout = lay_out(graph, CORES[core], optimize)
    constants = sum(s.kernel.constant_bytes(s.spec) for s in layout.selections)
    return layout.plan.arena_bytes + constants + MOST_CODE * (len(layout.selections) + 1)


def calibrate(
    board: Board,
    *,
    optimize: Optimize = "balanced",
    samples: int = 360,
    seed: int = 0,
    networks: Sequence[Graph],
    held_out: Sequence[Graph],
    depthwise_kernels: Sequence[tuple[int, int]] = (),
    map: UnorderedMap = serial_map,
    progress: Progress | None = None,
    device: Device | None = None,
) -> CostModel:
    """Calibrate a cost model for the core of ``board`` in the emulator, or on the board itself.

    :param samples: random operators to build, beside the layers of ``networks``.
    :param networks: shape-only graphs of the search spaces to learn from; at least ten.
    :param held_out: the same for judging: the fit sees neither them nor any operator of a shape that occurs in them. Intervals and
        card come from these; at least ten.
    :param depthwise_kernels: height and width of those that networks have: every function that depthwise convolutions with them
        share is built and measured, too.
    :param map: where programs are built and run; results are kept in the user's cache, so a calibration that was stopped goes on.
    :param device: counts the cycles instead of the emulator. There is one, so ``map`` must work in this process, one job at a time;
        networks must fit into its RAM (:func:`program_bytes`).
    :raises UserError: if there are too few networks or too few operators asked for, or the device fails; what was measured is kept.
    """
    if min(len(networks), len(held_out)) < FEWEST_NETWORKS:
        raise UserError(f"calibration needs at least {FEWEST_NETWORKS} networks to learn from and as many to judge by")
    if samples < BUNDLE:
        raise UserError(f"--samples {samples}: a calibration needs at least {BUNDLE} operators")
    most_bytes = None if device is None else device.hello.ram_bytes
    jobs = sample_bundles(board.core, optimize, samples, seed, most_bytes=most_bytes)
    jobs += covering_bundles(depthwise_kernels, board.core, optimize, seed, most_bytes=most_bytes)
    bundles = len(jobs)
    for i, graph in enumerate((*networks, *held_out)):
        jobs.append(Job(graph, board.core, optimize, seed * 1_000_003 + 500_000 + i))
    networks_end = len(jobs)
    unpacking = unpacking_bundles(board.core, optimize, seed, most_bytes=most_bytes)
    jobs += [job for pair in unpacking for job in pair]
    compiler = ZigCompiler().identity
    measured_by = EMULATOR if device is None else device.hello.description
    results = ResultCache.open(
        core=board.core, optimize=optimize, compiler=compiler, kernel_library=library_hash(), measured_by=measured_by
    )
    measured = measure_all(jobs, partial(run_job, device=device) if device else run_job, results, map, progress or _silent)
    return fit_model(
        board=board,
        optimize=optimize,
        compiler=compiler,
        samples=samples,
        seed=seed,
        measured_by=measured_by,
        bundles=measured[:bundles],
        networks=list(zip(networks, measured[bundles : bundles + len(networks)], strict=True)),
        held_out=list(zip(held_out, measured[bundles + len(networks) : networks_end], strict=True)),
        unpacked=list(zip(measured[networks_end::2], measured[networks_end + 1 :: 2], strict=True)),
    )


def measure_all(
    jobs: Sequence[Job], run_one: Callable[[Job], MeasuredProgram], results: ResultCache, run: UnorderedMap, progress: Progress
) -> list[MeasuredProgram]:
    """What ``run_one`` gives for every job, in their order: from ``results`` where it is known, else by ``run``, and kept there."""
    known = {job.key: results.get(job.key) for job in jobs}
    missing = [job for job in jobs if known[job.key] is None]
    done = len(jobs) - len(missing)
    progress(done, len(jobs))
    for index, program in run(run_one, missing):
        key = missing[index].key
        known[key] = results.put(key, program)
        done += 1
        progress(done, len(jobs))
    return [_present(known[job.key]) for job in jobs]


def _present(program: MeasuredProgram | None) -> MeasuredProgram:
    if program is None:
        raise RuntimeError("the executor left a program unmeasured")
    return program


def _silent(*_: Any) -> None:
    """No progress wanted."""
