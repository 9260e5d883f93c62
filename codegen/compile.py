"""From an int8 graph to a compiled model: kernels chosen, arena planned, one C function per distinct kernel and spec."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from codegen.cores import Core
from codegen.errors import UserError
from codegen.graph_file import content_hash
from codegen.int4 import UNPACK, Int4Kernel, Int4Spec, select, unpacking
from codegen.ir import Graph, Op, macs, total_macs
from codegen.kernels._base import Constant, Kernel
from codegen.memory_plan import Demand, MemoryPlan, plan
from codegen.operator_order import least_memory_order
from codegen.optimize import Optimize
from codegen.partial_execution import CALL_BYTES, Estimator, partitions
from codegen.passes import run_passes
from codegen.schedules import Chooser, shipped_schedules
from codegen.strips import in_strips
from codegen.views import find_views

if TYPE_CHECKING:
    from codegen.anomaly import AnomalyDetector
    from codegen.features import Preprocessing
    from codegen.streaming import Stream

_NOTHING = Demand()


@dataclass(frozen=True, slots=True)
class Selection:
    """An operator, the kernel that will compute it and the spec it was specialized to."""

    op: Op
    kernel: Kernel[Any]
    spec: Hashable


@dataclass(frozen=True, slots=True)
class Layout:
    """What a graph becomes: its form after the passes, the kernels of the operators that cost anything, and where data lies.

    ``origins`` maps each operator that computes a strip to the one it is a part of.
    """

    graph: Graph
    selections: tuple[Selection, ...]
    plan: MemoryPlan
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def demands(self) -> list[Demand]:
        """What the plan knows of each operator of ``graph``."""
        return _demands(self.graph, self.selections)

    def origin(self, op: Op) -> str:
        """Name of the operator that ``op`` is, or is a strip of."""
        return self.origins.get(op.name, op.name)


@dataclass(frozen=True, slots=True, eq=False)
class CompiledLayer:
    """One call in ``<name>_run``. ``function`` is the C symbol without the model's prefix; layers may share one.

    Layers that compute strips of one operator share the objects of equal ``constants``.
    """

    op: Op
    kernel: str
    spec: Hashable
    function: str
    constants: tuple[Constant, ...]
    macs: int


@dataclass(frozen=True, slots=True, eq=False)
class CompiledModel:
    """Everything the C project is written from. ``graph`` is the network as it was given, ``layout.graph`` what is computed.

    ``functions`` maps each layer function to its C text, in order of first use, with ``NN_`` where the model's prefix goes,
    ``shared_functions`` those that several of them call (:meth:`Kernel.shared_functions`); ``micro_kernels`` are the headers of
    ``codegen/kernels/micro`` they use; ``hash`` identifies the graph's content. ``front_end`` makes the network's input of
    raw numbers, ``detector`` scores its output, ``stream`` runs it on samples as they come in.
    """

    graph: Graph
    name: str
    core: Core
    optimize: Optimize
    layout: Layout
    layers: tuple[CompiledLayer, ...]
    functions: Mapping[str, str]
    shared_functions: Mapping[str, str]
    micro_kernels: tuple[str, ...]
    hash: str
    front_end: Preprocessing | None = None
    detector: AnomalyDetector | None = None
    stream: Stream | None = None

    @property
    def arena_bytes(self) -> int:
        """Bytes of the arena of the project: the plan's, or more where the features need them."""
        return self.plan.arena_bytes if self.front_end is None else self.front_end.arena_bytes(self.plan.arena_bytes)

    def with_stream(self, stream: Stream) -> CompiledModel:
        """The same with other decisions while samples come in; what one run of the network does stays as it is.

        :raises UserError: if the network does not take what the stream gives.
        """
        stream.check(self.graph)
        return replace(self, stream=stream)

    @property
    def plan(self) -> MemoryPlan:
        """Where everything lies in the arena."""
        return self.layout.plan


def lay_out(
    graph: Graph, core: Core, optimize: Optimize, *, choose: Chooser | None = None, arena_limit: int | None = None
) -> Layout:
    """Run the passes, choose kernels and their schedules (those that come with the package, unless ``choose`` picks others), and
    plan the arena. Works on shape-only graphs, and needs no TVM.

    Branches run in the order that needs the least memory. Operators are computed in strips of rows where ``optimize`` is ``size``
    and memory becomes clearly smaller at bounded extra work, a percent of the one for a percent of the other, or where the
    arena would exceed ``arena_limit`` bytes otherwise. A limit that cannot be met is no error here.

    :raises UserError: if no kernel can compute an operator; the message names it.
    """
    graph = run_passes(graph)
    choose = choose or shipped_schedules(core, optimize)
    layout = _arranged(graph, core, optimize, choose)
    reordered = least_memory_order(graph, layout.demands)
    if reordered is not graph:
        layout = min(layout, _arranged(reordered, core, optimize, choose), key=lambda s: s.plan.arena_bytes)
        graph = layout.graph
    limit = None if arena_limit is None or layout.plan.arena_bytes <= arena_limit else arena_limit
    if limit is None and optimize != "size":
        return layout
    return _with_strips(layout, limit, lambda parts: _arranged(parts, core, optimize, choose))


def _with_strips(layout: Layout, limit: int | None, arrange: Callable[[Graph], Layout]) -> Layout:
    """The best layout with operators in strips of rows, ``layout`` itself included: the one with the least work that meets the
    ``limit``, or the smallest one; without a limit, memory, calls and work are weighed."""
    estimator = Estimator(layout.graph, layout.demands)
    found = [layout]
    for partition in partitions(estimator, layout.plan.arena_bytes, limit):
        parts, origins = in_strips(layout.graph, partition.ranges)
        found.append(replace(arrange(parts), origins=origins))
        if limit is not None and found[-1].plan.arena_bytes <= limit:
            return found[-1]
    if limit is not None:
        return min(found, key=lambda s: s.plan.arena_bytes)
    work = total_macs(layout.graph)
    return min(found, key=lambda s: (s.plan.arena_bytes + CALL_BYTES * len(s.selections)) * max(work, total_macs(s.graph)))


def _arranged(graph: Graph, core: Core, optimize: Optimize, choose: Chooser) -> Layout:
    """Kernels, schedules and plan for a graph as it is."""
    views = find_views(graph)
    selections: list[Selection] = []
    for op in graph.ops:
        if op.name not in views.free:
            kernel, default = select(op, graph, core, optimize)
            selections.append(Selection(op, kernel, choose(op, kernel, default)))
    return Layout(graph, tuple(selections), plan(graph, _demands(graph, selections), views))


def _demands(graph: Graph, selections: Sequence[Selection]) -> list[Demand]:
    """What the plan must know of each operator; nothing of those that need no code."""
    known = {s.op.name: _demand(s.kernel, s.spec) for s in selections}
    return [known.get(op.name, _NOTHING) for op in graph.ops]


@lru_cache(maxsize=1 << 16)
def _demand(kernel: Kernel[Any], spec: Hashable) -> Demand:
    return Demand(kernel.scratch_bytes(spec), kernel.overlap(spec))


def distinct(selections: Sequence[Selection]) -> dict[tuple[str, Hashable], str]:
    """Names of the C functions: one for each kernel and spec that differ, numbered per kernel in order of first use."""
    names: dict[tuple[str, Hashable], str] = {}
    count: dict[str, int] = {}
    for s in selections:
        key = (s.kernel.name, s.spec)
        if key not in names:
            count[s.kernel.name] = count.get(s.kernel.name, 0) + 1
            names[key] = f"{s.kernel.name}_{count[s.kernel.name]}"
    return names


def compile_graph(
    graph: Graph,
    core: Core,
    *,
    name: str | None = None,
    optimize: Optimize = "balanced",
    choose: Chooser | None = None,
    arena_limit: int | None = None,
    front_end: Preprocessing | None = None,
    detector: AnomalyDetector | None = None,
) -> CompiledModel:
    """Compile ``graph`` for ``core``; ``name`` (default the graph's) prefixes every symbol; ``choose`` and ``arena_limit`` (bytes)
    as for :func:`lay_out`; ``front_end`` makes its input of raw numbers, ``detector`` scores its output. A network of sound gets a
    stream with usual settings; others by :meth:`CompiledModel.with_stream`.

    :raises UserError: if the name is no C identifier, the graph has no data, an operator has no kernel, or the network does not
        take what the front end gives.
    """
    from codegen.features import FrontEnd
    from codegen.streaming import sound_stream
    from codegen.tvm_build import build_c  # TVM takes seconds to import

    prefix = graph.name if name is None else name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", prefix):
        raise UserError(f"model name {prefix!r}: must be lower-case letters, digits and underscores and begin with a letter")
    if graph.shape_only:
        raise UserError(f"model {prefix!r}: has shapes but no weights; only a trained network can be compiled")
    if front_end is not None:
        front_end.check(graph)
    stream = sound_stream(graph, front_end, detector) if isinstance(front_end, FrontEnd) else None
    if stream is not None:
        stream.check(graph)
    layout = lay_out(graph, core, optimize, choose=choose, arena_limit=arena_limit)
    names = distinct(layout.selections)
    prim_funcs: dict[str, Any] = {}
    shared_funcs: dict[str, Any] = {}
    on_int4: dict[str, tuple[Int4Kernel, Int4Spec]] = {}
    micro_kernels: dict[str, None] = {}
    known: dict[Hashable, Constant] = {}
    layers = []
    for s in layout.selections:
        function = names[s.kernel.name, s.spec]
        if function not in prim_funcs:
            prim_funcs[function] = s.kernel.prim_func(s.spec)
            if isinstance(s.kernel, Int4Kernel) and isinstance(s.spec, Int4Spec):
                on_int4[function] = s.kernel, s.spec
            for shared_name, make in s.kernel.shared_functions(s.spec).items():
                if shared_name not in shared_funcs:
                    shared_funcs[shared_name] = make()
            micro_kernels.update(dict.fromkeys(s.kernel.micro_kernels))
        constants = tuple(
            known.setdefault((layout.origin(s.op), c.name, c.data.dtype.str, c.data.shape, c.data.tobytes()), c)
            for c in s.kernel.pack(s.op, layout.graph, s.spec)
        )
        layers.append(CompiledLayer(s.op, s.kernel.name, s.spec, function, constants, macs(s.op, layout.graph)))
    texts = build_c(prim_funcs, shared_funcs)
    shared_functions = {name: texts[name] for name in shared_funcs}
    for function, (kernel, spec) in on_int4.items():
        texts[function], shared_functions[UNPACK] = unpacking(kernel, spec, texts[function])
    return CompiledModel(
        graph=graph,
        name=prefix,
        core=core,
        optimize=optimize,
        layout=layout,
        layers=tuple(layers),
        functions={name: texts[name] for name in prim_funcs},
        shared_functions=shared_functions,
        micro_kernels=tuple(micro_kernels),
        hash=content_hash(graph),
        front_end=front_end,
        detector=detector,
        stream=stream,
    )
