"""The boards of a run, and what its report says of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen.boards import load_board
from codegen.errors import UserError
from nas.run_directory import RunDirectory
from nas.study.settings import SearchSettings


def board_names(settings: SearchSettings) -> tuple[str, ...]:
    """Names of the boards that a search is for."""
    return tuple(load_board(name).name for name in settings.boards)


def pick_board(run: RunDirectory, settings: SearchSettings, wanted: str | None) -> str:
    """The name of the board of ``run`` that is ``wanted``: a name or a board file, or None, which is enough where there is one.

    :raises UserError: if the run has several and it is none of them.
    """
    names = board_names(settings)
    if len(names) == 1:
        return names[0]
    name = wanted if wanted is None or wanted in names else load_board(wanted).name
    if name not in names:
        raise UserError(f"{run.path}: this search is for {', '.join(names)}; say with --board for which of them")
    return name


def report_on(report: Mapping[str, Any], board: str) -> Mapping[str, Any]:
    """The part of a run's report that is about a board, in the form that the report of a run with one board has; empty if there is
    no winner for it."""
    if "boards" not in report:
        return report
    return {**report, **report["boards"][board]} if board in report["boards"] else {}


def read_report_on(run: RunDirectory, board: str) -> Mapping[str, Any]:
    """:func:`report_on` of the report of ``run``.

    :raises UserError: if the search has not ended, the report is damaged, or there is no winner for the board.
    """
    report = run.read_report()
    found = report_on(report, board)
    if not found:
        raise UserError(f"{run.path}: {board}: {report['without_winner'].get(board, 'not a board of this search')}")
    return found
