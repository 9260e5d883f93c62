"""The ``.tflite`` exporter: what is read back is what was written, and other runtimes compute the same."""

from __future__ import annotations

import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import graphs
import numpy as np
import pytest
from exported import computed, reimported, required_package
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from other_runtimes import lite_micro, lite_reference

from codegen import ir
from codegen.errors import UserError
from codegen.exporters.tflite import export_tflite
from codegen.float_borders import int8_core
from codegen.fuzzing.graphs import Sample, random_sample
from codegen.importers.tflite import import_tflite
from codegen.importers.tflite._flatbuffer import FlatBuffer
from codegen.int4 import as_bytes
from codegen.reference import run

NETWORKS = ("ad", "ic", "kws", "mcunet_vww", "sww", "vww")
Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def operators(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The single-operator models."""
    folder = tmp_path_factory.mktemp("operators")
    with zipfile.ZipFile(shared_dir / "models/ops/ops.zip") as archive:
        archive.extractall(folder)
    return sorted(folder.glob("*.tflite"))


def written(sample: Sample) -> bytes | None:
    """The file of a random graph; None where an average pool's padding has no form in it."""
    try:
        return export_tflite(sample.graph)
    except UserError as error:
        if "(AveragePool2D) cannot be written as .tflite: Padding(" in str(error):
            return None
        raise


def finite(sample: Sample) -> Arrays:
    """The sample's inputs without numbers whose steps are beyond int32, which C leaves undefined."""
    return {name: np.clip(x, -1e3, 1e3) if x.dtype == np.float32 else x for name, x in sample.inputs.items()}


def equal(a: Arrays, b: Arrays) -> bool:
    return all(np.array_equal(a[name], b[name]) for name in a)


def test_every_shared_model_comes_back(shared_dir: Path, operators: list[Path], tmp_path: Path) -> None:
    networks = [shared_dir / "models" / name / "model.tflite" for name in NETWORKS]
    assert len(operators) == 187
    for path in (*operators, *networks):
        graph = import_tflite(path)
        content = export_tflite(graph)
        again = reimported(content, tmp_path)
        assert computed(again) == computed(graph), path
        assert export_tflite(again) == content, path


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_random_graphs_come_back(number: int) -> None:
    sample = random_sample(70, number)
    content = written(sample)
    if content is None:
        return
    assert export_tflite(replace(sample.graph, name="another")) == content
    with tempfile.TemporaryDirectory() as folder:
        again = reimported(content, Path(folder))
    assert export_tflite(again) == content
    if any(name.endswith("/padded") for name in again.tensors):
        assert equal(run(again, sample.inputs), run(sample.graph, sample.inputs))
    else:
        assert computed(again) == computed(as_bytes(sample.graph))


def test_an_imported_network_computes_the_golden_bytes_in_tensorflow_lite_micro(shared_dir: Path, operators: list[Path]) -> None:
    required_package("tflite_micro")
    goldens = np.load(shared_dir / "models/ops/goldens.npz")
    different = []
    for path in operators:
        graph = import_tflite(path)
        inputs = {name: goldens[f"{path.stem}__in{i}"] for i, name in enumerate(graph.inputs)}
        golden = goldens[f"{path.stem}__out"]
        output = lite_micro(export_tflite(graph), graph, inputs)[graph.outputs[0]]
        if not np.array_equal(output.reshape(golden.shape), golden):
            different.append(path.stem)
    for name in NETWORKS:
        folder = shared_dir / "models" / name
        graph = int8_core(import_tflite(folder / "model.tflite"))
        inputs, golden = np.load(folder / "inputs.npy")[-3:], np.load(folder / "outputs.npy")[-3:]
        output = lite_micro(export_tflite(graph), graph, {graph.inputs[0]: inputs})[graph.outputs[0]]
        if not np.array_equal(output.reshape(golden.shape), golden):
            different.append(name)
    assert different == []


def test_random_graphs_compute_the_same_bytes_in_tensorflow_lite_micro() -> None:
    required_package("tflite_micro")
    compared: set[str] = set()
    for number in range(400):
        sample = random_sample(71, number)
        content = written(sample)
        if content is None or "softmax: long rows" in sample.borders:  # it stops the process where a sum reaches 512
            continue
        inputs = finite(sample)
        assert equal(lite_micro(content, sample.graph, inputs), run(sample.graph, inputs)), number
        compared |= {op.kind for op in sample.graph.ops}
    assert len(compared) == 29


@pytest.mark.parametrize("network", ["kws", "mcunet_vww", "sww", "vww"])
def test_litert_computes_the_golden_bytes_with_its_reference_kernels(shared_dir: Path, network: str) -> None:
    required_package("ai_edge_litert")
    folder = shared_dir / "models" / network
    graph = int8_core(import_tflite(folder / "model.tflite"))
    inputs, golden = np.load(folder / "inputs.npy")[-2:], np.load(folder / "outputs.npy")[-2:]
    output = lite_reference(export_tflite(graph), graph, {graph.inputs[0]: inputs})[graph.outputs[0]]
    assert np.array_equal(output.reshape(golden.shape), golden)


def test_where_litert_differs_from_tensorflow_lite_micro() -> None:
    """Its reference kernels round FullyConnected once and look Logistic up in a table, which can move a byte by one; its Sum is
    another function, and Conv2D wants a bias."""
    required_package("ai_edge_litert")
    most: dict[str, int] = {}
    for number in range(500):
        sample = random_sample(72, number, operators=1)
        (op,) = sample.graph.ops
        content = written(sample)
        without_bias = isinstance(op, ir.Conv2D) and op.bias is None
        if content is None or without_bias or op.kind in ("Sum", "Softmax"):
            continue
        inputs = finite(sample)
        expected, output = run(sample.graph, inputs)[op.output], lite_reference(content, sample.graph, inputs)[op.output]
        steps = np.abs(output.astype(np.float64) - expected).max()
        most[op.kind] = max(most.get(op.kind, 0), int(np.ceil(steps)))
    assert len(most) == 27
    assert {kind for kind, steps in most.items() if steps > 0} <= {"FullyConnected", "Logistic", "Mul", "Sub"}
    assert max(most.values()) == 1


def test_constants_are_aligned_in_the_file() -> None:
    content = export_tflite(graphs.separable())
    buffers = FlatBuffer(content).root.tables(4)
    starts = [b.buffer.vector(at, 1)[0] for b in buffers if (at := b._field(0)) is not None]
    assert len(starts) > 8
    assert all(start % 16 == 0 for start in starts)


def test_padding_of_no_kind_that_the_format_knows(tmp_path: Path) -> None:
    b = graphs.GraphBuilder("padded")
    graph = b.graph(b.max_pool(b.conv(b.input(1, 8, 8, 2), 4, strides=(2, 2)), (3, 3), (2, 2), "same"))
    assert [op.padding for op in graph.ops] == [ir.Padding(0, 1, 0, 1)] * 2  # type: ignore[attr-defined]
    torch_like = [replace(op, padding=ir.Padding(1, 0, 1, 0)) for op in graph.ops]  # type: ignore[call-arg]
    graph = replace(graph, ops=tuple(torch_like)).validate()
    again = reimported(export_tflite(graph), tmp_path)
    assert [op.kind for op in again.ops] == ["Pad", "Conv2D", "Pad", "MaxPool2D"]
    inputs = graphs.random_inputs(graph, 8)
    assert equal(run(again, inputs), run(graph, inputs))


def changed(graph: ir.Graph, **attributes: Any) -> ir.Graph:
    """``graph`` with attributes of its last operator changed."""
    return replace(graph, ops=(*graph.ops[:-1], replace(graph.ops[-1], **attributes)))


def test_what_the_format_cannot_say_is_named() -> None:
    b = graphs.GraphBuilder("pooled")
    graph = b.graph(b.average_pool(b.input(1, 8, 8, 2), (3, 3), (2, 2), "same"))
    name = graph.ops[-1].name
    cases = {
        f"operator '{name}' (AveragePool2D) cannot be written as .tflite: Padding(top=1,": {"padding": ir.Padding(1, 0, 1, 0)},
        f"operator '{name}' (AveragePool2D) cannot be written as .tflite: its outputs are clamped to (-100, 90)": {
            "clamp": (-100, 90)
        },
    }
    for message, attributes in cases.items():
        with pytest.raises(UserError) as caught:
            export_tflite(changed(graph, **attributes))
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)
    shapes = {t.name: replace(t, data=None) for t in graphs.dense().tensors.values()}
    with pytest.raises(UserError, match="shapes but no weights"):
        export_tflite(replace(graphs.dense(), tensors=shapes))
