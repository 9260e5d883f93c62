"""Verification of exported projects: bit-exact on every core, and not fooled by an edited one."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from graphs import NETWORKS, random_inputs
from projects import compiled, export

from codegen.boards import load_board
from codegen.cores import CORES
from codegen.emulator import BATCH, ExecutionFault
from codegen.errors import UserError
from codegen.process_map import ProcessMap
from codegen.project import write_project
from codegen.reference import run
from codegen.verify import measure, measure_model


@pytest.mark.parametrize("network", NETWORKS)
def test_emulated_cores_give_the_bits_of_the_reference(network: str, tmp_path: Path) -> None:
    project = export(network, tmp_path)
    inputs = random_inputs(compiled(network).graph, 20, seed=5)
    for core in CORES:
        result = measure(project, inputs=inputs, core=core)
        assert result.bit_exact, core
        assert result.inputs == 20
        assert result.core == core


def test_what_is_measured_adds_up(tmp_path: Path) -> None:
    model = compiled("residual")
    result = measure(export("residual", tmp_path))
    assert result.inputs == 5
    assert result.ram.arena == model.plan.arena_bytes
    assert 0 < result.ram.io <= result.ram.arena
    assert 0 < result.ram.scratch <= result.ram.arena
    assert result.ram.static == 0
    assert 0 < result.ram.stack < 1024
    assert [layer.flash.constants for layer in result.layers if layer.flash] == [
        sum(c.data.nbytes for c in layer.constants) for layer in model.layers
    ]
    assert all(layer.flash is not None and layer.flash.code > 0 for layer in result.layers)
    assert result.around is not None
    assert 0 < result.around.code < 0.1 * result.flash.code  # the run function, accessors, gaps
    assert 0 <= result.around.constants < 32
    assert result.macs == sum(layer.macs for layer in model.layers)
    assert [layer.name for layer in result.layers] == [op.name for op in model.graph.ops]
    assert sum(layer.cycles for layer in result.layers) <= result.cycles < 1.1 * sum(layer.cycles for layer in result.layers)
    assert all(layer.cycles >= layer.instructions > 0 for layer in result.layers)
    board = load_board("nucleo-l4r5zi")
    assert result.board == "nucleo-l4r5zi"
    assert result.latency_ms is not None
    assert result.latency_ms >= 1e3 * result.cycles / board.clock_hz


def test_input_and_output_that_share_bytes_count_once(tmp_path: Path) -> None:
    plan = compiled("dense").plan
    result = measure(export("dense", tmp_path))
    assert plan.arena_bytes < 37 + 37  # else nothing is shared and this test says nothing
    assert 37 <= result.ram.io <= result.ram.arena


def test_another_core_has_no_board_time(tmp_path: Path) -> None:
    result = measure(export("dense", tmp_path), core="cortex-m0plus")
    assert result.board is None
    assert result.latency_ms is None


def test_measuring_twice_gives_the_same(tmp_path: Path) -> None:
    project = export("separable", tmp_path)
    assert measure(project).to_json() == measure(project).to_json()


def test_real_inputs_are_quantized_as_the_header_does(tmp_path: Path) -> None:
    model = compiled("dense")
    tensor = model.graph[model.graph.inputs[0]]
    stored = random_inputs(model.graph, 6)[tensor.name]
    real = (tensor.scale * (stored.astype(np.float32) - tensor.zero_point)).astype(np.float32)
    expect = run(model.graph, {tensor.name: stored})[model.graph.outputs[0]]
    assert measure(export("dense", tmp_path), inputs=real, expect=expect).bit_exact


def test_wrong_expectations_are_counted_per_input(tmp_path: Path) -> None:
    model = compiled("dense")
    inputs = random_inputs(model.graph, 6)
    expect = run(model.graph, inputs)[model.graph.outputs[0]].copy()
    expect[1, 0] ^= 1
    expect[4, :3] ^= 1
    result = measure(export("dense", tmp_path), inputs=inputs, expect=expect)
    assert not result.bit_exact
    assert result.mismatches == 2


def test_many_inputs_give_the_same_in_one_process_and_in_two(tmp_path: Path) -> None:
    project, model = export("dense", tmp_path), compiled("dense")
    inputs = random_inputs(model.graph, 3 * BATCH)
    alone, shared = (measure(project, inputs=inputs, spread=ProcessMap(workers)) for workers in (1, 2))
    assert shared == alone
    assert (alone.mismatches, alone.inputs) == (0, 3 * BATCH)
    outputs = run(model.graph, inputs)[model.graph.outputs[0]]
    assert alone.outputs == tuple((output.tobytes(),) for output in outputs)


def test_wrong_expectations_are_counted_in_every_batch(tmp_path: Path) -> None:
    model = compiled("dense")
    inputs = random_inputs(model.graph, 2 * BATCH + 1)
    expect = run(model.graph, inputs)[model.graph.outputs[0]].copy()
    expect[[0, BATCH, 2 * BATCH], 0] ^= 1
    assert measure(export("dense", tmp_path), inputs=inputs, expect=expect, spread=ProcessMap(2)).mismatches == 3


def test_a_single_edited_weight_is_found(tmp_path: Path) -> None:
    project = export("dense", tmp_path)
    path = project / "src" / "dense_weights.c"
    first = compiled("dense").layers[-1].constants[0].name
    head, name, number, tail = re.split(rf"(_layer03_{first}\[\d+\] = \{{\n    )(-?\d+)", path.read_text(), maxsplit=1)
    path.write_text(head + name + str(-int(number)) + tail)
    result = measure(project, inputs=random_inputs(compiled("dense").graph, 30))
    assert not result.bit_exact
    assert 0 < result.mismatches <= 30


def test_a_write_outside_the_arena_is_an_error_that_names_its_layer(tmp_path: Path) -> None:
    project = export("dense", tmp_path)
    path = project / "src" / "dense.c"
    last = compiled("dense").layers[-1]
    end = compiled("dense").plan.arena_bytes
    text = path.read_text()
    offset = compiled("dense").plan.offsets[last.op.output]
    begin = text.rindex(f"dense_at(arena, {offset})")
    path.write_text(text[:begin] + f"dense_at(arena, {end})" + text[begin + len(f"dense_at(arena, {offset})") :])
    with pytest.raises(ExecutionFault, match=last.op.name):
        measure(project)


@pytest.mark.parametrize("missing", ["report.json", "model.safetensors", "test/vectors.h", "src"])
def test_an_incomplete_project_is_named(missing: str, tmp_path: Path) -> None:
    project = export("dense", tmp_path)
    path = project / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(UserError, match=path.name.split(".")[0]):
        measure(project)


def test_a_foreign_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no exported project"):
        measure(tmp_path)
    (tmp_path / "report.json").write_text("[]")
    with pytest.raises(UserError, match="not the report"):
        measure(tmp_path)
    with pytest.raises(UserError, match="no such directory"):
        measure(tmp_path / "nowhere")


def test_another_network_beside_the_code_is_refused(tmp_path: Path) -> None:
    project, other = export("dense", tmp_path / "a"), export("residual", tmp_path / "b")
    shutil.copy(other / "model.safetensors", project / "model.safetensors")
    with pytest.raises(UserError, match="not the network"):
        measure(project)


def test_sources_that_do_not_compile_are_one_line(tmp_path: Path) -> None:
    project = export("dense", tmp_path)
    with (project / "src" / "dense.c").open("a") as file:
        file.write("this is no C;\n")
    with pytest.raises(UserError, match=r"does not compile for cortex-m4: .*dense\.c") as caught:
        measure(project)
    assert "\n" not in str(caught.value)


def test_what_was_built_can_go_into_report_and_readme(tmp_path: Path) -> None:
    model, board = compiled("dense"), load_board("nucleo-l4r5zi")
    built = measure_model(model, board=board)
    write_project(model, tmp_path / "p", board=board, report={}, built=built)
    assert measure(tmp_path / "p").to_json() == built.to_json()
    readme = (tmp_path / "p" / "README.md").read_text()
    assert f"{built.ram.total:,} bytes" in readme
    assert f"{built.flash.total:,} bytes" in readme
