"""Reading linked programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from assembly import build, build_c, function

from codegen.elf import read

TABLE = """
#include <stdint.h>
const int16_t m_table[10] = {1, 2, 3};
int8_t *m_tensor(void *a) { return a; }
int m_run(int8_t *a) { return m_table[a[0]]; }
"""


def test_sizes(tmp_path: Path) -> None:
    program = read(build_c(tmp_path, TABLE))
    assert program.constants == 20
    assert program.static == 0
    assert sum(end - start for start, end in program.text) == program.code
    assert program.symbols["m_table"].size == 20
    assert not program.symbols["m_table"].is_function


def test_loaded_bytes(tmp_path: Path) -> None:
    program = read(build_c(tmp_path, TABLE))
    assert program.read(program.symbols["m_table"].address, 6) == bytes([1, 0, 2, 0, 3, 0])
    with pytest.raises(ValueError, match="nothing is loaded at 0x20000000"):
        program.read(0x2000_0000, 1)


def test_functions_by_address(tmp_path: Path) -> None:
    program = read(build(tmp_path, "nop", functions=function("m_other", "nop\nbx lr")))
    start = program.symbols["m_run"].address
    assert start % 2 == 0
    assert program.function_at(start) == "m_run"
    assert program.function_at(start + 4) == "m_run"
    assert program.function_at(0x2000_0000) == "0x20000000"


def test_literal_pools_are_no_instructions(tmp_path: Path) -> None:
    program = read(build(tmp_path, "ldr r1, =0x12345678\nb 1f\n.ltorg\n1:"))
    start = program.symbols["m_run"].address
    assert [(low - start, high - start) for name, low, high in program.code_ranges() if name == "m_run"] == [(0, 4), (8, 12)]


@pytest.mark.parametrize("content", [b"", b"not a program", b"\x7fELF" + bytes(60)])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.elf"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.elf: "):
        read(path)
