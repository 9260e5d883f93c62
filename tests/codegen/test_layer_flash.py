"""Bytes of a linked program by layer."""

from __future__ import annotations

import pytest
from assembly import link

from codegen.elf import Elf, read
from codegen.layer_flash import layer_flash
from codegen.measurement import Flash

SOURCE = """
#include <stdint.h>
#define ALONE __attribute__((noinline))
extern const int8_t m_layer00_weights[40], m_layer02_weights[12], m_layer10_shift[3], m_features_table[20];
const int8_t m_layer00_weights[40] = {1, 2, 3}, m_layer02_weights[12] = {4, 5}, m_layer10_shift[3] = {1};
const int8_t m_features_table[20] = {7};
static ALONE int m_deep(int x) { return x * 77 + 5; }
static ALONE int m_only_first(int x) { static const int16_t steps[9] = {1, 5, 2}; return m_deep(x) + steps[x % 9]; }
static ALONE int m_common(int x) { static const int8_t order[6] = {3, 1, 2}; return order[x % 6] / x; }
ALONE int m_first(int x) { return m_only_first(x) + m_layer00_weights[x] + m_common(x) + 1; }
ALONE int m_second(int x) { return m_common(x + 3) * 2 + m_layer10_shift[x & 1]; }
ALONE int m_features(int x) { return m_features_table[x]; }
void *m_tensor(void *arena) { return arena; }
int m_run(int x) { return m_first(x) + m_second(x) + m_first(x + m_layer02_weights[x & 7]) + m_features(x); }
"""


@pytest.fixture(scope="module", params=["cortex-m4", "cortex-m0plus"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Elf:
    directory = tmp_path_factory.mktemp("layers")
    (directory / "layers.c").write_text(SOURCE)
    return read(link(directory, directory / "layers.c", request.param))


def size(program: Elf, *names: str) -> int:
    return sum(program.symbols[f"m_{name}"].size for name in names)


def test_a_function_belongs_to_the_layer_that_alone_calls_it(program: Elf) -> None:
    (first, second, again), shared = layer_flash(program, "m", ["m_first", "m_second", "m_first"])
    assert first == Flash(size(program, "first", "only_first", "deep"), 40 + 18)
    assert second == Flash(size(program, "second"), 0)
    assert again == Flash(0, 12)  # the code is the first layer's
    assert shared.constants == 6
    division = sum(f.size for f in program.functions if not f.name.startswith("m_"))  # where the core has none
    assert shared.code == size(program, "common") + division


def test_features_come_before_the_first_layer(program: Elf) -> None:
    parts, _ = layer_flash(program, "m", ["m_features", "m_first", "m_second", "m_first"], features=1)
    assert parts[0] == Flash(size(program, "features"), 20)
    assert [part.constants for part in parts[1:]] == [58, 0, 12]
