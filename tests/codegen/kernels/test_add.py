"""Addition: bit by bit against the reference, also on emulated cores, in place, with repeating and constant operands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_runner import CORE_BUILDS, Case, Device, Host, compute, expected, prepare, write_source

from codegen.ir import Add, Graph, Quantization, Tensor
from codegen.kernels.add import AddKernel

KERNEL = AddKernel()


def addition(
    first: tuple[int, ...],
    second: tuple[int, ...],
    scales: tuple[float, float, float] = (0.05, 0.07, 0.1),
    zero_points: tuple[int, int, int] = (-5, 20, 3),
    clamp: tuple[int, int] = (-128, 127),
    constant: int | None = None,
    same: bool = False,
) -> Graph:
    """A graph of one addition; operand ``constant`` has data, ``same`` adds a tensor to itself."""
    names = ("a", "a") if same else ("a", "b")
    tensors: dict[str, Tensor] = {}
    for number, (name, shape) in enumerate(zip(names, (first, second), strict=True)):
        data = np.random.default_rng(number).integers(-128, 128, shape).astype(np.int8) if number == constant else None
        tensors[name] = Tensor(name, shape, "int8", Quantization((float(np.float32(scales[number])),), zero_points[number]), data)
    out_shape = tuple(np.broadcast_shapes(first, second))
    tensors["y"] = Tensor("y", out_shape, "int8", Quantization((float(np.float32(scales[2])),), zero_points[2]))
    inputs = tuple(n for n in dict.fromkeys(names) if not tensors[n].constant)
    return Graph("g", tensors, (Add(name="op", inputs=names, output="y", clamp=clamp),), inputs, ("y",)).validate()


def graphs() -> list[Graph]:
    """Chosen shapes and quantizations, and random quantizations."""
    full = (1, 4, 5, 16)
    chosen = [
        addition(full, full),
        addition((1, 1, 1, 1), (1, 1, 1, 1)),
        addition((1, 3, 3, 7), (1, 3, 3, 7), (0.07, 0.05, 0.1), clamp=(3, 127)),
        addition(full, full, (0.05, 0.05, 0.1)),
        addition(full, full, (0.05, 0.05, 0.025)),
        addition(full, full, (0.05, 0.05, 1e-4)),
        addition(full, full, (1e-4, 3.0, 3.0)),
        addition(full, full, (3.0, 1e-9, 3.0)),
        addition(full, full, (3.0, 1e-12, 3.0)),
        addition(full, full, (0.25, 0.5, 1.0), (-128, 127, -128)),
        addition(full, full, (0.05, 0.07, 5.0), (127, 127, 127)),
        addition(full, full, (0.05, 0.07, 1e-8)),
        addition(full, (16,)),
        addition(full, (1, 1, 1, 16), constant=1),
        addition((5, 16), full),
        addition(full, (), constant=1),
        addition((1,), full, constant=0),
        addition(full, full, constant=0),
        addition(full, full, same=True),
        addition((1, 13), (1, 13), same=True),
    ]
    rng = np.random.default_rng(5)
    for _ in range(12):
        scales = (float(10 ** rng.uniform(-3, 0)), float(10 ** rng.uniform(-3, 0)), float(10 ** rng.uniform(-3, 0)))
        zero_points = (int(rng.integers(-128, 128)), int(rng.integers(-128, 128)), int(rng.integers(-128, 128)))
        shape = (1, int(rng.integers(1, 6)), int(rng.integers(1, 30)))
        chosen.append(addition(shape, shape, scales, zero_points))
    return chosen


def inputs_of(case: Case, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Random operands."""
    rng = np.random.default_rng(seed)
    return [rng.integers(-128, 128, case.graph[name].shape).astype(np.int8) for name in dict.fromkeys(case.activations)]


def call_inputs(case: Case, inputs: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """The arrays in the order of the operator's activations; one tensor may be both."""
    return [dict(zip(dict.fromkeys(case.activations), inputs, strict=True))[name] for name in case.activations]


@pytest.fixture(scope="module")
def cases() -> Sequence[Case]:
    return prepare(KERNEL, graphs())


@pytest.fixture(scope="module")
def source(cases: Sequence[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(cases, tmp_path_factory.mktemp("add"))


@pytest.fixture(scope="module")
def host(source: Path) -> Host:
    return Host(source)


def test_equals_the_reference(host: Host, cases: Sequence[Case]) -> None:
    for case in cases:
        inputs = call_inputs(case, inputs_of(case))
        np.testing.assert_array_equal(compute(host, case, inputs), expected(case, inputs), err_msg=str(case.spec))


def test_every_pair_of_values(tmp_path: Path) -> None:
    graph = addition((1, 256, 256), (1, 256, 256), (0.043, 0.0717, 0.09), (-11, 7, 3))
    values = np.arange(-128, 128).astype(np.int8)
    first, second = (np.broadcast_to(v, (1, 256, 256)).copy() for v in (values[:, None], values[None, :]))
    (case,) = prepare(KERNEL, [graph])
    machine = Host(write_source([case], tmp_path))
    np.testing.assert_array_equal(compute(machine, case, [first, second]), expected(case, [first, second]))


@pytest.mark.parametrize("which", [0, 1])
def test_sum_may_replace_an_operand(which: int, host: Host, cases: Sequence[Case]) -> None:
    replaced = 0
    for case in cases:
        overlap = case.kernel.overlap(case.spec)
        if which >= len(overlap) or overlap[which] is None or len(set(case.activations)) < len(case.activations):
            continue
        inputs = inputs_of(case)
        for distance in (0, 1, 4, 33):
            leads = [distance if i == which else None for i in range(len(overlap))]
            np.testing.assert_array_equal(compute(host, case, inputs, leads), expected(case, inputs), err_msg=str(case.spec))
        replaced += 1
    assert replaced > len(cases) // 2


@pytest.mark.parametrize(("core", "optimize"), CORE_BUILDS)
def test_equals_the_reference_on_cores(core: str, optimize: str, cases: Sequence[Case], source: Path) -> None:
    device = Device(source, cases, core, optimize)
    for case in cases:
        inputs = call_inputs(case, inputs_of(case))
        np.testing.assert_array_equal(compute(device, case, inputs), expected(case, inputs), err_msg=str(case.spec))


def test_what_does_not_repeat_is_refused() -> None:
    both_short = addition((1, 5, 1, 3), (1, 1, 4, 3))
    inner = addition((1, 5, 4, 3), (1, 5, 1, 3))
    for graph in (both_short, inner):
        assert KERNEL.specialize(graph.ops[0], graph, None, "balanced") is None  # type: ignore[arg-type]
