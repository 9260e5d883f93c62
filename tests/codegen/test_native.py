"""C files of the package as shared libraries of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.native import load_native
from codegen.toolchain import CompileError


def test_a_file_is_built_once_per_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path / "cache"))
    source = tmp_path / "answer.c"
    source.write_text("int answer(void) { return 42; }\n")
    assert load_native(source).answer() == 42
    (built,) = (tmp_path / "cache").glob("answer-*.so")
    made = built.stat().st_mtime_ns
    load_native.cache_clear()  # as in another process
    assert load_native(source).answer() == 42
    assert built.stat().st_mtime_ns == made
    load_native.cache_clear()
    source.write_text("int answer(void) { return 43; }\n")
    assert load_native(source).answer() == 43
    assert len(list((tmp_path / "cache").glob("answer-*.so"))) == 2


def test_a_file_that_is_no_c_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path / "cache"))
    source = tmp_path / "broken.c"
    source.write_text("int answer(void) {\n")
    with pytest.raises(CompileError, match=r"broken\.c"):
        load_native(source)
