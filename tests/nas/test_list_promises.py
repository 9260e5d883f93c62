"""``scripts/list_promises.py`` on a run of the real thing."""

from __future__ import annotations

import pytest
from list_promises import COLUMNS, rows

import nas
from nas.run_directory import RunDirectory

pytestmark = pytest.mark.slow


def test_every_finalist_has_a_row_of_what_was_promised_and_built(finished: RunDirectory) -> None:
    run = nas.load_run(finished.path)
    found = list(rows(run))
    assert len(found) == len(run.figures["finalists"]) > 1
    assert all(len(row) == len(COLUMNS) and row[0] == finished.path.name for row in found)
    assert not any("but built" in row[2] for row in found)
    built = run.winner.built
    assert (f"{built.ram.total:,}", f"{built.flash.total:,}") in [(row[4], row[6]) for row in found]
