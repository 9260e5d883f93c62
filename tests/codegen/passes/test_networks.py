"""The passes on whole networks and random graphs: every output bit stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from codegen.float_borders import int8_core
from codegen.fuzzing.graphs import random_sample
from codegen.importers.tflite import import_tflite
from codegen.ir import Graph, GraphError, Mean, Pad, Transpose, total_macs
from codegen.passes import PASSES, run_passes
from codegen.reference import run

NETWORKS = ["kws", "ic", "vww", "ad", "sww", "mcunet_vww"]


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def imported(shared_dir: Path, network: str) -> Graph:
    """The int8 core of a network."""
    return int8_core(import_tflite(shared_dir / "models" / network / "model.tflite"))


def test_networks_keep_their_golden_outputs(shared_dir: Path, network: str) -> None:
    graph = run_passes(imported(shared_dir, network))
    folder = shared_dir / "models" / network
    found = run(graph, {graph.inputs[0]: np.load(folder / "inputs.npy")})[graph.outputs[0]]
    assert np.array_equal(found, np.load(folder / "outputs.npy"))


def test_passes_find_nothing_the_second_time(shared_dir: Path, network: str) -> None:
    graph = run_passes(imported(shared_dir, network))
    assert run_passes(graph) is graph
    for rewrite in PASSES:
        assert rewrite.run(graph) is graph, rewrite.name


def test_interface_stays(shared_dir: Path, network: str) -> None:
    before = imported(shared_dir, network)
    after = run_passes(before)
    assert (after.inputs, after.outputs) == (before.inputs, before.outputs)
    for name in (*before.inputs, *before.outputs):
        assert (after[name].shape, after[name].quantization) == (before[name].shape, before[name].quantization)


def test_constant_channels_halve_visual_wake_words(shared_dir: Path) -> None:
    before = imported(shared_dir, "vww")
    assert total_macs(before) == 7_489_664
    assert total_macs(run_passes(before)) <= 3_870_000


def test_mcunet_needs_no_data_movement(shared_dir: Path) -> None:
    before = imported(shared_dir, "mcunet_vww")
    assert any(isinstance(op, Pad | Transpose) for op in before.ops)
    assert not any(isinstance(op, Pad | Transpose | Mean) for op in run_passes(before).ops)


@pytest.mark.parametrize("seed", range(4))
def test_random_graphs_keep_every_output(seed: int) -> None:
    changed = 0
    for number in range(60):
        sample = random_sample(seed, number)
        try:
            before = run(sample.graph, sample.inputs)
        except GraphError:
            continue
        rewritten = run_passes(sample.graph)
        after = run(rewritten, sample.inputs)
        changed += rewritten is not sample.graph
        for name, values in before.items():
            assert np.array_equal(values, after[name], equal_nan=values.dtype == np.float32), (seed, number, name)
    assert changed > 10
