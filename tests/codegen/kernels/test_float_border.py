"""Conversion from and to float32: bit by bit, ties, infinities, not-a-number, over the input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kernel_runner import CORE_BUILDS, Case, Device, Host, Machine, compute, prepare
from numpy.typing import NDArray

from codegen.ir import Dequantize, Graph, Quantization, Quantize, Tensor
from codegen.kernels.float_border import FloatBorderKernel
from codegen.samples import quantize

SCALE, ZERO_POINT = float(np.float32(0.0472)), -5


def border(kind: type[Quantize] | type[Dequantize], length: int) -> Graph:
    """A graph of one conversion."""
    real = Tensor("x" if kind is Quantize else "y", (1, length), "float32")
    stored = Tensor("y" if kind is Quantize else "x", (1, length), "int8", Quantization((SCALE,), ZERO_POINT))
    return Graph("g", {t.name: t for t in (real, stored)}, (kind(name="op", inputs=("x",), output="y"),), ("x",), ("y",)).validate()


STEPS = np.arange(-300, 301, dtype=np.float32) / np.float32(2)
REALS = np.concatenate(
    [
        STEPS * np.float32(SCALE),
        np.nextafter(STEPS * np.float32(SCALE), np.float32(np.inf)),
        np.nextafter(STEPS * np.float32(SCALE), np.float32(-np.inf)),
        np.array([np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45, -0.0], np.float32),
    ]
)
BYTES = np.arange(-128, 128).astype(np.int8)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return prepare(
        FloatBorderKernel(), [border(Quantize, REALS.size), border(Dequantize, 256), border(Quantize, 1), border(Dequantize, 1)]
    )


def check(machine: Machine, cases: list[Case]) -> None:
    """Apart, and with the output as far over the input as it may lie, rounded to words."""
    for case in cases:
        length = case.spec.length
        x: NDArray[np.generic]
        if case.spec.quantizes:
            x = REALS[:length].reshape(1, length)
            wanted: NDArray[np.generic] = quantize(REALS[:length], SCALE, ZERO_POINT)
        else:
            x = BYTES[:length].reshape(1, length)
            wanted = np.float32(SCALE) * (BYTES[:length].astype(np.float32) - np.float32(ZERO_POINT))
        (lead,) = case.kernel.overlap(case.spec)
        assert lead is not None
        for leads in (None, [-(-lead // 4) * 4]):
            np.testing.assert_array_equal(compute(machine, case, [x], leads).reshape(-1), wanted)


def test_equals_the_definition(cases: list[Case], host: Host) -> None:
    check(host, cases)


@pytest.mark.parametrize(("core", "optimize"), CORE_BUILDS)
def test_equals_the_definition_on_cores(core: str, optimize: str, cases: list[Case], source: Path) -> None:
    check(Device(source, cases, core, optimize), cases)
