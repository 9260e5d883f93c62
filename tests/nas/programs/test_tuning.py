"""Choosing schedules by measurement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from graphs import NETWORKS

from codegen.boards import load_board
from codegen.compile import compile_graph
from codegen.cores import CORES
from codegen.schedules import Schedules
from codegen.verify import measure_model
from nas.programs.tuning import Candidate, best, tune

M4 = CORES["cortex-m4"]


def here(function: Callable[..., Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    yield from ((index, function(item)) for index, item in enumerate(items))


def nowhere(function: Callable[..., Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    raise AssertionError("nothing should be left to measure")


def test_tuning_finds_schedules_that_are_as_fast_as_the_rules_and_remembers_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path / "cache"))
    graph = NETWORKS["separable"]("separable")
    told: list[tuple[int, int]] = []
    tuned = tune(graph, M4, "speed", here, lambda done, total: told.append((done, total)))
    assert told == [(done, len(told) - 1) for done in range(len(told))]
    assert len(told) > 1
    assert tune(graph, M4, "speed", nowhere, lambda done, total: None) == tuned

    board = load_board("nucleo-l4r5zi")
    rule, fastest = (
        measure_model(compile_graph(graph, M4, optimize="speed", choose=choose), board=board)
        for choose in (Schedules(M4, "speed", {}), tuned)
    )
    assert fastest.bit_exact
    # Schedules within 2 % of the fastest count as equal, and the smallest of them is taken.
    assert fastest.cycles <= 1.02 * rule.cycles


RULE = Candidate(cycles=1000, flash=500, scratch=64)


@pytest.mark.parametrize(
    ("optimize", "other", "chosen"),
    [
        ("speed", Candidate(900, 800, 128), 1),  # faster
        ("speed", Candidate(990, 800, 64), 0),  # hardly faster, but larger
        ("speed", Candidate(1010, 400, 64), 1),  # as good as equal, and smaller
        ("balanced", Candidate(900, 501, 64), 0),  # takes more flash
        ("balanced", Candidate(900, 500, 65), 0),  # takes more scratch
        ("balanced", Candidate(900, 500, 64), 1),
        ("size", Candidate(1050, 490, 64), 1),
        ("size", Candidate(1060, 400, 64), 0),  # too slow for what it saves
        ("size", Candidate(1000, 490, 70), 1),  # less of both together
        ("size", Candidate(900, 500, 64), 1),  # equal in size
    ],
)
def test_what_is_best_depends_on_what_counts(optimize: Any, other: Candidate, chosen: int) -> None:
    assert best([RULE, other], optimize) == chosen
