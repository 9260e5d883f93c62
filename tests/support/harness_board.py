"""The measuring harness on boards that QEMU emulates, at the other end of a pseudo-terminal."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path

from projects import required_tool

from codegen.boards import Board, load_board
from codegen.harness import write_firmware

MACHINES = {"cortex-m4": "mps2-an386", "cortex-m0plus": "mps2-an386", "cortex-m7": "mps2-an500"}
"""Core → QEMU's machine that executes its code; UART, code and data lie at one place on both."""
TICKS_PER_INSTRUCTION = 1.6
"""QEMU is told that each instruction takes 64 ns (``-icount shift=6``), and SysTick counts at 25 MHz."""

_BOARD_FILE = """
format = 2
name = "{machine}"
description = "Arm's MPS2, emulated by QEMU"
core = "{core}"
clock_hz = 25_000_000
source = "Arm AN386 and AN500, section 3"
[[memory]]
name = "SSRAM2 and SSRAM3"
kind = "ram"
address = 0x2000_0000
bytes = 4_194_304
[[memory]]
name = "SSRAM1"
kind = "flash"
address = 0x0000_0000
bytes = 4_194_304
[memory.stall]
per_cycle = 0.0
per_flash_byte = 0.0
uncertainty = 0.45
source = "none: emulated"
"""


def board_file(directory: Path, core: str = "cortex-m4") -> Path:
    """A user's own board file for the machine that executes code of ``core``."""
    path = directory / f"{core}.toml"
    path.write_text(_BOARD_FILE.format(machine=MACHINES[core], core=core))
    return path


def board(directory: Path, core: str = "cortex-m4") -> Board:
    """That file, read."""
    return load_board(str(board_file(directory, core)))


def qemu_uart() -> Path:
    """The C file that drives the UART of QEMU's machines."""
    return Path(str(resources.files("codegen.harness").joinpath("firmware", "uarts", "mps2-an386.c")))


@cache
def firmware(directory: Path, core: str) -> Path:
    """The harness, built once in ``directory``."""
    program, _ = write_firmware(board(directory, core), directory / core, uart=qemu_uart())
    return program


@contextmanager
def running(program: Path, machine: str = "mps2-an386") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A board with ``program`` in its flash; yields the path of its serial port and QEMU's process."""
    command = [required_tool("qemu-system-arm"), "-M", machine, "-display", "none", "-monitor", "none", "-serial", "pty"]
    command += ["-icount", "shift=6", "-kernel", str(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(r"/dev/\S+", said)
            assert found, said
            yield found[0], process
        finally:
            process.kill()
