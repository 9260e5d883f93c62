"""Both forms of requantisation in C against the reference, on ties, at the ends of their ranges and on random values."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from kernel_runner import CORE_BUILDS, Device

from codegen.kernels import MICRO
from codegen.requantize import requantize
from codegen.toolchain import ZigCompiler

SOURCE = """
#include "requantize.h"
void every(const int *n, const int32_t *v, const int32_t *q, const int32_t *e, const int32_t *z, const int32_t *lo, int8_t *y);
void every(const int *n, const int32_t *v, const int32_t *q, const int32_t *e, const int32_t *z, const int32_t *lo, int8_t *y)
{
    for (int i = 0; i < *n; ++i) {
        y[i] = NN_requantize(v[i], q[i], e[i], z[i], lo[i], 127);
    }
}
void bounded(const int *n, const int32_t *v, const int32_t *q, const int32_t *e, const int32_t *z, const int32_t *lo, int8_t *y);
void bounded(const int *n, const int32_t *v, const int32_t *q, const int32_t *e, const int32_t *z, const int32_t *lo, int8_t *y)
{
    for (int i = 0; i < *n; ++i) {
        y[i] = NN_requantize_bounded(v[i], q[i], -e[i], z[i], lo[i], 127);
    }
}
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("requantize") / "forms.c"
    source.write_text(SOURCE)
    return source


@pytest.fixture(scope="module")
def library(source: Path) -> ctypes.CDLL:
    flags = ("-shared", "-fPIC", "-fsanitize=undefined", "-fsanitize-trap=undefined")
    return ctypes.CDLL(str(ZigCompiler().build_host([source], include_dirs=[MICRO], output=source.with_suffix(".so"), flags=flags)))


def values(rng: np.random.Generator, low: int, high: int, limit: int, count: int = 200_000) -> list[np.ndarray]:
    """Values, multipliers, exponents from ``low`` to ``high``, zero points and lower clamps. Most results lie inside int8 and close
    to a tie; the others reach ``limit`` on both sides."""
    e = rng.integers(low, high + 1, count)
    q = np.where(rng.random(count) < 0.3, 2**30, rng.integers(2**30, 2**31, count))
    results = np.round(rng.normal(0, 60, count)) + rng.choice([0.0, 0.5], count)
    near = np.clip(np.round(results * 2.0 ** (31 - e) / q) + rng.integers(-1, 2, count), -limit, limit - 1).astype(np.int64)
    anywhere = np.where(e > 0, near, rng.integers(-limit, limit, count))
    ends = np.where(e > 0, near, rng.choice([-limit, 1 - limit, limit - 1], count))
    kind = rng.random(count)
    v = np.where(kind < 0.8, near, np.where(kind < 0.9, anywhere, ends))
    zero = rng.integers(-128, 128, count)
    lowest = np.where(rng.random(count) < 0.5, -128, zero)
    return [a.astype(np.int32) for a in (v, q, e, zero, lowest)]


FORMS = pytest.mark.parametrize(("form", "low", "high", "limit"), [("every", -31, 5, 2**31), ("bounded", -22, -1, 2**30)])


def arrays_of(form: str, low: int, high: int, limit: int, count: int) -> tuple[list[np.ndarray], np.ndarray]:
    """The arguments of a form (the number of values, then arrays) and what it has to return."""
    v, q, e, zero, lowest = arrays = values(np.random.default_rng(0), low, high, limit, count)
    if form == "bounded":
        v[v == -limit] = 1 - limit
    scaled = requantize(v[:, None], q[:, None], e[:, None])[:, 0] + zero
    return [np.array([v.size], np.int32), *arrays], np.clip(scaled, lowest, 127)


@FORMS
def test_equals_the_reference(library: ctypes.CDLL, form: str, low: int, high: int, limit: int) -> None:
    arrays, expected = arrays_of(form, low, high, limit, 200_000)
    y = np.zeros(expected.size, np.int8)
    getattr(library, form)(*(ctypes.c_void_p(a.ctypes.data) for a in (*arrays, y)))
    np.testing.assert_array_equal(y, expected)
    assert np.unique(y).size == 256


@FORMS
@pytest.mark.parametrize(("core", "optimize"), CORE_BUILDS)
def test_equals_the_reference_on_cores(core: str, optimize: str, form: str, low: int, high: int, limit: int, source: Path) -> None:
    device = Device(source, [SimpleNamespace(symbol="every"), SimpleNamespace(symbol="bounded")], core, optimize)
    arrays, expected = arrays_of(form, low, high, limit, 20_000)
    starts = np.cumsum([0, *(a.nbytes for a in arrays)])
    memory = bytearray(b"".join(a.tobytes() for a in arrays) + bytes(expected.size))
    y = device.call(form, memory, [int(start) for start in starts])[starts[-1] :]
    np.testing.assert_array_equal(np.frombuffer(y, np.int8), expected)


HIGH_MULTIPLY = """
#include "requantize.h"
void any(const int *n, const int32_t *a, const int32_t *b, int32_t *y);
void any(const int *n, const int32_t *a, const int32_t *b, int32_t *y)
{
    for (int i = 0; i < *n; ++i) {
        y[i] = NN_high_multiply(a[i], b[i]);
    }
}
void bounded(const int *n, const int32_t *a, const int32_t *b, int32_t *y);
void bounded(const int *n, const int32_t *a, const int32_t *b, int32_t *y)
{
    for (int i = 0; i < *n; ++i) {
#if NN_FEW_REGISTERS
        y[i] = NN_high_multiply_bounded(a[i], b[i]);
#else
        y[i] = NN_high_multiply(a[i], b[i]);
#endif
    }
}
"""


@pytest.mark.parametrize(("form", "limit", "least"), [("any", 2**31, -(2**31)), ("bounded", 2**30, 0)])
@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3"])
def test_high_multiply_is_exact(core: str, form: str, limit: int, least: int, tmp_path: Path) -> None:
    """Every pair of numbers at the borders of halfwords, and random ones."""
    source = tmp_path / "high.c"
    source.write_text(HIGH_MULTIPLY)
    device = Device(source, [SimpleNamespace(symbol="any"), SimpleNamespace(symbol="bounded")], core, "speed")
    halves = [0, 1, 2, 0x3FFF, 0x4000, 0x7FFE, 0x7FFF, 0x8000, 0x8001, 0xC000, 0xFFFE, 0xFFFF]
    borders = np.array([high * 2**16 + low for high in range(-(2**15), 2**15) if high & 0xFFFF in halves for low in halves])
    a, b = np.meshgrid(borders[np.abs(borders) < limit], borders[borders >= least])
    random = np.random.default_rng(0)
    a = np.concatenate([a.ravel(), random.integers(1 - limit, limit, 20_000)])
    b = np.concatenate([b.ravel(), random.integers(least, 2**31, 20_000)])
    arrays = [np.array([a.size], np.int32), a.astype(np.int32), b.astype(np.int32)]
    starts = np.cumsum([0, *(x.nbytes for x in arrays)])
    memory = bytearray(b"".join(x.tobytes() for x in arrays) + bytes(4 * a.size))
    y = device.call(form, memory, [int(start) for start in starts])[starts[-1] :]
    np.testing.assert_array_equal(np.frombuffer(y, np.int32), (a * b + 2**30) >> 31)
