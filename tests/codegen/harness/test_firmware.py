"""The harness as a program to flash."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from harness_board import board, qemu_uart
from projects import STRICT, required_tool, run_tool

from codegen import elf
from codegen.boards import load_board
from codegen.errors import UserError
from codegen.harness import uart_names, write_firmware


@pytest.mark.parametrize("name", [name for name in uart_names() if name.startswith("nucleo")])
def test_firmware_of_a_catalogue_board_begins_with_its_vectors(name: str, tmp_path: Path) -> None:
    target = load_board(name)
    program, image = write_firmware(target, tmp_path / "fw")
    stack_top, reset = struct.unpack("<II", image.read_bytes()[:8])
    symbols = elf.read(program).symbols
    assert stack_top == target.ram.end
    assert reset == symbols["reset_handler"].address | 1
    assert target.flash.address <= symbols["main"].address < target.flash.address + len(image.read_bytes())
    assert {p.name for p in (tmp_path / "fw").iterdir()} >= {"harness.c", "uart.c", "uart.h", "startup.c", "linker.ld", "config.h"}


def test_two_builds_give_one_program(tmp_path: Path) -> None:
    target = load_board("nucleo-l4r5zi")
    _, first = write_firmware(target, tmp_path / "a")
    _, second = write_firmware(target, tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus", "cortex-m7"])
def test_gcc_has_nothing_to_say_about_it(core: str, tmp_path: Path) -> None:
    gcc = required_tool("arm-none-eabi-gcc")
    write_firmware(board(tmp_path, core), tmp_path / "fw", uart=qemu_uart())
    for source in sorted((tmp_path / "fw").glob("*.c")):
        run_tool([gcc, f"-mcpu={core}", "-mthumb", "-O2", *STRICT, "-c", source, "-o", tmp_path / "x.o"])


def test_a_board_whose_serial_line_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"serial line of rpi-pico is not known \(known: mps2-an386, nucleo-.*--uart FILE"):
        write_firmware(load_board("rpi-pico"), tmp_path / "fw")
    assert not list(tmp_path.iterdir())


def test_a_uart_file_that_does_not_compile(tmp_path: Path) -> None:
    (tmp_path / "mine.c").write_text('#include "uart.h"\nvoid uart_init(void) { nonsense }\n')
    with pytest.raises(UserError, match=r"does not compile for rpi-pico .*mine\.c.*: .*error") as caught:
        write_firmware(load_board("rpi-pico"), tmp_path / "fw", uart=tmp_path / "mine.c")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"none\.c: cannot be read"):
        write_firmware(load_board("rpi-pico"), tmp_path / "fw", uart=tmp_path / "none.c")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.c"]


def test_a_directory_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    with pytest.raises(UserError, match="not empty"):
        write_firmware(load_board("nucleo-l4r5zi"), tmp_path)
