"""Columns of text under each other."""

from __future__ import annotations

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], alignment: str) -> list[str]:
    """Rows of cells as lines; ``alignment`` holds ``l`` or ``r`` for each column."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(alignment))]
    pad = {"l": str.ljust, "r": str.rjust}

    def line(row: Sequence[str]) -> str:
        return "  ".join(pad[side](cell, width) for cell, width, side in zip(row, widths, alignment, strict=True)).rstrip()

    return [line(row) for row in rows]
