"""A layer at a time: the same bits as at once, in the same order of layers, and no byte more where nobody asks for it."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from graphs import GraphBuilder, image, random_inputs
from projects import STRICT, compiled, export, sources
from sound_networks import FRONT_END, NAME, compiled_with_features, network, sounds

from codegen import elf
from codegen.boards import load_board
from codegen.compile import compile_graph
from codegen.cores import CORES, find_core
from codegen.emulator import ModelInterface, execute
from codegen.features import FrontEnd
from codegen.features.placement import Placement
from codegen.project import write_project
from codegen.reference import run
from codegen.toolchain import ZigCompiler

STEPPED = """
#include "{m}.h"

int {m}_stepped(void *arena);

int {m}_stepped(void *arena)
{{
    {m}_step_state state = {{ 0 }};
    uint32_t steps = 0;
    int status;

    do {{
        status = {m}_step(arena, &state);
        steps += 1u;
    }} while (status > 0);
    return status != 0 ? status : steps == {M}_STEPS && state.layer == 0u ? 0 : -100;
}}
"""


def stepped(project: Path, name: str) -> Path:
    """A C file whose ``<m>_stepped`` computes the network a layer at a time."""
    path = project.parent / "stepped.c"
    path.write_text(STEPPED.format(m=name, M=name.upper()))
    return path


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus"])
def test_emulated_cores_give_the_bits_of_a_whole_run(core: str, tmp_path: Path) -> None:
    # a limit on RAM makes the network compute strips of rows, each a step of its own
    model = compile_graph(image(), find_core(core), optimize="size", arena_limit=7000)
    assert model.layout.origins
    project = tmp_path / "image"
    write_project(model, project, board=load_board("nucleo-l4r5zi"), report={})
    extra = stepped(project, "image")
    program = ZigCompiler().link(
        [*sources(project), extra],
        include_dirs=[project / "include"],
        core=CORES[core],
        optimize="size",
        roots=["image_stepped", "image_input", "image_output"],
        output=tmp_path / "stepped.elf",
    )
    graph = model.graph
    (given,), (out,) = graph.inputs, graph.outputs
    inputs = random_inputs(graph, 3, seed=4)
    interface = ModelInterface(
        run="image_stepped",
        inputs=(("image_input", graph[given].nbytes),),
        outputs=(("image_output", graph[out].nbytes),),
        arena_bytes=model.arena_bytes,
        arena_align=8,
        layers=tuple((layer.op.name, f"image_{layer.function}") for layer in model.layers),
    )
    result = execute(program, CORES[core], interface, [[array.tobytes()] for array in inputs[given]])
    assert [outputs[0] for outputs in result.outputs] == [array.tobytes() for array in run(graph, inputs)[out]]


def test_who_does_not_step_does_not_pay(tmp_path: Path) -> None:
    project = export("separable", tmp_path)
    programs = []
    for label, chosen in (("with", sources(project)), ("without", [s for s in sources(project) if "step" not in s.name])):
        output = ZigCompiler().link(
            chosen,
            include_dirs=[project / "include"],
            core=CORES["cortex-m4"],
            optimize="balanced",
            roots=["separable_run", "separable_input", "separable_output"],
            output=tmp_path / f"{label}.elf",
        )
        programs.append(elf.read(output))
    with_steps, without = programs
    assert "separable_step" not in with_steps.symbols
    assert [(s.address, s.data) for s in with_steps.segments] == [(s.address, s.data) for s in without.segments]


def test_wrong_arguments_are_refused_and_change_nothing(tmp_path: Path) -> None:
    project = export("dense", tmp_path)
    library = ZigCompiler().build_host(
        sources(project), include_dirs=[project / "include"], output=tmp_path / "dense.so", flags=["-shared", "-fPIC"]
    )
    c = ctypes.CDLL(str(library))
    memory = np.full(compiled("dense").arena_bytes + 16, 0x5A, np.uint8)
    arena = (memory.ctypes.data + 7) // 8 * 8
    state = ctypes.c_uint32(0)
    null, misaligned, no_state = -1, -2, -3
    assert c.dense_step(None, ctypes.byref(state)) == null
    assert c.dense_step(ctypes.c_void_p(arena), None) == null
    assert c.dense_step(ctypes.c_void_p(arena + 4), ctypes.byref(state)) == misaligned
    assert state.value == 0
    state.value = len(compiled("dense").layers)
    assert c.dense_step(ctypes.c_void_p(arena), ctypes.byref(state)) == no_state
    assert state.value == len(compiled("dense").layers)
    assert (memory == 0x5A).all()


def test_a_network_without_layers_takes_one_step(tmp_path: Path) -> None:
    builder = GraphBuilder("flat")
    graph = builder.graph(builder.reshape(builder.input(1, 4, 4, 1), 1, 16))
    model = compile_graph(graph, find_core("cortex-m4"))
    assert model.layers == ()
    write_project(model, tmp_path / "flat", board=load_board("nucleo-l4r5zi"), report={})
    flags = ["-shared", "-fPIC", *STRICT]
    library = ZigCompiler().build_host(
        sources(tmp_path / "flat"), include_dirs=[tmp_path / "flat" / "include"], output=tmp_path / "flat.so", flags=flags
    )
    state, arena = ctypes.c_uint32(0), (ctypes.c_int64 * 16)()
    assert ctypes.CDLL(str(library)).flat_step(arena, ctypes.byref(state)) == 0
    assert state.value == 0


class MovedColumns(FrontEnd):
    """Writes columns elsewhere than the network reads them."""

    def place(self, input_offset: int, arena_bytes: int) -> Placement:
        """The last resort of :meth:`FrontEnd.place`."""
        return Placement(0, -(-self.column_bytes // 4) * 4)


@pytest.mark.parametrize("front_end", [FRONT_END, MovedColumns(FRONT_END.settings, FRONT_END.frames)], ids=["in place", "moved"])
def test_columns_of_sound_are_stepped_through_too(front_end: FrontEnd, tmp_path: Path) -> None:
    model = compiled_with_features(front_end)
    project = tmp_path / NAME
    write_project(model, project, board=load_board("nucleo-l4r5zi"), report={}, vectors=sounds(FRONT_END, 2))
    flags = ["-shared", "-fPIC", "-fsanitize=undefined", "-fsanitize-trap=undefined"]
    output = tmp_path / "model.so"
    c = ctypes.CDLL(str(ZigCompiler().build_host(sources(project), include_dirs=[project / "include"], output=output, flags=flags)))
    c.keywords_columns.restype = c.keywords_output.restype = ctypes.c_void_p
    memory = np.zeros(model.arena_bytes + 8, np.uint8)
    arena = (memory.ctypes.data + 7) // 8 * 8
    columns = FRONT_END(sounds(FRONT_END, 4, seed=9))
    graph = network()
    for given, wanted in zip(columns, run(graph, {graph.inputs[0]: columns})[graph.outputs[0]], strict=True):
        ctypes.memmove(c.keywords_columns(ctypes.c_void_p(arena)), given.tobytes(), given.nbytes)
        state, calls = ctypes.c_uint32(0), 1
        while c.keywords_step_columns(ctypes.c_void_p(arena), ctypes.byref(state)) == 1:
            calls += 1
        assert calls == len(model.layers)
        assert ctypes.string_at(c.keywords_output(ctypes.c_void_p(arena)), wanted.nbytes) == wanted.tobytes()
