"""What was promised of every finalist before it was trained, beside what its built program does.

Run it as ``python scripts/list_promises.py RUN [RUN ...]`` with directories of finished searches, for example those that
``scripts/bench_data.py --out DIR`` leaves. Finalists are called by the beginning of their architecture's id.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nas
from codegen.errors import UserError

COLUMNS = ("run", "finalist", "arena", "RAM at most", "built", "flash", "built", "cycles", "built")


def rows(run: nas.Run) -> Iterator[tuple[str, ...]]:
    """A row for each finalist of a finished run, board by board: figures predicted, with their interval where they have one, and
    built.

    :raises UserError: if the search has not ended.
    """
    reports = run.figures.get("boards", {"": run.figures})
    for board, finalist in ((board, finalist) for board, report in reports.items() for finalist in report["finalists"]):
        predicted, built = finalist["predicted"], finalist["built"]
        arenas = (predicted["ram"]["arena"], built["ram"]["arena"])
        yield (
            f"{run.path.name} {board}".rstrip(),
            finalist["architecture"][:6],
            f"{arenas[0]:,}" if arenas[0] == arenas[1] else f"{arenas[0]:,}, but built {arenas[1]:,}",
            f"{predicted['ram']['total']:,}",
            f"{built['ram']['total']:,}",
            _estimate(predicted["flash"]),
            f"{built['flash']['total']:,}",
            _estimate(predicted["cycles"]),
            f"{built['cycles']:,.0f}",
        )


def _estimate(interval: Mapping[str, Any]) -> str:
    return f"{interval['value']:,.0f} ({interval['low']:,.0f} to {interval['high']:,.0f})"


def main() -> int:
    """Parse arguments, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    options = parser.parse_args()
    try:
        listed = [row for path in options.runs for row in rows(nas.load_run(path))]
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"| {' | '.join(COLUMNS)} |")
    print("|---" * len(COLUMNS) + "|")
    for row in listed:
        print(f"| {' | '.join(row)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
