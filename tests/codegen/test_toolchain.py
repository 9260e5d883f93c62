"""Builds for devices and for this machine."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from codegen import elf
from codegen.cores import CORES
from codegen.toolchain import OPTIMIZE, CompileError, ZigCompiler

SOURCE = """
#include <stdint.h>
#include <stddef.h>
#include "scale.h"
void *memcpy(void *, const void *, size_t);
const int32_t m_table[8] = {1, 2, 3, 4, 5, 6, 7, 8};
const int32_t m_unused_table[64] = {1};
int m_unused(int x) { return x * m_unused_table[x]; }
int64_t m_run(int8_t *arena, int64_t x) { memcpy(arena, arena + 64, (size_t)x); return m_table[x & 7] * SCALE / x; }
int m_sum(const int8_t *x) { int sum = 0; for (int i = 0; i < 100; i++) sum += x[i]; return sum; }
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "scale.h").write_text("#ifndef SCALE\n#define SCALE 3\n#endif\n")
    path = tmp_path / "model.c"
    path.write_text(SOURCE)
    return path


def link(
    source: Path, core: str = "cortex-m4", optimize: str = "balanced", output: str = "model.elf", **options: object
) -> elf.Elf:
    arguments: dict[str, object] = {"roots": ["m_run"], "include_dirs": [source.parent / "include"], **options}
    path = ZigCompiler().link([source], core=CORES[core], optimize=optimize, output=source.parent / output, **arguments)  # type: ignore[arg-type]
    return elf.read(path)


def test_identity_names_package_and_compiler() -> None:
    assert re.fullmatch(r"ziglang \d+\.\d+\.\d+\S*, clang \d+\.\d+\.\d+\S*", ZigCompiler().identity)


@pytest.mark.parametrize("optimize", OPTIMIZE)
@pytest.mark.parametrize("core", CORES)
def test_only_what_the_roots_reach_is_linked(core: str, optimize: str, source: Path) -> None:
    program = link(source, core, optimize)
    assert "m_run" in program.symbols
    assert not {"m_unused", "m_unused_table", "m_sum"} & set(program.symbols)
    assert program.constants >= 32
    assert program.static == 0
    assert program.undefined == ()
    assert {"memcpy", "__aeabi_ldivmod"} <= {name.rpartition(".")[2] for name in program.symbols}
    assert elf.forbidden_opcodes(program, CORES[core]) == ()
    assert min(s.address for s in program.segments) == 0x0800_0000


def test_levels_differ(source: Path) -> None:
    dot = "static int m_dot(const int8_t *x, int n) { int sum = 0; for (; n > 0; n--, x++) sum += *x * x[n]; return sum; }"
    calls = " + ".join(f"m_dot(x + {i}, x[{i}])" for i in range(4))
    source.write_text(f"{SOURCE}{dot} int m_dots(const int8_t *x) {{ return {calls}; }}")
    sizes = {level: link(source, optimize=level, roots=["m_dots"]).code for level in OPTIMIZE}
    assert sizes["size"] < sizes["speed"]  # which puts every call's body in place


def test_defines(source: Path) -> None:
    assert link(source).code != link(source, defines=["SCALE=1000003"]).code


def test_same_sources_same_program(source: Path) -> None:
    link(source, output="a.elf")
    link(source, output="b.elf")
    assert (source.parent / "a.elf").read_bytes() == (source.parent / "b.elf").read_bytes()


def test_static_variables_are_counted(source: Path) -> None:
    source.write_text(
        SOURCE + "int m_state[5]; int m_start[3] = {1, 2, 3}; int m_next(void) { return m_state[0]++ + m_start[1]++; }"
    )
    program = link(source, roots=["m_next"])
    assert (program.static, program.initial_data) == (32, 12)


@pytest.mark.parametrize(
    ("text", "roots", "message"),
    [
        ("int m_run(void) { return nowhere; }", ["m_run"], "undeclared identifier 'nowhere'"),
        ("int gone(void); int m_run(void) { return gone(); }", ["m_run"], "undefined symbol: gone"),
        ("int m_run(void) { return 0; }", ["m_run", "m_input"], "no source defines m_input"),
        ('#include "missing.h"', ["m_run"], "'missing.h' file not found"),
    ],
)
def test_errors_carry_the_compilers_message(text: str, roots: list[str], message: str, source: Path) -> None:
    source.write_text(text)
    with pytest.raises(CompileError, match=message):
        link(source, roots=roots)


def test_failed_build_leaves_the_output_as_it_was(source: Path) -> None:
    link(source)
    before = (source.parent / "model.elf").read_bytes()
    source.write_text("int m_run(void) { return nowhere; }")
    with pytest.raises(CompileError):
        link(source)
    assert (source.parent / "model.elf").read_bytes() == before


def test_nothing_is_left_behind(source: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path_factory.mktemp("cache")  # other tests build in the common one at the same time
    monkeypatch.setenv("NAS_CACHE_DIR", str(own))
    link(source)
    assert sorted(p.name for p in source.parent.iterdir()) == ["include", "model.c", "model.elf"]
    assert [p.name for p in own.iterdir()] == ["zig"]


def test_parallel_builds(source: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        programs = list(pool.map(lambda i: link(source, output=f"{i}.elf"), range(8)))
    assert len({(source.parent / f"{i}.elf").read_bytes() for i in range(8)}) == 1
    assert all("m_run" in p.symbols for p in programs)


def test_shared_library_for_this_machine(source: Path) -> None:
    path = ZigCompiler().build_host(
        [source], include_dirs=[source.parent / "include"], output=source.parent / "model.so", flags=["-shared", "-fPIC"]
    )
    library = ctypes.CDLL(str(path))
    assert library.m_sum(bytes([1] * 99 + [255])) == 98


def test_checked_executable_for_this_machine(tmp_path: Path) -> None:
    source = tmp_path / "main.c"
    source.write_text("int main(int n, char **v) { (void)v; return (2147483646 + n) > 0 ? 0 : 1; }")
    path = ZigCompiler().build_host(
        [source], output=tmp_path / "main", flags=["-fsanitize=undefined", "-fno-sanitize-recover=undefined"]
    )
    assert subprocess.run([path], check=False).returncode == 0
    done = subprocess.run([path, "one", "more"], check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "overflow" in done.stderr


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"NAS_CACHE_DIR": "{t}/chosen", "XDG_CACHE_HOME": "{t}/xdg"}, "chosen"),
        ({"XDG_CACHE_HOME": "{t}/xdg"}, "xdg/nas"),
        ({"HOME": "{t}/home"}, "home/.cache/nas"),
    ],
)
def test_cache_folder(variables: dict[str, str], expected: str, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("NAS_CACHE_DIR", "XDG_CACHE_HOME")}
    environment.update({k: v.format(t=tmp_path) for k, v in variables.items()})
    program = "from codegen.cache import cache_dir; print(cache_dir())"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == tmp_path / expected
    assert (tmp_path / expected).is_dir()
