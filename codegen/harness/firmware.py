"""The harness as a small C project and as a program to flash: ``nas calibrate --firmware``."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from codegen import elf
from codegen.boards import Board
from codegen.c_text import comment_text
from codegen.cores import CORES
from codegen.errors import UserError
from codegen.new_directory import check_new_directory, new_directory
from codegen.project.templates import render
from codegen.toolchain import CompileError, ZigCompiler

STACK_BYTES = 8192
"""Stack of the harness and of the programs that it runs, at the end of the board's RAM region."""
_WITH_CACHES = ("cortex-m7",)


def uart_names() -> tuple[str, ...]:
    """Boards whose serial line the package knows, sorted."""
    files = resources.files("codegen.harness").joinpath("firmware", "uarts").iterdir()
    return tuple(sorted(f.name.removesuffix(".c") for f in files if f.name.endswith(".c")))


def write_firmware(board: Board, directory: Path, *, uart: Path | None = None) -> tuple[Path, Path]:
    """Write the harness's sources for ``board`` into ``directory``, which must not exist or be empty, and build them.

    :param uart: C file that drives the board's serial line (see ``uart.h``); the package's own if not given.
    :returns: the program as ELF and as a raw image for the start of the board's flash region.
    :raises UserError: if the board's serial line is not known and no file is given, the file does not compile, or the directory
        cannot be written. Nothing is left behind then.
    """
    check_new_directory(directory)
    files = _files(board, _uart_source(board, uart))
    with new_directory(directory) as staging:
        for name, text in files.items():
            (staging / name).write_text(text, encoding="utf-8", newline="\n")
        _build(board, staging, uart)
    return directory / "harness.elf", directory / "harness.bin"


def _uart_source(board: Board, uart: Path | None) -> str:
    if uart is not None:
        try:
            return uart.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise UserError(f"--uart {uart}: cannot be read ({reason})") from None
    if board.name not in uart_names():
        raise UserError(
            f"--firmware: the serial line of {board.name} is not known (known: {', '.join(uart_names())}); "
            f"write it as docs/calibration.md says and give it with --uart FILE"
        )
    return _text(f"uarts/{board.name}.c")


def _text(name: str) -> str:
    return resources.files("codegen.harness").joinpath("firmware", *name.split("/")).read_text(encoding="utf-8")


def _files(board: Board, uart: str) -> dict[str, str]:
    code, data = board.flash, board.ram
    return {
        "harness.c": _text("harness.c"),
        "uart.h": _text("uart.h"),
        "uart.c": uart,
        "config.h": _config(board),
        "cycle_counter.h": render("cycle_counter.h"),
        "startup.c": render("startup.c", systick_handler="systick_handler"),
        "linker.ld": render(
            "linker.ld",
            board=comment_text(board.description),
            code=f"{code.address:#010x}",
            code_bytes=code.bytes,
            data=f"{data.address:#010x}",
            data_bytes=data.bytes,
        ),
    }


def _config(board: Board) -> str:
    return (
        "/* SPDX-License-Identifier: Apache-2.0 */\n"
        f"/* The harness on {comment_text(board.description)}. Generated, do not edit. */\n"
        f'#define HARNESS_CORE "{board.core}"\n'
        f'#define HARNESS_BOARD "{board.name}"\n'
        f"#define HARNESS_STACK_BYTES {STACK_BYTES}u\n"
        f"#define HARNESS_CACHES {int(board.core in _WITH_CACHES)}\n"
    )


def _build(board: Board, directory: Path, uart: Path | None) -> None:
    script = (directory / "linker.ld").read_text(encoding="utf-8")
    try:
        ZigCompiler().link(
            [directory / name for name in ("startup.c", "harness.c", "uart.c")],
            include_dirs=[directory],
            core=CORES[board.core],
            optimize="balanced",
            roots=["reset_handler"],
            output=directory / "harness.elf",
            script=script,
        )
    except CompileError as error:
        first = next((line for line in str(error).splitlines() if "error" in line), str(error).splitlines()[0])
        file = uart or "its own UART file"
        raise UserError(f"--firmware: the harness does not compile for {board.name} ({file}): {first}") from None
    (directory / "harness.bin").write_bytes(_image(directory / "harness.elf", board))


def _image(program: Path, board: Board) -> bytes:
    """What flash holds, from its first byte on: code, constants and the initial values of variables."""
    image = bytearray()
    for address, data in elf.load_image(program):
        offset = address - board.flash.address
        image.extend(b"\xff" * (offset + len(data) - len(image)))
        image[offset : offset + len(data)] = data
    return bytes(image)
