"""The winners of all boards of a search, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from nas.markup import element, table
from nas.report.evidence import SEARCH, Evidence
from nas.report.quantities import FLASH, LATENCY, RAM
from nas.report.sections import Section, absent, join, paragraph


def overview_section(boards: Sequence[Evidence]) -> Section:
    """A row for each board; the same network may have won on several."""
    rows = [_row(evidence) for evidence in boards]
    head = ("", "core", "trials that fit", "winner", "test, int8", "RAM", "flash", "latency")
    trials = boards[0].tried + boards[0].stopped
    told = paragraph(
        f"The search made {trials} trials. Each fits on one of the boards at least and was trained once; every board has "
        "its own front, finalists and winner."
    )
    ended = any(evidence.report or evidence.no_winner for evidence in boards)
    open_end = [] if ended else [absent("The search has not ended, so there is no winner yet.")]
    return Section("boards", "Boards", join(told, *open_end, table("The winners by board", head, rows, words=2)))


def _row(evidence: Evidence) -> tuple[object, ...]:
    board = evidence.board
    about = element("a", board.name, href=f"#{board.name}"), board.core, f"{len(evidence.of_study(SEARCH))}"
    if not evidence.report:
        return (*about, "none", "", "", "", "")
    winner = evidence.report["winner"]
    built = winner["built"]
    figures = RAM.text(built["ram"]["total"]), FLASH.text(built["flash"]["total"]), LATENCY.text(built["latency_ms"])
    return (*about, f"trial {winner['trial']['number']}", f"{winner['test']['int8']:.2%}", *figures)
