"""Both forms of requantisation in C against the reference, on ties, at the ends of their ranges and on random values."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from codegen.kernels import MICRO
from codegen.requantize import requantize
from codegen.toolchain import ZigCompiler

SOURCE = """
#include "requantize.h"
void every(int n, const int32_t *v, const int32_t *q, const int32_t *e, const int32_t *z, const int32_t *lo, int8_t *y);
void every(int n, const int32_t *v, const int32_t *q, const int32_t *e, const int32_t *z, const int32_t *lo, int8_t *y)
{
    for (int i = 0; i < n; ++i) {
        y[i] = NN_requantize(v[i], q[i], e[i], z[i], lo[i], 127);
    }
}
void bounded(int n, const int32_t *v, const int32_t *q, const int32_t *e, const int32_t *z, const int32_t *lo, int8_t *y);
void bounded(int n, const int32_t *v, const int32_t *q, const int32_t *e, const int32_t *z, const int32_t *lo, int8_t *y)
{
    for (int i = 0; i < n; ++i) {
        y[i] = NN_requantize_bounded(v[i], q[i], -e[i], z[i], lo[i], 127);
    }
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    source = tmp_path_factory.mktemp("requantize") / "forms.c"
    source.write_text(SOURCE)
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


@pytest.mark.parametrize(("form", "low", "high", "limit"), [("every", -31, 5, 2**31), ("bounded", -22, -1, 2**30)])
def test_equals_the_reference(library: ctypes.CDLL, form: str, low: int, high: int, limit: int) -> None:
    v, q, e, zero, lowest = arrays = values(np.random.default_rng(0), low, high, limit)
    if form == "bounded":
        v[v == -limit] = 1 - limit
    y = np.zeros(v.size, np.int8)
    getattr(library, form)(v.size, *(ctypes.c_void_p(a.ctypes.data) for a in (*arrays, y)))
    scaled = requantize(v[:, None], q[:, None], e[:, None])[:, 0] + zero
    np.testing.assert_array_equal(y, np.clip(scaled, lowest, 127))
    assert np.unique(y).size == 256
