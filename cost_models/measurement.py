"""Builds a graph the way an exported project is built, runs it in the emulator and takes it apart function by function."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from codegen import elf
from codegen.cache import cache_dir
from codegen.compile import CompiledLayer, CompiledModel, compile_graph
from codegen.cores import Core
from codegen.emulator import Execution, ModelInterface, execute
from codegen.harness import Device, measure_on_board, pseudo_random
from codegen.ir import Clamped, Graph, Op, Weighted
from codegen.optimize import Optimize
from codegen.project import kernel_source, model_source
from codegen.project.borders import borders
from codegen.schedules import Chooser
from codegen.toolchain import ZigCompiler
from cost_models.call_graph import CallGraph
from cost_models.descriptors import descriptors
from cost_models.measured import MeasuredLayer, MeasuredProgram
from cost_models.model import run_call
from cost_models.random_weights import random_input

_C_FILES = ("m.c", "m_kernels.c", "m_weights.c")


@dataclass(frozen=True, slots=True)
class Built:
    """A compiled graph, its program and how to call it."""

    model: CompiledModel
    program: Path
    interface: ModelInterface


def build(graph: Graph, core: Core, optimize: Optimize, directory: Path, *, choose: Chooser | None = None) -> Built:
    """Compile and link ``graph`` inside ``directory``: the sources of the exported project, without its tests."""
    model = compile_graph(graph, core, name="m", optimize=optimize, choose=choose)
    for name, text in _sources(model).items():
        (directory / name).write_text(text, encoding="utf-8")
    sides = borders(model.graph, model.plan.offsets)
    accessors = {side: [(f"m_{b.label}", b.tensor.nbytes) for b in sides if b.direction == side] for side in ("input", "output")}
    roots = ["m_run", *(symbol for side in accessors.values() for symbol, _ in side)]
    program = ZigCompiler().link(
        [directory / name for name in _C_FILES],
        include_dirs=[directory],
        core=core,
        optimize=optimize,
        roots=roots,
        output=directory / "m.elf",
    )
    interface = ModelInterface(
        run="m_run",
        inputs=tuple(accessors["input"]),
        outputs=tuple(accessors["output"]),
        arena_bytes=model.plan.arena_bytes,
        arena_align=model_source.ARENA_ALIGN,
        layers=tuple((layer.op.name, f"m_{layer.function}") for layer in model.layers),
    )
    return Built(model, program, interface)


def measure(
    graph: Graph,
    core: Core,
    optimize: Optimize,
    rng: np.random.Generator,
    *,
    choose: Chooser | None = None,
    device: Device | None = None,
) -> MeasuredProgram:
    """Build ``graph``, with the schedules that ``choose`` picks, and run it once on random inputs.

    With a ``device`` the cycles are those that it counted; everything else comes from the emulator, whose outputs the device has to
    give as well.

    :raises UserError: if the device fails, see :func:`codegen.harness.measure_on_board`.
    """
    with tempfile.TemporaryDirectory(prefix="measure-", dir=cache_dir()) as directory:
        built = build(graph, core, optimize, Path(directory), choose=choose)
        if device is None:
            inputs = [random_input(graph[name], rng).tobytes() for name in graph.inputs]
            return _take_apart(built, execute(built.program, core, built.interface, [inputs]))
        return _take_apart(built, _execute_on(device, built, core, optimize, int(rng.integers(2**32)), Path(directory)))


def _execute_on(device: Device, built: Built, core: Core, optimize: Optimize, seed: int, directory: Path) -> Execution:
    arena = pseudo_random(built.interface.arena_bytes, seed)
    sides = borders(built.model.graph, built.model.plan.offsets)
    offsets = {f"m_{b.label}": b.offset for b in sides}
    inputs = [arena[offsets[symbol] :][:size] for symbol, size in built.interface.inputs]
    return measure_on_board(
        device,
        [directory / name for name in _C_FILES],
        directory / _C_FILES[0],
        built.interface,
        optimize,
        emulated=execute(built.program, core, built.interface, [inputs]),
        seed=seed,
        outputs={symbol: offsets[symbol] for symbol, _ in built.interface.outputs},
        directory=directory,
    )


def shape_key(op: Op, graph: Graph) -> str:
    """Identifies an operator with its shapes and settings, whatever the names, weights and quantization."""
    shapes = [graph[name].shape for name in (*op.inputs, *op.parameters, op.output)]
    unnamed: dict[str, Any] = {"name": "", "output": "", "inputs": ("",) * len(op.inputs)}
    if isinstance(op, Clamped):
        unnamed["clamp"] = (0, 0)
    if isinstance(op, Weighted):
        unnamed["weight"], unnamed["bias"] = "", None if op.bias is None else ""
    anonymous = replace(op, **unnamed)
    return hashlib.sha256(f"{anonymous!r}{shapes}".encode()).hexdigest()[:16]


def _sources(model: CompiledModel) -> Mapping[str, str]:
    micro = bool(model.micro_kernels)
    files = {
        "m.h": model_source.header(model, "0"),
        "m.c": model_source.run_source(model),
        "m_kernels.h": kernel_source.prototypes("m", model.functions),
        "m_kernels.c": kernel_source.kernels("m", model.shared_functions, model.functions, micro=micro),
        "m_weights.h": model_source.weights_header(model),
        "m_weights.c": model_source.weights_source(model),
    }
    if micro:
        files["m_micro.h"] = kernel_source.micro_header("m", model.micro_kernels)
    return files


def _take_apart(built: Built, execution: Execution) -> MeasuredProgram:
    model = built.model
    program = elf.read(built.program)
    calls = CallGraph(program)
    layout = model.layout
    kernels = {s.op.name: s for s in layout.selections}
    own = {f"m_{layer.function}" for layer in model.layers}
    routines: dict[str, int] = {}
    layers = []
    *profiles, outside = execution.layers  # what lies between the layers comes last
    for layer, profile in zip(model.layers, profiles, strict=True):
        symbol = f"m_{layer.function}"
        reached = sorted(calls.reached(symbol) - own)
        routines.update((name.removeprefix("m_"), calls.functions[name].size) for name in reached)
        selection = kernels[layer.op.name]
        work = dict(selection.kernel.work(selection.spec))
        layers.append(
            MeasuredLayer(
                shape=shape_key(layer.op, layout.graph),
                kernel=layer.kernel,
                macs=layer.macs,
                work=work,
                descriptors=descriptors(selection.spec, work),
                cycles=profile.cycles,
                instructions=profile.instructions,
                reads=profile.flash_bytes,
                code=calls.functions[symbol].size,
                stack=calls.depth(symbol, profile.functions) + _passed_on_stack(model, layer),
                scratch=selection.kernel.scratch_bytes(selection.spec),
                calls=tuple(name.removeprefix("m_") for name in reached),
            )
        )
    functions = sum(calls.functions[symbol].size for symbol in own)
    return MeasuredProgram(
        layers=tuple(layers),
        run_features=run_call(layout).features,
        run_cycles=outside.cycles,
        run_reads=outside.flash_bytes,
        run_flash=program.code + program.constants - functions - sum(routines.values()) - model_source.constant_bytes(model),
        run_stack=calls.functions["m_run"].frame,
        routines=routines,
        arena=model.plan.arena_bytes,
        stack=execution.stack_bytes,
        static=program.static,
        code=program.code,
        constants=program.constants,
        cycles=execution.cycles,
        instructions=execution.instructions,
        reads=execution.flash_bytes,
        macs=sum(layer.macs for layer in layers),
    )


def _passed_on_stack(model: CompiledModel, layer: CompiledLayer) -> int:
    """Bytes of the caller's frame that hold arguments of the layer's function: the first four are in registers, and the stack
    pointer stays a multiple of 8 (Procedure Call Standard for the Arm Architecture, IHI 0042, 6.4 and 6.2.1.2)."""
    graph, plan = model.layout.graph, model.plan
    activations = sum(not graph[name].constant for name in layer.op.inputs) + 1
    arguments = activations + len(layer.constants) + (layer.op.name in plan.scratch)
    return 8 * math.ceil(max(0, arguments - 4) / 2)
