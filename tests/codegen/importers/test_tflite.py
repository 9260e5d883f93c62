"""The ``.tflite`` importer and the reference together, against outputs of TensorFlow Lite Micro; and the importer alone, against
files that are foreign, unsupported, damaged or hostile."""

from __future__ import annotations

import random
import struct
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.importers.tflite import import_tflite
from codegen.importers.tflite._flatbuffer import DamagedFileError, FlatBuffer
from codegen.ir import AveragePool2D, Conv2D, Dequantize, Graph, Quantize, Softmax
from codegen.reference import run
from codegen.tflite_schema import OPERATORS

NETWORKS = ["kws", "ic", "vww", "ad", "sww", "mcunet_vww"]


@pytest.fixture(scope="session")
def operator_models(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The single-operator models, unpacked."""
    folder = tmp_path_factory.mktemp("operators")
    with zipfile.ZipFile(shared_dir / "models/ops/ops.zip") as archive:
        archive.extractall(folder)
    return sorted(folder.glob("*.tflite"))


def in_samples(graph: Graph, name: str, array: NDArray[Any]) -> NDArray[Any]:
    """``(N, *shape)`` in the form that the reference takes: without a batch axis of 1."""
    shape = graph[name].shape
    return array.reshape(len(array), *(shape[1:] if shape[0] == 1 else shape))


def test_every_single_operator_model_equals_its_golden_output(shared_dir: Path, operator_models: list[Path]) -> None:
    goldens = np.load(shared_dir / "models/ops/goldens.npz")
    assert len(operator_models) == 187
    different = []
    for model in operator_models:
        graph = import_tflite(model)
        inputs = {n: in_samples(graph, n, goldens[f"{model.stem}__in{i}"]) for i, n in enumerate(graph.inputs)}
        golden = goldens[f"{model.stem}__out"]
        computed = run(graph, inputs)[graph.outputs[0]]
        if computed.dtype != golden.dtype or not np.array_equal(computed.reshape(golden.shape), golden):
            different.append(model.stem)
    assert different == []


@pytest.mark.parametrize("network", NETWORKS)
def test_every_layer_of_a_whole_network_has_the_golden_checksum(shared_dir: Path, network: str) -> None:
    folder = shared_dir / "models" / network
    graph = import_tflite(folder / "model.tflite")
    x = np.load(folder / "inputs.npy")
    first = graph.ops[0]
    if isinstance(first, Quantize):  # the golden inputs are those inside a float border
        inside = graph[first.output]
        x = (x.astype(np.float32) - np.float32(inside.zero_point)) * np.float32(inside.scale)
    values = run(graph, {graph.inputs[0]: x}, keep_all=True)
    columns = [op.output for op in graph.ops if graph[op.output].dtype == "int8"]
    checksums = np.array([[zlib.crc32(np.ascontiguousarray(values[c][i])) for c in columns] for i in range(len(x))])
    golden = np.load(folder / "layer_crc32.npy")
    assert np.array_equal(checksums, golden), np.argwhere(checksums != golden)
    assert np.array_equal(values[columns[-1]], np.load(folder / "outputs.npy"))


def test_logits_enter_the_softmax(shared_dir: Path) -> None:
    folder = shared_dir / "models/kws"
    graph = import_tflite(folder / "model.tflite")
    softmax = graph.ops[-1]
    assert isinstance(softmax, Softmax)
    logits = run(graph, {graph.inputs[0]: np.load(folder / "inputs.npy")}, keep_all=True)[softmax.inputs[0]]
    assert np.array_equal(logits, np.load(folder / "logits.npy"))


def test_what_a_graph_holds_after_import(shared_dir: Path) -> None:
    graph = import_tflite(shared_dir / "models/kws/model.tflite")
    assert graph.name == "model"
    assert (graph[graph.inputs[0]].shape, graph[graph.inputs[0]].zero_point) == ((1, 49, 10, 1), 83)
    first = graph.ops[0]
    assert isinstance(first, Conv2D)
    assert (first.name, first.strides, first.clamp) == ("conv_2d_0", (2, 2), (-128, 127))
    assert (first.padding.top, first.padding.bottom, first.padding.left, first.padding.right) == (4, 5, 1, 1)
    weight = graph[first.weight].quantization
    assert weight is not None
    assert (len(weight.scale), weight.axis) == (64, 0)
    pool = graph.ops[9]
    assert isinstance(pool, AveragePool2D)
    assert (pool.window, pool.name) == ((25, 5), "average_pool_2d_9")
    assert all(t.data is not None for t in graph.tensors.values() if t.constant)


def test_float_borders_stay_in_the_graph(shared_dir: Path) -> None:
    graph = import_tflite(shared_dir / "models/mcunet_vww/model.tflite")
    assert isinstance(graph.ops[0], Quantize)
    assert isinstance(graph.ops[-1], Dequantize)
    assert graph[graph.inputs[0]].dtype == graph[graph.outputs[0]].dtype == "float32"


def model_named(models: list[Path], stem: str) -> bytearray:
    return bytearray(next(m for m in models if m.stem == stem).read_bytes())


def tables(content: bytes) -> tuple[Any, Any]:
    root = FlatBuffer(content).root
    return root, root.tables(2)[0]


def patched(content: bytearray, position: int, layout: str, value: int) -> bytes:
    struct.pack_into("<" + layout, content, position, value)
    return bytes(content)


def refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "case.tflite"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        import_tflite(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def with_operator(models: list[Path], stem: str, kind: str) -> bytes:
    """The model with its operator code replaced."""
    content = model_named(models, stem)
    code = tables(bytes(content))[0].tables(1)[0]
    old, new = code._field(0), code._field(3)
    if new is not None:
        struct.pack_into("<i", content, new, OPERATORS.index(kind))
    if old is not None:
        content[old] = min(OPERATORS.index(kind), 127)
    return bytes(content)


@pytest.mark.parametrize("kind", ["PRELU", "LSTM", "SVDF"])
def test_an_unsupported_operator_is_named_with_its_tensor(tmp_path: Path, operator_models: list[Path], kind: str) -> None:
    content = with_operator(operator_models, "relu_01_same_q", kind)
    refused(tmp_path, content, rf"operator 0, {kind} with output 't\d+': it is not supported; supported are ADD, ")


def test_unsupported_types_and_quantization_name_the_tensor(tmp_path: Path, operator_models: list[Path]) -> None:
    content = model_named(operator_models, "relu_01_same_q")
    tensor = tables(bytes(content))[1].tables(0)[0]
    kind = tensor._field(1)
    refused(tmp_path, patched(content, kind, "b", 3), "operator 0, RELU .*tensor 't0' is UINT8; only fully int8")
    content = model_named(operator_models, "relu_01_same_q")
    zero_point = content.index(struct.pack("<q", 10))
    refused(tmp_path, patched(content, zero_point, "q", 1000), "zero point 1000 is outside")


def test_an_unsupported_fused_activation_is_named(tmp_path: Path, operator_models: list[Path]) -> None:
    content = model_named(operator_models, "conv_07_1x1_c33_c17")
    options = tables(bytes(content))[1].tables(3)[0].table(4)
    refused(tmp_path, patched(content, options._field(3), "b", 4), "CONV_2D .*fused activation TANH is not supported")


def test_sums_that_overflow_are_refused(tmp_path: Path, operator_models: list[Path]) -> None:
    content = model_named(operator_models, "fc_16_8_to_4_bias_2p30")
    root, subgraph = tables(bytes(content))
    bias = subgraph.tables(3)[0].numbers(1, "i4")[2]
    buffer = root.tables(4)[subgraph.tables(0)[bias].integer(2, "I")]
    start, _ = buffer.buffer.vector(buffer._field(0), 1)
    refused(tmp_path, patched(content, start, "i", 2**31 - 1), "FULLY_CONNECTED .*can exceed 32 bits")


def test_large_batches_are_refused(tmp_path: Path, operator_models: list[Path]) -> None:
    content = model_named(operator_models, "conv_42_3x3_no_bias")
    _, subgraph = tables(bytes(content))
    operator = subgraph.tables(3)[0]
    for field in (1, 2):  # its first input and its output
        tensor = subgraph.tables(0)[operator.numbers(field, "i4")[0]]
        start, _ = tensor.buffer.vector(tensor._field(0), 4)
        patched(content, start, "i", 100)
    refused(tmp_path, bytes(content), "CONV_2D .*batch of 100 images, at most 16")


def test_files_that_are_no_model(tmp_path: Path) -> None:
    for content in (b"", b"TFL3", b"PK\x03\x04 something else entirely"):
        refused(tmp_path, content, "not a TensorFlow Lite model")
    with pytest.raises(UserError, match=r"none\.tflite: cannot read the model: No such file"):
        import_tflite(tmp_path / "none.tflite")
    with pytest.raises(UserError, match="cannot read the model"):
        import_tflite(tmp_path)


def test_a_file_too_large_for_any_microcontroller_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.tflite"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UserError, match="too large"):
        import_tflite(path)


def survives(path: Path, content: bytes) -> bool:
    """True if the file imports; a clear error is fine, any other exception is not. Seconds would be too long."""
    path.write_bytes(content)
    started = time.perf_counter()
    try:
        import_tflite(path)
    except UserError:
        return False
    finally:
        took = time.perf_counter() - started
    assert took < 2.0
    return True


def test_truncated_models_give_a_clear_error(tmp_path: Path, operator_models: list[Path]) -> None:
    for stem in ("conv_42_3x3_no_bias", "multi_10_squeeze_excite"):
        content = bytes(model_named(operator_models, stem))
        for length in range(0, len(content), 7):
            survives(tmp_path / "cut.tflite", content[:length])


@pytest.mark.filterwarnings("error")
def test_corrupted_models_give_a_clear_error(tmp_path: Path, shared_dir: Path, operator_models: list[Path]) -> None:
    rng = random.Random(20)
    models = [*operator_models, shared_dir / "models/sww/model.tflite"]
    imported = 0
    for _ in range(3000):
        content = bytearray(rng.choice(models).read_bytes())
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(content) - 4) & ~3
            match rng.randrange(3):
                case 0:
                    content[at] = rng.randrange(256)
                case 1:
                    value = rng.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, rng.randrange(2**32), rng.randrange(len(content))])
                    struct.pack_into("<I", content, at, value)
                case _:
                    del content[at : at + rng.randrange(1, 40)]
                    content.extend(bytes(8))
        imported += survives(tmp_path / "damaged.tflite", bytes(content))
    assert 0 < imported < 3000


def test_a_small_file_cannot_unfold_into_much_work() -> None:
    """20,000 offsets that all lead to one table with a vector of 20,000 numbers would be 400 million numbers."""
    count = 20_000
    vtable_at, root_at, vector_at = 4, 12, 20
    inner_at = vector_at + 4 + 4 * count
    content = struct.pack("<I", root_at)
    content += struct.pack("<HHHH", 6, 8, 4, 0)  # tables of 8 bytes with one field, 4 bytes from their start
    content += struct.pack("<iI", root_at - vtable_at, 4)
    content += struct.pack("<I", count) + b"".join(struct.pack("<I", inner_at - (vector_at + 4 + 4 * i)) for i in range(count))
    content += struct.pack("<iI", inner_at - vtable_at, 4) + struct.pack(f"<I{count}i", count, *range(count))
    entries = FlatBuffer(content).root.tables(0)
    assert len(entries) == count
    assert entries[0].numbers(0, "i4") == tuple(range(count))
    with pytest.raises(DamagedFileError, match="too many times"):
        _ = [entry.numbers(0, "i4") for entry in entries]
