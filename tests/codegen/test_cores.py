"""Cores by name."""

from __future__ import annotations

import pytest

from codegen.cores import CORES, find_core
from codegen.errors import UserError


@pytest.mark.parametrize("spelling", ["cortex-m4", "Cortex-M4", "cortex_m4", " CORTEX-M4 "])
def test_spellings(spelling: str) -> None:
    assert find_core(spelling) is CORES["cortex-m4"]


def test_plus_sign() -> None:
    assert find_core("cortex-m0+").name == "cortex-m0plus"


def test_unknown_core_names_the_known_ones() -> None:
    with pytest.raises(UserError, match="core 'cortex-m85' is unknown; choose one of cortex-m0plus, cortex-m3, cortex-m4"):
        find_core("cortex-m85")


def test_multiplier_is_an_option_of_the_small_core_only() -> None:
    slow = find_core("cortex-m0plus", multiply_cycles=32)
    assert slow.multiply_cycles == 32
    assert slow != CORES["cortex-m0plus"]
    assert find_core("cortex-m0plus", multiply_cycles=1) is CORES["cortex-m0plus"]
    for core, cycles in (("cortex-m0plus", 7), ("cortex-m4", 32)):
        with pytest.raises(UserError, match=f"'{core}': multiply_cycles is {cycles}, must be 1"):
            find_core(core, multiply_cycles=cycles)


def test_cores_tell_their_capabilities() -> None:
    assert [(c.name, c.thumb2, c.divide, c.dsp, c.unaligned_access) for c in CORES.values()] == [
        ("cortex-m0plus", False, False, False, False),
        ("cortex-m3", True, True, False, True),
        ("cortex-m4", True, True, True, True),
        ("cortex-m33", True, True, True, True),
        ("cortex-m7", True, True, True, True),
    ]


def test_a_core_without_a_published_table_is_an_estimate() -> None:
    for core in CORES.values():
        published = "Arm DDI" in core.timing_source
        assert published == (core.timing_uncertainty == 0)
        assert published != core.timing_source.startswith("estimate: ")
