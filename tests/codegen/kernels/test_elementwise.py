"""Operators of two operands: bit by bit against the reference, also on emulated cores, in place, with repeating operands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_runner import CORE_BUILDS, Case, Device, Host, compute, expected, prepare, write_source

from codegen.cores import CORES
from codegen.ir import Add, Clamped, Graph, Maximum, Minimum, Mul, Op, Quantization, Sub, Tensor
from codegen.kernels import select
from codegen.kernels.add import AddKernel, AddSpec
from codegen.kernels.mul import MulKernel, MulSpec

KINDS: list[type[Op]] = [Add, Sub, Mul, Maximum, Minimum]
FULL = (1, 4, 5, 16)


def binary(
    kind: type[Op],
    first: tuple[int, ...],
    second: tuple[int, ...],
    scales: tuple[float, float, float] = (0.05, 0.07, 0.1),
    zero_points: tuple[int, int, int] = (-5, 20, 3),
    clamp: tuple[int, int] = (-128, 127),
    constant: int | None = None,
    same: bool = False,
) -> Graph:
    """A graph of one operator; operand ``constant`` has data, ``same`` makes one tensor both operands."""
    names = ("a", "a") if same else ("a", "b")
    tensors: dict[str, Tensor] = {}
    for number, (name, shape) in enumerate(zip(names, (first, second), strict=True)):
        data = np.random.default_rng(number).integers(-128, 128, shape).astype(np.int8) if number == constant else None
        tensors[name] = Tensor(name, shape, "int8", Quantization((float(np.float32(scales[number])),), zero_points[number]), data)
    out_shape = tuple(np.broadcast_shapes(first, second))
    tensors["y"] = Tensor("y", out_shape, "int8", Quantization((float(np.float32(scales[2])),), zero_points[2]))
    inputs = tuple(n for n in dict.fromkeys(names) if not tensors[n].constant)
    options = {"clamp": clamp} if issubclass(kind, Clamped) else {}
    return Graph("g", tensors, (kind(name="op", inputs=names, output="y", **options),), inputs, ("y",)).validate()


def graphs(kind: type[Op]) -> list[Graph]:
    """Chosen shapes and quantizations, and random quantizations."""
    shapes: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
        ((1, 1, 1, 1), (1, 1, 1, 1), {}),
        ((1, 3, 3, 7), (1, 3, 3, 7), {"clamp": (3, 127)}),
        (FULL, (16,), {}),
        (FULL, (1, 1, 1, 16), {"constant": 1}),
        ((5, 16), FULL, {}),
        (FULL, (), {"constant": 1}),
        ((1,), FULL, {"constant": 0}),
        (FULL, FULL, {"constant": 0}),
        (FULL, FULL, {"same": True}),
        ((1, 13), (1, 13), {"same": True}),
        ((1, 5, 1, 3), (1, 1, 4, 3), {}),
        ((1, 5, 4, 3), (1, 5, 1, 3), {}),
        ((1, 5, 4, 6), (1, 5, 4, 1), {}),
        ((1, 5, 1, 1), (1, 1, 4, 6), {"constant": 0}),
        ((2, 3, 1, 2, 1), (3, 2, 1, 5), {}),
        ((1, 5, 4, 1), (1, 1, 1, 1), {}),
    ]
    chosen = [binary(kind, first, second, **options) for first, second, options in shapes]
    quantizations: list[tuple[Any, ...]] = [
        ((0.07, 0.05, 0.1),),
        ((0.05, 0.05, 0.1),),
        ((0.05, 0.05, 0.025),),
        ((0.05, 0.05, 1e-4),),
        ((1e-4, 3.0, 3.0),),
        ((3.0, 1e-9, 3.0),),
        ((3.0, 1e-12, 3.0),),
        ((0.25, 0.5, 1.0), (-128, 127, -128)),
        ((0.25, 0.25, 0.5), (7, -9, 1)),
        ((0.5, 0.5, 0.5), (127, -128, 5)),
        ((0.05, 0.07, 5.0), (127, 127, 127)),
        ((0.05, 0.07, 1e-8),),
        ((0.05, 0.07, 1e8),),
    ]
    rng = np.random.default_rng(5)
    for _ in range(12):
        scales = (float(10 ** rng.uniform(-3, 0)), float(10 ** rng.uniform(-3, 0)), float(10 ** rng.uniform(-3, 0)))
        quantizations.append((scales, tuple(int(z) for z in rng.integers(-128, 128, 3))))
    if issubclass(kind, Clamped):
        return chosen + [binary(kind, FULL, FULL, *quantization) for quantization in quantizations]
    return chosen


def inputs_of(case: Case, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Random operands in the order of the operator's activations; one tensor may be both."""
    rng = np.random.default_rng(seed)
    arrays = {name: rng.integers(-128, 128, case.graph[name].shape).astype(np.int8) for name in dict.fromkeys(case.activations)}
    return [arrays[name] for name in case.activations]


@pytest.fixture(scope="module", params=KINDS, ids=[kind.__name__ for kind in KINDS])
def cases(request: pytest.FixtureRequest) -> Sequence[Case]:
    chosen = graphs(request.param)
    kernel, _ = select(chosen[0].ops[0], chosen[0], CORES["cortex-m4"], "balanced")
    return prepare(kernel, chosen)


def test_equals_the_reference(host: Host, cases: Sequence[Case]) -> None:
    for case in cases:
        inputs = inputs_of(case)
        np.testing.assert_array_equal(compute(host, case, inputs), expected(case, inputs), err_msg=str(case.spec))


@pytest.mark.parametrize("kind", [Add, Sub, Mul])
@pytest.mark.parametrize(
    ("scales", "zero_points"),
    [((0.043, 0.0717, 0.09), (-11, 7, 3)), ((0.5, 0.5, 1.0), (3, -4, 1)), ((1.0, 0.5, 1.0), (-128, 127, 0))],
)
def test_every_pair_of_values(
    kind: type[Op], scales: tuple[float, float, float], zero_points: tuple[int, int, int], tmp_path: Path
) -> None:
    graph = binary(kind, (1, 256, 256), (1, 256, 256), scales, zero_points)
    values = np.arange(-128, 128).astype(np.int8)
    first, second = (np.broadcast_to(v, (1, 256, 256)).copy() for v in (values[:, None], values[None, :]))
    kernel, _ = select(graph.ops[0], graph, CORES["cortex-m4"], "balanced")
    cases = prepare(kernel, [graph])
    source = write_source(cases, tmp_path)
    for machine in (Host(source), Device(source, cases, "cortex-m4", "speed"), Device(source, cases, "cortex-m0plus", "speed")):
        np.testing.assert_array_equal(compute(machine, cases[0], [first, second]), expected(cases[0], [first, second]))


@pytest.mark.parametrize("which", [0, 1])
def test_result_may_replace_an_operand(which: int, host: Host, cases: Sequence[Case]) -> None:
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
    assert replaced >= 3


@pytest.mark.parametrize(("core", "optimize"), CORE_BUILDS)
def test_equals_the_reference_on_cores(core: str, optimize: str, cases: Sequence[Case], source: Path) -> None:
    device = Device(source, cases, core, optimize)
    for case in cases:
        inputs = inputs_of(case)
        np.testing.assert_array_equal(compute(device, case, inputs), expected(case, inputs), err_msg=str(case.spec))


def add_spec(kind: type[Op], *quantization: Any) -> AddSpec:
    graph = binary(kind, FULL, FULL, *quantization)
    spec = AddKernel().specialize(graph.ops[0], graph, CORES["cortex-m4"], "balanced")
    assert spec is not None
    return spec


def test_sums_are_linear_where_no_pair_of_values_differs() -> None:
    rng = np.random.default_rng(0)
    forms = []
    for kind in (Add, Sub):
        for _ in range(50):
            scales = rng.uniform(0.02, 0.1, 2)
            quantization = ((*scales, np.hypot(*scales)), tuple(int(z) for z in rng.integers(-128, 128, 3)))
            forms.append(add_spec(kind, *quantization).form)
    assert forms.count("linear") > 95
    assert add_spec(Add, (0.05, 0.05, 0.05)).form == "linear"
    assert add_spec(Add, (0.5, 0.5, 1.0)).form == "symmetric"  # every other sum is a tie
    assert add_spec(Add, (0.05, 0.07, 1e-8)).form == "stepwise"


def test_equal_sums_share_a_function() -> None:
    assert add_spec(Add, (0.05123, 0.07131, 0.09717), (0, 1, 2)) == add_spec(Sub, (0.06171, 0.07293, 0.11317), (3, 4, 5))


def test_gains_of_one_half_and_more_are_multiplied_step_by_step() -> None:
    def spec(*scales: float) -> MulSpec:
        graph = binary(Mul, FULL, FULL, scales)  # type: ignore[arg-type]
        found = MulKernel().specialize(graph.ops[0], graph, CORES["cortex-m4"], "balanced")
        assert found is not None
        return found

    assert (spec(0.5, 0.5, 1.0).stepwise, spec(0.5, 0.5, 1.0).shift) == (False, 1)
    assert (spec(1.0, 0.5, 1.0).stepwise, spec(1.0, 0.5, 1.0).shift) == (True, 0)
    assert spec(1e-5, 1e-5, 1.0).shift == 18
