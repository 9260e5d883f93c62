"""Layers on weights of four bits compute what they do on the same weights as bytes, for less flash."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from codegen import reference
from codegen.boards import load_board
from codegen.compile import CompiledModel, compile_graph, lay_out
from codegen.cores import CORES
from codegen.exporters.onnx import export_onnx
from codegen.exporters.tflite import export_tflite
from codegen.graph_file import content_hash, load, save
from codegen.int4 import LEAST_WEIGHTS, PART_BYTES, UNPACK, Int4Kernel, as_bytes, int4_graph
from codegen.ir import Conv2D, FullyConnected, Graph, Tensor
from codegen.kernels import KERNELS
from codegen.measurement import Verification
from codegen.verify import measure_model
from cost_models.operators import bundle, sample_operator
from cost_models.random_weights import fill

BOARDS = {core: load_board(board) for core, board in (("cortex-m4", "nucleo-l4r5zi"), ("cortex-m0plus", "nucleo-g0b1re"))}


def wide_operators(count: int, seed: int) -> Graph:
    """Convolutions and matrix products with many weights, of which shapes alone are known, side by side."""
    rng = np.random.default_rng(seed)
    found: list[Graph] = []
    while len(found) < count:
        graph = sample_operator(rng)
        (op,) = graph.ops
        if isinstance(op, Conv2D | FullyConnected) and graph[op.weight].size >= LEAST_WEIGHTS:
            found.append(graph)
    return int4_graph(bundle(found, "wide"))


def measured(model: CompiledModel, core: str, seed: int) -> Verification:
    """On random numbers over the whole range of each input."""
    rng = np.random.default_rng(seed)
    raw = {n: rng.integers(-128, 128, (2, *model.graph[n].shape[1:]), dtype=np.int8) for n in model.graph.inputs}
    return measure_model(model, board=BOARDS[core], inputs=raw)


@pytest.mark.slow
@pytest.mark.parametrize("core", sorted(BOARDS))
@pytest.mark.parametrize("seed", [1, 2])
def test_layers_are_bit_exact_and_take_less_flash(core: str, seed: int) -> None:
    graph = fill(wide_operators(8, seed), np.random.default_rng(seed))
    short, plain = (compile_graph(g, CORES[core], name="wide") for g in (graph, as_bytes(graph)))
    assert UNPACK in short.shared_functions
    assert UNPACK not in plain.shared_functions
    kernels = {s.kernel.name for s in short.layout.selections if isinstance(s.kernel, Int4Kernel)}
    assert kernels == ({"winograd"} if core == "cortex-m0plus" else {"conv2d", "fully_connected", "pointwise"})
    one, other = measured(short, core, seed), measured(plain, core, seed)
    assert one.bit_exact
    assert other.bit_exact
    assert one.outputs == other.outputs
    weights = sum(t.size for t in graph.tensors.values() if t.dtype == "int4")
    assert one.flash.constants < other.flash.constants - 0.45 * weights
    assert one.flash.code < other.flash.code + 8 * 40 + 100


@pytest.mark.parametrize("core", sorted(CORES))
def test_sizes_are_known_without_weights(core: str) -> None:
    shapes = wide_operators(12, 3)
    graph = fill(shapes, np.random.default_rng(3))
    before, after = (lay_out(g, CORES[core], "balanced") for g in (shapes, graph))
    assert before.plan == after.plan
    for s in after.selections:
        constants = s.kernel.pack(s.op, after.graph, s.spec)
        assert sum(c.data.nbytes for c in constants) == s.kernel.constant_bytes(s.spec)
        assert len(s.kernel.schedules(s.spec, CORES[core])) >= 1


def test_products_of_a_row_need_no_room_for_all_weights() -> None:
    """24 KB of weights, of 12 filters at a time or fewer."""
    x, y = Tensor("x", (1, 512)), Tensor("y", (1, 48))
    parameters = (Tensor("w", (48, 512), "int4", constant=True), Tensor("b", (48,), "int32", constant=True))
    op = FullyConnected(name="op", inputs=("x",), output="y", weight="w", bias="b")
    shapes = Graph("row", {t.name: t for t in (x, y, *parameters)}, (op,), ("x",), ("y",)).validate()
    for core, board in BOARDS.items():
        graph = fill(shapes, np.random.default_rng(7))
        model = compile_graph(graph, CORES[core], name="row")
        (selection,) = model.layout.selections
        assert selection.spec.parts == 12
        assert model.plan.arena_bytes <= 512 + 48 + PART_BYTES
        assert model.plan.arena_bytes == lay_out(shapes, CORES[core], "balanced").plan.arena_bytes
        (text,) = model.functions.values()
        assert "for (int32_t part = 0; part < 12; ++part)" in text
        rng = np.random.default_rng(8)
        found = measure_model(model, board=board, inputs=rng.integers(-128, 128, (5, 512), dtype=np.int8))
        assert found.bit_exact


def test_the_function_reads_the_weights_that_it_has_unpacked() -> None:
    model = compile_graph(fill(wide_operators(4, 4), np.random.default_rng(4)), CORES["cortex-m4"], name="wide")
    for text in model.functions.values():
        signature, _, body = text.partition("\n")
        assert re.search(r"const uint32_t \*restrict packed, .*void \*restrict scratch, int8_t \*y(_all)?\) \{$", signature)
        assert body.lstrip().startswith("int8_t *weights = ")
        assert body.count(f"NN_{UNPACK}(") == 1


def test_a_kernel_without_a_form_for_four_bits_takes_bytes() -> None:
    """A depthwise convolution can be given such weights; it just saves nothing."""
    rng = np.random.default_rng(5)
    graph = next(g for g in iter(lambda: sample_operator(rng), None) if g.ops[0].kind == "DepthwiseConv2D")
    (op,) = graph.ops
    filled = fill(graph, rng)
    weight = filled[op.parameters[0]]
    assert weight.data is not None
    short = type(weight)(weight.name, weight.shape, "int4", weight.quantization, weight.data >> 4)
    given = Graph("given", {**filled.tensors, weight.name: short}, filled.ops, filled.inputs, filled.outputs).validate()
    model = compile_graph(given, CORES["cortex-m4"], name="given")
    assert UNPACK not in model.shared_functions
    assert not any(isinstance(s.kernel, Int4Kernel) for s in model.layout.selections)
    assert {s.kernel.name for s in model.layout.selections} <= {kernel.name for kernel in KERNELS}


def test_files_keep_the_bits_and_other_tools_get_bytes(tmp_path: Path) -> None:
    graph = fill(wide_operators(3, 6), np.random.default_rng(6))
    save(graph, tmp_path / "graph.safetensors")
    again = load(tmp_path / "graph.safetensors")
    assert content_hash(again) == content_hash(graph) != content_hash(as_bytes(graph))
    assert export_tflite(graph) == export_tflite(as_bytes(graph))
    assert export_onnx(graph) == export_onnx(as_bytes(graph))
    inputs = {n: np.full((1, *graph[n].shape[1:]), 3, np.int8) for n in graph.inputs}
    one, other = (reference.run(g, inputs) for g in (graph, as_bytes(graph)))
    assert all(np.array_equal(one[name], other[name]) for name in graph.outputs)
