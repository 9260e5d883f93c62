"""The fuzzer finds bugs that are seeded into a copy of the compiler."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from codegen.fuzzing.seeded_bugs import PACKAGE, SEEDED_BUGS, SeededBug, graphs_until_found

NAMES = [bug.name for bug in SEEDED_BUGS]


@pytest.mark.parametrize("bug", SEEDED_BUGS, ids=NAMES)
def test_a_bug_still_has_its_place_in_the_sources(bug: SeededBug, tmp_path: Path) -> None:
    (tmp_path / bug.file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(PACKAGE / bug.file, tmp_path / bug.file)
    bug.seed(tmp_path)
    assert (tmp_path / bug.file).read_text() != (PACKAGE / bug.file).read_text()
    if bug.old not in bug.new:
        with pytest.raises(ValueError, match="0 times"):
            bug.seed(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["ties of negative sums rounded upwards", "memory given away while its last reader runs", "last of equal maxima"],
)
def test_a_seeded_bug_is_found(name: str) -> None:
    bug = SEEDED_BUGS[NAMES.index(name)]
    assert graphs_until_found(bug, seed=1, most=60) is not None
