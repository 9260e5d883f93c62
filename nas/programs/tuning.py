"""``nas export --tune``: every schedule of every layer is built and counted in the emulator at the layer's own shape."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codegen.cores import Core
    from codegen.ir import Graph, Op
    from codegen.kernels._base import Kernel
    from codegen.optimize import Optimize
    from codegen.schedules import Schedules
    from cost_models.measured import MeasuredProgram

Map = Callable[[Callable[..., Any], Sequence[Any]], Iterator[tuple[int, Any]]]
"""Applies a function to every item, in worker processes or here; yields ``(index, result)`` in any order."""

NEAR = 1.02
"""Schedules this close to the fastest count as equal: the one that takes least flash wins."""
BEARABLE = 1.05
"""How much more time than by the kernel's own rule a schedule may take where size counts."""
SEED = 0
"""Of the inputs that schedules are run on; cycles depend on them hardly at all."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A layer's operator on its own, once for each of its schedules; one program holds and runs them all."""

    key: str
    graph: Graph
    core: Core
    optimize: Optimize

    @property
    def cache_key(self) -> str:
        """Under which the result is kept."""
        return f"schedules-{self.key}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one schedule costs: cycles of a call, flash of its function and constants, scratch, all but the first in bytes."""

    cycles: float
    flash: int
    scratch: int


def tune(graph: Graph, core: Core, optimize: Optimize, map: Map, progress: Callable[[int, int], None]) -> Schedules:
    """The best schedules for the layers of ``graph``, beside those that come with the package.

    Measurements are kept in the user's cache, so that only new layers take time. ``progress(done, total)`` counts layers.
    """
    from codegen.kernels import library_hash
    from codegen.schedules import shipped_schedules
    from codegen.toolchain import ZigCompiler
    from cost_models.result_cache import ResultCache

    trials = layer_trials(graph, core, optimize)
    results = ResultCache.open(core=core.name, optimize=optimize, compiler=ZigCompiler().identity, kernel_library=library_hash())
    missing = [trial for trial in trials if results.get(trial.cache_key) is None]
    done = len(trials) - len(missing)
    progress(done, len(trials))
    for index, program in map(measure_trial, missing) if missing else ():
        results.put(missing[index].cache_key, program)
        done += 1
        progress(done, len(trials))
    choices = {}
    for trial in trials:
        program = results.get(trial.cache_key)
        assert program is not None
        choices[trial.key] = best(candidates(trial, program), optimize)
    return shipped_schedules(core, optimize).with_choices(choices)


def layer_trials(graph: Graph, core: Core, optimize: Optimize) -> list[Trial]:
    """One trial for each layer that has a choice; layers whose choice is the same share it."""
    from codegen.compile import lay_out
    from codegen.schedules import schedule_key

    layout = lay_out(graph, core, optimize, choose=_default)
    trials: dict[str, Trial] = {}
    for s in layout.selections:
        count = len(s.kernel.schedules(s.spec, core))
        if count > 1:
            key = schedule_key(s.kernel, s.spec, core)
            trials.setdefault(key, Trial(key, repeated(layout.graph, s.op, count), core, optimize))
    return list(trials.values())


def repeated(graph: Graph, op: Op, count: int) -> Graph:
    """``op`` alone, ``count`` times on the same inputs."""
    from codegen.ir import Graph

    names = (*op.inputs, *op.parameters)
    tensors = {name: graph[name] for name in names}
    ops = []
    for number in range(count):
        output = replace(graph[op.output], name=f"output_{number}")
        tensors[output.name] = output
        ops.append(replace(op, name=f"{number}", output=output.name))
    inputs = tuple(dict.fromkeys(name for name in op.inputs if not graph[name].constant))
    return Graph("trial", tensors, tuple(ops), inputs, tuple(op.output for op in ops)).validate()


def measure_trial(trial: Trial) -> MeasuredProgram:
    """Build and run all schedules of a trial.

    :raises RuntimeError: if the program does not compile or faults; one line, which unlike the cause can be pickled.
    """
    import numpy as np

    from codegen.emulator import ExecutionFault
    from codegen.toolchain import CompileError
    from cost_models.measurement import measure

    rng = np.random.default_rng(SEED)
    try:
        return measure(trial.graph, trial.core, trial.optimize, rng, choose=_by_number(trial.core))
    except (CompileError, ExecutionFault) as error:
        raise RuntimeError(f"schedules of {trial.key}: {error}") from None


def candidates(trial: Trial, program: MeasuredProgram) -> list[Candidate]:
    """The costs of a trial's schedules, in their order."""
    from codegen.compile import lay_out

    layout = lay_out(trial.graph, trial.core, trial.optimize, choose=_by_number(trial.core))
    return [
        Candidate(layer.cycles, layer.code + s.kernel.constant_bytes(s.spec), layer.scratch)
        for layer, s in zip(program.layers, layout.selections, strict=True)
    ]


def best(costs: Sequence[Candidate], optimize: Optimize) -> int:
    """Position of the best schedule.

    ``speed``: the fastest, or a smaller one that is nearly as fast. ``size``: the least flash and scratch together, at little more
    time than the kernel's own rule, the first, takes. ``balanced``: the fastest with no more flash and scratch than the rule's.
    """
    positions = range(len(costs))
    if optimize == "size":
        bearable = [i for i in positions if costs[i].cycles <= BEARABLE * costs[0].cycles]
        return min(bearable, key=lambda i: (costs[i].scratch + costs[i].flash, costs[i].cycles, i))
    if optimize == "balanced":
        fitting = [i for i in positions if costs[i].flash <= costs[0].flash and costs[i].scratch <= costs[0].scratch]
        return min(fitting, key=lambda i: (costs[i].cycles, i))
    least = min(c.cycles for c in costs)
    return min((i for i in positions if costs[i].cycles <= NEAR * least), key=lambda i: (costs[i].flash, costs[i].cycles, i))


def _default(op: Op, kernel: Kernel[Any], spec: Hashable) -> Hashable:
    return spec


def _by_number(core: Core) -> Callable[[Op, Kernel[Any], Hashable], Hashable]:
    """Gives the operator called ``"3"``, or a strip of it, schedule 3."""

    def choose(op: Op, kernel: Kernel[Any], spec: Hashable) -> Hashable:
        chosen: Hashable = kernel.schedules(spec, core)[int(op.name.split()[0])]
        return chosen

    return choose
