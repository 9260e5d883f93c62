"""What calibration builds is what the reference computes: sampled operators, corners included, to the bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from harness_board import MACHINES, TICKS_PER_INSTRUCTION, board, firmware, running

from codegen.cores import CORES
from codegen.emulator import execute
from codegen.errors import UserError
from codegen.harness import Device, pseudo_random
from codegen.ir import Conv2D, Graph, Tensor
from codegen.reference import run
from cost_models import measurement
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


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus", "cortex-m7"])
def test_a_board_counts_the_cycles_of_every_layer(core: str, tmp_path: Path) -> None:
    """QEMU lets every instruction take the same time, so what the board counts has to follow the instructions of the emulator,
    layer by layer, to the rounding of its counter; all else is the emulator's."""
    rng = np.random.default_rng(5)
    graph = fill(bundle([sample_operator(rng) for _ in range(5)], "bundle"), rng)
    with running(firmware(tmp_path, core), MACHINES[core]) as (port, _), Device.open(port, board(tmp_path, core)) as device:
        on_board = measure(graph, CORES[core], "balanced", np.random.default_rng(1), device=device)
    emulated = measure(graph, CORES[core], "balanced", np.random.default_rng(1))
    for layer, other in zip(on_board.layers, emulated.layers, strict=True):
        assert layer.cycles == pytest.approx(TICKS_PER_INSTRUCTION * layer.instructions, rel=1e-5, abs=4)
        assert replace(layer, cycles=other.cycles, instructions=other.instructions) == other
    assert on_board.cycles == pytest.approx(TICKS_PER_INSTRUCTION * on_board.instructions, rel=1e-5, abs=10)
    assert on_board.run_cycles + sum(layer.cycles for layer in on_board.layers) == on_board.cycles
    assert 0 < on_board.run_cycles < 100 * len(on_board.layers)


def test_other_outputs_than_the_emulators_are_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    graph = fill(sample_operator(rng), rng)
    monkeypatch.setattr(measurement, "pseudo_random", lambda count, seed: pseudo_random(count, seed ^ 1))
    with (
        running(firmware(tmp_path, "cortex-m4")) as (port, _),
        Device.open(port, board(tmp_path)) as device,
        pytest.raises(UserError, match="the bytes of m_output on the board differ from the emulator's"),
    ):
        measure(graph, CORES["cortex-m4"], "balanced", rng, device=device)


def test_a_program_that_is_too_large_for_the_board(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    samples = (sample_operator(rng) for _ in range(100))
    graph = fill(next(g for g in samples if g[g.inputs[0]].nbytes > 4096), rng)
    whole = measure(graph, CORES["cortex-m4"], "balanced", rng)
    with running(firmware(tmp_path, "cortex-m4")) as (port, _), Device.open(port, board(tmp_path)) as device:
        for size in (512, 1024 + whole.code + whole.constants):  # the first is too small for the code alone
            device.hello = replace(device.hello, ram_bytes=size)
            with pytest.raises(UserError, match="bytes of RAM"):
                measure(graph, CORES["cortex-m4"], "balanced", rng, device=device)


def test_shape_key_ignores_names_and_weights_but_no_setting() -> None:
    rng = np.random.default_rng(8)
    graph = sample_operator(rng)
    renamed = bundle([graph], "bundle")
    assert shape_key(graph.ops[0], graph) == shape_key(renamed.ops[0], fill(renamed, rng))
    keys = {shape_key(g.ops[0], g) for g in (sample_operator(rng) for _ in range(60))}
    assert len(keys) > 55
