"""What calibration builds is what the reference computes: sampled operators, corners included, to the bit."""

from pathlib import Path

import numpy as np
import pytest

from codegen.cores import CORES
from codegen.emulator import execute
from codegen.ir import Conv2D, Graph, Tensor
from codegen.reference import run
from cost_models.measurement import build, measure, shape_key
from cost_models.operators import bundle, sample_operator
from cost_models.random_weights import fill, random_input


def check_against_reference(graph: Graph, seed: int, directory: Path) -> None:
    rng = np.random.default_rng(seed)
    filled = fill(graph, rng)
    inputs = {name: random_input(filled[name], rng) for name in filled.inputs}
    built = build(filled, CORES["cortex-m4"], "balanced", directory)
    execution = execute(built.program, CORES["cortex-m4"], built.interface, [[inputs[n].tobytes() for n in filled.inputs]])
    batches = {name: array if array.shape[0] == 1 else array[None] for name, array in inputs.items()}  # one sample
    expected = run(filled, batches)
    for name, output in zip(filled.outputs, execution.outputs[0], strict=True):
        np.testing.assert_array_equal(np.frombuffer(output, filled[name].dtype), expected[name].ravel(), name)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sampled_operators_are_exact_to_the_bit(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    check_against_reference(bundle([sample_operator(rng) for _ in range(24)], "bundle"), seed, tmp_path)


def test_two_blocks_of_patches_share_their_scratch(tmp_path: Path) -> None:
    tensors = (
        Tensor("x", (1, 1, 5, 10)),
        Tensor("w", (64, 1, 1, 10), constant=True),
        Tensor("b", (64,), "int32", constant=True),
        Tensor("y", (1, 1, 5, 64)),
    )
    op = Conv2D(name="pointwise", inputs=("x",), output="y", weight="w", bias="b")
    check_against_reference(Graph("m", {t.name: t for t in tensors}, (op,), ("x",), ("y",)).validate(), 0, tmp_path)


def test_parts_add_up_to_the_program() -> None:
    rng = np.random.default_rng(5)
    graph = bundle([sample_operator(rng) for _ in range(6)], "bundle")
    program = measure(fill(graph, rng), CORES["cortex-m4"], "balanced", rng)
    assert program.run_cycles + sum(layer.cycles for layer in program.layers) == pytest.approx(program.cycles)
    assert program.stack <= program.run_stack + max(layer.stack for layer in program.layers)
    assert program.stack >= program.run_stack + max(layer.stack for layer in program.layers) - 16
    assert program.static == 0
    assert 0 < program.run_flash < program.code


def test_shape_key_ignores_names_and_weights_but_no_setting() -> None:
    rng = np.random.default_rng(8)
    graph = sample_operator(rng)
    renamed = bundle([graph], "bundle")
    assert shape_key(graph.ops[0], graph) == shape_key(renamed.ops[0], fill(renamed, rng))
    keys = {shape_key(g.ops[0], g) for g in (sample_operator(rng) for _ in range(60))}
    assert len(keys) > 55
