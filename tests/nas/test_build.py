"""From a graph to a project within its limits."""

from __future__ import annotations

from pathlib import Path

from graphs import image

from codegen.boards import load_board
from codegen.project import read_project
from cost_models import load_cost_model
from cost_models.limits import Limits
from nas.build import Build, build_project

BOARD = load_board("nucleo-l4r5zi")


def build(directory: Path, ram: int | None) -> Build:
    return build_project(image(), BOARD, name="image", optimize="speed", report={}, directory=directory, limits=Limits(ram=ram))


def test_operators_are_split_only_where_the_limit_on_ram_asks_for_it(tmp_path: Path) -> None:
    whole = build(tmp_path / "whole", None)
    needed = whole.verification.ram.total
    same = build(tmp_path / "same", needed)
    assert same.verification.ram == whole.verification.ram
    split = build(tmp_path / "split", needed - 2000)
    assert split.written
    assert split.verification.bit_exact
    assert split.verification.ram.total <= needed - 2000
    assert len(split.verification.layers) > len(whole.verification.layers)
    assert read_project(tmp_path / "split").arena_bytes == split.verification.ram.arena
    predicted = load_cost_model("cortex-m4", optimize="speed").predict(image(), BOARD, ram_limit=needed - 2000)
    # The predicted stack is a bound, so that the arena is left no more than what a build finds it to have.
    assert predicted.ram.total <= needed - 2000
    assert predicted.ram.arena <= split.verification.ram.arena


def test_what_no_strips_can_bring_within_the_limit_is_not_written(tmp_path: Path) -> None:
    hopeless = build(tmp_path / "hopeless", 500)
    assert not hopeless.written
    assert [excess.limit for excess in hopeless.broken] == ["ram"]
    assert not (tmp_path / "hopeless").exists()
