"""Which schedule a layer gets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from graphs import NETWORKS

from codegen.compile import Layout, lay_out
from codegen.cores import CORES
from codegen.kernels._base import Kernel
from codegen.optimize import OPTIMIZE
from codegen.schedules import Schedules, schedule_key, shipped_schedules

M4 = CORES["cortex-m4"]


def with_a_choice(layout: Layout) -> list[str]:
    """Keys of the layers that have more than one schedule."""
    return [schedule_key(s.kernel, s.spec, M4) for s in layout.selections if len(s.kernel.schedules(s.spec, M4)) > 1]


@pytest.mark.parametrize("optimize", OPTIMIZE)
def test_a_kernels_own_rule_comes_first_and_no_schedule_twice(optimize: str) -> None:
    for network in NETWORKS.values():
        for s in lay_out(network("n"), M4, optimize, choose=Schedules(M4, optimize, {})).selections:
            kernel: Kernel[object] = s.kernel
            alternatives = kernel.schedules(s.spec, M4)
            assert alternatives[0] == s.spec
            assert len(set(alternatives)) == len(alternatives)


def test_a_measured_choice_is_taken_and_others_are_left() -> None:
    graph = NETWORKS["convolutional"]("n")
    rule = lay_out(graph, M4, "speed", choose=Schedules(M4, "speed", {}))
    keys = with_a_choice(rule)
    assert keys
    chosen = lay_out(graph, M4, "speed", choose=Schedules(M4, "speed", {keys[0]: 1}))
    for before, after in zip(rule.selections, chosen.selections, strict=True):
        taken = schedule_key(before.kernel, before.spec, M4) == keys[0]
        assert after.spec == before.kernel.schedules(before.spec, M4)[1 if taken else 0]
    assert chosen.selections != rule.selections


def test_the_key_leaves_out_what_costs_do_not_depend_on() -> None:
    graph = NETWORKS["convolutional"]("n")
    (first, *_) = lay_out(graph, M4, "speed").selections
    other = replace(first.spec, zero_point=first.spec.zero_point + 1)
    assert schedule_key(first.kernel, other, M4) == schedule_key(first.kernel, first.spec, M4)


def test_trip_counts_are_those_of_what_was_chosen() -> None:
    graph = NETWORKS["convolutional"]("n")
    rule = Schedules(M4, "speed", {})
    keys = with_a_choice(lay_out(graph, M4, "speed", choose=rule))
    for chooser in (rule, Schedules(M4, "speed", {keys[0]: 1})):
        for s in lay_out(graph, M4, "speed", choose=rule).selections:
            spec, work = chooser.with_work(s.kernel, s.spec)
            assert spec == chooser(s.op, s.kernel, s.spec)
            assert work == s.kernel.work(spec)


def test_later_choices_win() -> None:
    schedules = Schedules(M4, "size", {"a": 1, "b": 2}).with_choices({"b": 0})
    assert schedules.choices == {"a": 1, "b": 0}


def test_a_core_without_a_file_follows_the_rules() -> None:
    assert shipped_schedules(CORES["cortex-m3"], "size").choices == {}
