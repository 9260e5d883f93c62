"""Damaged and hostile files through the importer and the compiler: a clear line or a model, nothing else."""

from __future__ import annotations

import random
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codegen.errors import UserError
from codegen.fuzzing.damaged_tflite import damaged, outcome
from codegen.importers.tflite import import_tflite
from codegen.importers.tflite._flatbuffer import FlatBuffer


@pytest.fixture(scope="module")
def operator_models(shared_dir: Path) -> dict[str, bytes]:
    """The single-operator models by name."""
    with zipfile.ZipFile(shared_dir / "models/ops/ops.zip") as archive:
        return {Path(name).stem: archive.read(name) for name in sorted(archive.namelist()) if name.endswith(".tflite")}


@pytest.fixture(scope="module")
def whole_models(shared_dir: Path) -> list[bytes]:
    """Networks whose mutants compile in a moment."""
    return [(shared_dir / "models" / name / "model.tflite").read_bytes() for name in ("ad", "sww")]


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
def test_a_damaged_operator_is_refused_or_compiles(seed: int, operator_models: dict[str, bytes], tmp_path: Path) -> None:
    rng = random.Random(seed)
    path = tmp_path / "damaged.tflite"
    path.write_bytes(damaged(rng.choice(list(operator_models.values())), rng)[1])
    assert outcome(path) in ("refused", "not compilable", "compiled")


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
def test_a_damaged_network_is_refused_or_compiles(seed: int, whole_models: list[bytes], tmp_path: Path) -> None:
    rng = random.Random(seed)
    path = tmp_path / "damaged.tflite"
    path.write_bytes(damaged(rng.choice(whole_models), rng)[1])
    assert outcome(path) in ("refused", "not compilable", "compiled")


def refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "case.tflite"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        import_tflite(path)


def test_absurd_shapes_windows_and_borders_are_refused(tmp_path: Path, operator_models: dict[str, bytes]) -> None:
    content = bytearray(operator_models["relu_01_same_q"])
    subgraph = FlatBuffer(bytes(content)).root.tables(2)[0]
    for tensor in subgraph.tables(0)[:2]:
        start, length = subgraph.buffer.vector(tensor._field(0) or 0, 4)
        struct.pack_into("<i", content, start + 4 * (length - 1), 2**30)
    refused(tmp_path, bytes(content), "larger than any microcontroller's memory")

    content = bytearray(operator_models["conv_07_1x1_c33_c17"])
    options = FlatBuffer(bytes(content)).root.tables(2)[0].tables(3)[0].table(4)
    assert options is not None
    stride = options._field(1)
    assert stride is not None
    struct.pack_into("<i", content, stride, 2**31 - 1)
    refused(tmp_path, bytes(content), "window of .* with strides .*2147483647.* is not of 1 to 4096")

    content = bytearray(operator_models["conv_07_1x1_c33_c17"])
    subgraph = FlatBuffer(bytes(content)).root.tables(2)[0]
    weight = subgraph.tables(3)[0].numbers(1, "i4")[1]
    start, _ = subgraph.buffer.vector(subgraph._field(2) or 0, 4)
    struct.pack_into("<i", content, start, weight)
    refused(tmp_path, bytes(content), "output .* is constant|one scale and one zero point")
