"""The ONNX exporter, against ONNX Runtime and the checker of the package ``onnx``."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest
from exported import required_package
from numpy.typing import NDArray
from other_runtimes import onnx_literal, onnx_runtime

from codegen import ir
from codegen.errors import UserError
from codegen.exporters.onnx import export_onnx
from codegen.float_borders import int8_core
from codegen.fuzzing.graphs import random_sample
from codegen.importers.tflite import import_tflite
from codegen.reference import run

MOVING = (
    "ArgMax",
    "Concatenation",
    "Dequantize",
    "MaxPool2D",
    "Maximum",
    "Minimum",
    "Pad",
    "ReduceMax",
    "Relu6",
    "Reshape",
    "ResizeNearestNeighbor",
    "Slice",
    "Transpose",
)
"""Operators that move, compare or clamp bytes."""


@pytest.fixture(autouse=True)
def packages() -> None:
    required_package("onnx")
    required_package("onnxruntime")


def loaded(content: bytes) -> Any:
    """The model, checked against ONNX's specification, shapes included."""
    import onnx

    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    return model


def steps(output: NDArray[Any], expected: NDArray[Any]) -> NDArray[np.float64]:
    difference: NDArray[np.float64] = np.abs(output.astype(np.float64) - expected)
    return difference


def test_graphs_that_only_move_bytes_are_exact() -> None:
    """Chains with branches through both layouts."""
    for number in range(250):
        sample = random_sample(80, number, MOVING)
        content = export_onnx(sample.graph)
        assert export_onnx(sample.graph) == content
        loaded(content)
        outputs, expected = onnx_literal(content, sample.graph, sample.inputs), run(sample.graph, sample.inputs)
        assert all(np.array_equal(outputs[name], expected[name]) for name in expected), number


def test_every_operator_is_within_a_step() -> None:
    most: dict[str, float] = {}
    differing: dict[str, list[float]] = {}
    for number in range(500):
        sample = random_sample(81, number, operators=1)
        if not sample.borders.isdisjoint(("bias: sums around 2^30", "bias: sums around 2^31")):  # 32 bits can wrap around there
            continue
        (op,) = sample.graph.ops
        inputs = {name: np.clip(x, -1e3, 1e3) if x.dtype == np.float32 else x for name, x in sample.inputs.items()}
        content = export_onnx(sample.graph)
        loaded(content)
        difference = steps(onnx_literal(content, sample.graph, inputs)[op.output], run(sample.graph, inputs)[op.output])
        most[op.kind] = max(most.get(op.kind, 0.0), float(difference.max()))
        differing.setdefault(op.kind, []).append(float((difference > 0).mean()))
    assert len(most) == 29
    assert max(most.values()) <= 1
    assert {kind for kind in most if most[kind] > 0}.isdisjoint(MOVING)
    assert max(float(np.mean(shares)) for shares in differing.values()) < 0.1


def test_real_images_keep_their_class(shared_dir: Path) -> None:
    """ResNet-8 on images of CIFAR-10: other bytes, but hardly other answers. XNNPACK's are as far from the reference's."""
    folder = shared_dir / "models" / "ic"
    graph = import_tflite(folder / "model.tflite")
    real = np.load(folder / "kinds.npy") == 3
    inputs, golden = np.load(folder / "inputs.npy")[real], np.load(folder / "outputs.npy")[real]
    output = onnx_runtime(export_onnx(graph), graph, {graph.inputs[0]: inputs})[graph.outputs[0]]
    assert len(inputs) == 50
    assert (output.argmax(1) == golden.argmax(1)).mean() >= 0.9
    assert steps(output, golden).mean() < 3


def test_a_network_is_transposed_where_its_layout_ends_only(shared_dir: Path) -> None:
    graph = int8_core(import_tflite(shared_dir / "models/mcunet_vww/model.tflite"))
    model = loaded(export_onnx(graph))
    kinds = Counter(node.op_type for node in model.graph.node)
    assert kinds["Transpose"] <= 3
    assert kinds["Conv"] == sum(isinstance(op, ir.Conv2D | ir.DepthwiseConv2D) for op in graph.ops)
    (source,), (result,) = model.graph.input, model.graph.output
    assert [d.dim_value for d in source.type.tensor_type.shape.dim] == list(graph[graph.inputs[0]].shape)
    assert (source.name, result.name) == (graph.inputs[0], graph.outputs[0])


def test_without_the_package_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"^an \.onnx file needs the package 'onnx': pip install 'mcu-nas\[interchange\]'$"):
        export_onnx(graphs.dense())
