"""Calibration: sample operators, build and run them, fit, and judge the fit on networks it has not seen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from codegen.boards import Board
from codegen.compile import Optimize
from codegen.cores import CORES
from codegen.errors import UserError
from codegen.ir import Graph, Reshape
from codegen.kernels import library_hash
from codegen.toolchain import ZigCompiler
from cost_models.fitting import fit_model
from cost_models.measured import MeasuredProgram
from cost_models.measurement import measure, shape_key
from cost_models.model import CostModel
from cost_models.operators import bundle, sample_operator, split
from cost_models.random_weights import fill
from cost_models.result_cache import ResultCache

BUNDLE = 24
"""Operators in one build: TVM and the compiler start once for all of them."""
FEWEST_HELD_OUT = 10


@dataclass(frozen=True, slots=True)
class Job:
    """One program to build and measure: shape-only ``graph``, filled with random weights drawn from ``seed``."""

    graph: Graph
    core: str
    optimize: Optimize
    seed: int

    @property
    def key(self) -> str:
        """Identifies the program: equal keys give equal C."""
        shapes = [shape_key(op, self.graph) for op in self.graph.ops]
        wiring = [(op.inputs, op.output) for op in self.graph.ops]
        return hashlib.sha256(repr((shapes, wiring, self.seed)).encode()).hexdigest()[:24]


class ExecutorMap(Protocol):
    """Applies a function to every job, in worker processes or here; yields ``(index, result)`` in any order."""

    def __call__(self, function: Callable[[Job], MeasuredProgram], jobs: Sequence[Job], /) -> Iterable[tuple[int, MeasuredProgram]]:
        """``function`` is importable by name, jobs and results can be pickled."""


class Progress(Protocol):
    """Is told how many programs of how many are measured."""

    def __call__(self, done: int, total: int, /) -> None:
        """Called once before the first program and after each one."""


def serial_map(function: Callable[[Job], MeasuredProgram], jobs: Sequence[Job]) -> Iterator[tuple[int, MeasuredProgram]]:
    """Runs every job in this process."""
    for index, job in enumerate(jobs):
        yield index, function(job)


def run_job(job: Job) -> MeasuredProgram:
    """Fill, build, emulate and take apart one job's program."""
    rng = np.random.default_rng(job.seed)
    return measure(fill(job.graph, rng), CORES[job.core], job.optimize, rng)


def sample_jobs(core: str, optimize: Optimize, samples: int, seed: int, networks: Sequence[Graph], avoid: set[str]) -> list[Job]:
    """Bundles of ``samples`` operators: half of them drawn at random, half taken from ``networks``; none of a shape in ``avoid``.

    The first bundles do not depend on ``samples``, so a longer calibration reuses the results of a shorter one.
    """
    rng = np.random.default_rng(seed)
    layers = [layer for network in networks for layer in split(network) if not isinstance(layer.ops[0], Reshape)]
    order = iter(rng.permutation(len(layers)).tolist())
    seen = set(avoid)
    chosen: list[Graph] = []
    while len(chosen) < samples:
        index = next(order, None) if len(chosen) % 2 else None
        graph = sample_operator(rng) if index is None else layers[index]
        key = shape_key(graph.ops[0], graph)
        if key not in seen:
            seen.add(key)
            chosen.append(graph)
    bundles = [chosen[start : start + BUNDLE] for start in range(0, samples, BUNDLE)]
    return [Job(bundle(graphs, "bundle"), core, optimize, seed * 1_000_003 + i) for i, graphs in enumerate(bundles)]


def calibrate(
    board: Board,
    *,
    optimize: Optimize = "balanced",
    samples: int = 360,
    seed: int = 0,
    networks: Sequence[Graph] = (),
    held_out: Sequence[Graph],
    map: ExecutorMap = serial_map,
    progress: Progress | None = None,
) -> CostModel:
    """Calibrate a cost model for the core of ``board`` in the emulator.

    :param samples: operators to build, random ones and those of ``networks`` (shape-only graphs of the search spaces).
    :param held_out: whole networks that the fit does not see, nor any operator of a shape that occurs in them. Intervals and the
        card come from these; at least ten.
    :param map: where programs are built and run; results are kept in the user's cache, so a calibration that was stopped goes on.
    :raises UserError: if too few networks are held out or too few operators asked for.
    """
    if len(held_out) < FEWEST_HELD_OUT:
        raise UserError(f"calibration needs at least {FEWEST_HELD_OUT} held-out networks, got {len(held_out)}")
    if samples < BUNDLE:
        raise UserError(f"--samples {samples}: a calibration needs at least {BUNDLE} operators")
    avoid = {shape_key(op, graph) for graph in held_out for op in graph.ops}
    jobs = sample_jobs(board.core, optimize, samples, seed, networks, avoid)
    jobs += [Job(graph, board.core, optimize, seed * 1_000_003 + 500_000 + i) for i, graph in enumerate(held_out)]
    compiler = ZigCompiler().identity
    results = ResultCache.open(core=board.core, optimize=optimize, compiler=compiler, kernel_library=library_hash())
    measured = _measure_all(jobs, results, map, progress or _silent)
    bundles, programs = measured[: len(jobs) - len(held_out)], measured[len(jobs) - len(held_out) :]
    return fit_model(
        board=board,
        optimize=optimize,
        compiler=compiler,
        samples=samples,
        seed=seed,
        bundles=bundles,
        held_out=list(zip(held_out, programs, strict=True)),
    )


def _measure_all(jobs: Sequence[Job], results: ResultCache, run: ExecutorMap, progress: Progress) -> list[MeasuredProgram]:
    known = {job.key: results.get(job.key) for job in jobs}
    missing = [job for job in jobs if known[job.key] is None]
    done = len(jobs) - len(missing)
    progress(done, len(jobs))
    for index, program in run(run_job, missing):
        key = missing[index].key
        known[key] = program
        results.put(key, program)
        done += 1
        progress(done, len(jobs))
    return [_present(known[job.key]) for job in jobs]


def _present(program: MeasuredProgram | None) -> MeasuredProgram:
    if program is None:
        raise RuntimeError("the executor left a program unmeasured")
    return program


def _silent(*_: Any) -> None:
    """No progress wanted."""
