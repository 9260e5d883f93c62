"""The score of a reconstruction: numpy, this machine's C and emulated cores give the same integer, near the formula's."""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from graphs import GraphBuilder
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from projects import STRICT, required_tool, run_tool, zig
from raw_networks import MOTION

from codegen.anomaly import AnomalyDetector, anomaly_detector, detector_from_json
from codegen.boards import load_board
from codegen.compile import CompiledModel, compile_graph
from codegen.cores import find_core
from codegen.errors import UserError
from codegen.ir import Graph
from codegen.project import read_project, write_project
from codegen.reference import run
from codegen.toolchain import ZigCompiler
from codegen.verify import measure
from nas.learning.anomaly import FLOOR, anomaly_scores, channel_errors

NAME = "machine"


@cache
def autoencoder() -> Graph:
    """Three channels of 16 samples in, three out, on another grid."""
    builder = GraphBuilder(NAME, seed=3)
    x = builder.input(1, *MOTION.shape, grid=(MOTION.scale, MOTION.zero_point))
    x = builder.conv(x, 8, (1, 3), padding="same", relu=True)
    return builder.graph(builder.conv(x, 3, (1, 3), padding="same"))


def detector(*, channels: bool = True, threshold: int = 0) -> AnomalyDetector:
    """What some examples have for errors is usual."""
    graph, inputs = autoencoder(), examples(40, seed=2)
    plain = anomaly_detector(graph, channels=channels, floor=FLOOR, threshold=threshold, false_alarms=0.01)
    return plain.relative_to(plain.logarithms(inputs, run(graph, {graph.inputs[0]: inputs})[graph.outputs[0]]))


@cache
def compiled(detects: AnomalyDetector) -> CompiledModel:
    core = find_core("cortex-m4")
    return compile_graph(autoencoder(), core, name=NAME, front_end=MOTION, detector=detects)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose alarm half of the examples pass."""
    graph, inputs = autoencoder(), examples(50)
    outputs = run(graph, {graph.inputs[0]: inputs})[graph.outputs[0]]
    threshold = int(np.median(detector()(inputs, outputs)))
    target = tmp_path_factory.mktemp("anomaly") / NAME
    write_project(compiled(detector(threshold=threshold)), target, board=load_board("nucleo-l4r5zi"), report={})
    return target


def examples(count: int, seed: int = 0) -> NDArray[np.int8]:
    """Of all degrees of loudness."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(0, 1, (count, *MOTION.shape)) * 10 ** rng.uniform(0, 2.2, (count, 1, 1, 1)), -128, 127).astype(
        np.int8
    )


@pytest.mark.parametrize("channels", [True, False])
def test_it_is_near_the_score_of_real_numbers(channels: bool) -> None:
    graph, inputs = autoencoder(), np.concatenate([examples(41, seed=2), examples(200)])
    outputs = run(graph, {graph.inputs[0]: inputs})[graph.outputs[0]]
    source, result = graph[graph.inputs[0]], graph[graph.outputs[0]]
    real = [((a.astype(np.float32) - t.zero_point) * t.scale).astype(np.float32) for a, t in ((inputs, source), (outputs, result))]
    plain = anomaly_detector(graph, channels=channels, floor=FLOOR, threshold=0, false_alarms=0.01)
    of = plain.relative_to(plain.logarithms(inputs[:41], outputs[:41]))
    assert len(set(of.usual)) == (3 if channels else 1)
    assert min(of.offsets) == 0
    errors = channel_errors(*real, channels=channels)
    scores = of(inputs, outputs)
    assert np.abs(of.real(scores) - anomaly_scores(errors, errors[:41])).max() < 0.003
    assert len(np.unique(scores)) > 190
    assert 0 <= scores.min() <= scores.max() <= of.most
    if channels:
        assert len(set((of.logarithms(inputs, outputs) + of.offsets).argmax(1).tolist())) == 3  # each is the worst somewhere


@settings(deadline=None)
@given(
    st.floats(2**-10, 1, width=32), st.floats(2**-10, 1, width=32), st.integers(-128, 127), st.integers(-128, 127), st.booleans()
)
def test_nothing_overflows_32_bits(source: float, result: float, zero: int, other: int, channels: bool) -> None:
    of = dataclasses.replace(detector(channels=channels), input_zero_point=zero, output_zero_point=other)
    unit = max(source, result) / 128
    of = dataclasses.replace(of, input_factor=round(source / unit * 2**13), output_factor=round(result / unit * 2**13))
    ends = np.array(list(itertools.product((-128, 127), (-128, 127))), np.int64)
    error = ((ends[:, 1] - other) * of.output_factor - (ends[:, 0] - zero) * of.input_factor + 4096) >> 13
    assert np.abs((ends[:, 1] - other) * of.output_factor - (ends[:, 0] - zero) * of.input_factor).max() < 2**31 - 4096
    assert (error**2).max() < 2**32


def test_any_bytes_on_this_machine(project: Path, tmp_path: Path) -> None:
    flags = ["-shared", "-fPIC", "-fsanitize=undefined", "-fsanitize-trap=undefined"]
    sources = sorted((project / "src").glob("*.c"))
    includes = [project / "include", project / "src"]
    c = ctypes.CDLL(str(ZigCompiler().build_host(sources, include_dirs=includes, output=tmp_path / "machine.so", flags=flags)))
    c.machine_output.restype = ctypes.c_void_p
    of = read_project(project).detector
    assert of is not None
    source, result = (autoencoder()[names[0]] for names in (autoencoder().inputs, autoencoder().outputs))
    memory = np.zeros(read_project(project).arena_bytes + 16, np.uint8)
    arena = ctypes.c_void_p((memory.ctypes.data + 7) // 8 * 8)
    alarms = set()

    @settings(max_examples=200, deadline=None)
    @given(arrays.arrays(np.int8, 48), st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 8, 64, 255]))
    def check(given_: NDArray[np.int8], seed: int, spread: int) -> None:
        noise = np.random.default_rng(seed).integers(-spread, spread, 48, endpoint=True)
        best = np.rint((given_.astype(float) - source.zero_point) * source.scale / result.scale) + result.zero_point
        output = np.clip(best + noise, -128, 127).astype(np.int8)
        ctypes.memmove(c.machine_output(arena), output.ctypes.data, 48)
        (expected,) = of(given_[None], output[None])
        assert c.machine_anomaly_score(arena, ctypes.c_void_p(given_.ctypes.data)) == expected
        alarm = c.machine_is_anomaly(arena, ctypes.c_void_p(given_.ctypes.data))
        assert alarm == (expected > of.threshold)
        alarms.add(alarm)

    check()
    assert alarms == {0, 1}


def test_emulated_cores_give_the_reference_s_score(project: Path) -> None:
    of = read_project(project).detector
    assert of is not None
    graph, inputs = autoencoder(), examples(6, seed=4)
    expected = of(inputs, run(graph, {graph.inputs[0]: inputs})[graph.outputs[0]])
    for core in ("cortex-m0plus", "cortex-m4"):
        result = measure(project, inputs=inputs, core=core)
        assert result.bit_exact, core
        assert result.anomaly is not None
        assert result.anomaly.scores == tuple(expected.tolist())
        assert 100 < result.anomaly.flash < 400
        assert result.anomaly.cycles < 48 * 60 + 3 * 1200
        assert result.to_json()["anomaly"]["cycles"] == pytest.approx(result.anomaly.cycles, abs=0.01)
    assert measure(project).bit_exact  # from recorded numbers
    damaged = project / "src" / "machine_anomaly.c"
    text = damaged.read_text()
    damaged.write_text(text.replace("made - given", "made + given"))
    try:
        assert measure(project, inputs=inputs).mismatches > 0
    finally:
        damaged.write_text(text)


def test_its_files_say_what_an_alarm_is(project: Path, tmp_path: Path) -> None:
    content = json.loads((project / "report.json").read_text())["project"]["detector"]
    of = detector_from_json(content)
    assert of == read_project(project).detector
    assert f"#define MACHINE_ANOMALY_THRESHOLD {of.threshold}" in (project / "include" / "machine_anomaly.h").read_text()
    text = (project / "README.md").read_text()
    for words in ("machine_is_anomaly(&arena, copy)", "machine_quantize_window(window, copy);", f"({of.threshold:,})", "1% of"):
        assert words in text
    for path in project.rglob("*.[ch]"):
        assert "@" not in path.read_text()
        assert "NN_" not in path.read_text()
    gcc = required_tool("arm-none-eabi-gcc")
    common = ["-O2", *STRICT, f"-I{project / 'include'}", "-c", project / "src" / "machine_anomaly.c", "-o", tmp_path / "a.o"]
    done = zig("cc", "-target", "thumb-freestanding-eabi", "-mcpu=cortex_m0plus", *common)
    assert done.returncode == 0, done.stderr
    run_tool([gcc, "-mcpu=cortex-m0plus", "-mthumb", *common])


def test_what_reconstructs_nothing_is_refused() -> None:
    builder = GraphBuilder("classifier", seed=3)
    graph = builder.graph(builder.dense(builder.input(1, 8), 3))
    with pytest.raises(UserError, match="reconstructs nothing"):
        anomaly_detector(graph, channels=False, floor=FLOOR, threshold=0, false_alarms=0.01)
