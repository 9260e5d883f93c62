"""Compiled test networks, and the compilers and tools that tests build their projects with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from graphs import NETWORKS

from codegen.boards import load_board
from codegen.compile import CompiledModel, compile_graph
from codegen.cores import find_core
from codegen.optimize import Optimize
from codegen.project import write_project

STRICT = ("-std=c99", "-ffreestanding", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wcast-align", "-Werror")
"""The warnings that a project promises to be free of."""
BOARDS = {
    "cortex-m4": "nucleo-l4r5zi",
    "cortex-m3": "nucleo-f103rb",
    "cortex-m0plus": "nucleo-g0b1re",
    "cortex-m33": "nucleo-u575zi-q",
    "cortex-m7": "nucleo-h743zi",
}
"""A board for each core."""


@cache
def compiled(network: str, core: str = "cortex-m4", optimize: Optimize = "balanced") -> CompiledModel:
    """One of :data:`graphs.NETWORKS`, compiled once per session."""
    return compile_graph(NETWORKS[network](network), find_core(core), optimize=optimize)


def export(network: str, directory: Path, core: str = "cortex-m4", optimize: Optimize = "balanced") -> Path:
    """The C project of a network in ``directory/<network>``."""
    target = directory / network
    write_project(compiled(network, core, optimize), target, board=load_board(BOARDS[core]), report={})
    return target


def zig(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the packaged compiler."""
    return subprocess.run([sys.executable, "-m", "ziglang", *map(str, arguments)], capture_output=True, text=True, check=False)


def required_tool(name: str) -> str:
    """Path of a program; the test is skipped where it is missing, except under continuous integration, which requires it."""
    path = shutil.which(name)
    if path is None:
        message = f"{name} is not installed"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def run_tool(arguments: Sequence[str | Path], cwd: Path | None = None) -> str:
    """Run a program that must succeed; returns what it printed."""
    done = subprocess.run([str(a) for a in arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def sources(project: Path) -> list[Path]:
    """The C sources of a project's model."""
    return sorted((project / "src").glob("*.c"))
