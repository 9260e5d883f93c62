"""A directory that is written whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from codegen.errors import UserError
from codegen.new_directory import new_directory


def write(target: Path, error: Exception | None = None, *, in_the_way: bool = False) -> None:
    with new_directory(target, "--out") as temporary:
        (temporary / "half").write_text("half")
        if in_the_way:
            target.mkdir()
            (target / "other").write_text("")
        if error is not None:
            raise error


def test_it_appears_when_all_is_written(tmp_path: Path) -> None:
    write(tmp_path / "new" / "out")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]
    assert (tmp_path / "new" / "out" / "half").read_text() == "half"


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        write(tmp_path / "out", RuntimeError())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_that_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--out .*out: cannot be written \(No space left on device\); nothing was left behind$"):
        write(tmp_path / "out", OSError(errno.ENOSPC, "No space left on device"))
    assert list(tmp_path.iterdir()) == []


def test_what_came_there_in_the_meantime_stays(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--out .*out: cannot be written"):
        write(tmp_path / "out", in_the_way=True)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "other"]
