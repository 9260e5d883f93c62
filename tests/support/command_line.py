"""The command line and the examples as a person runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner

import nas as package
from nas.cli import cli

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(Path(package.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
}
"""Finds the package that is tested, installed or not, from any directory."""


def nas(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """``nas`` with these arguments in the folder ``cwd``, in a process of its own."""
    return subprocess.run([sys.executable, "-m", "nas", *arguments], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)


def nas_here(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same in this process, which has imported torch and TVM already; for commands that start no workers and
    data that did not change since it was read here."""
    before = Path.cwd()
    os.chdir(cwd)
    try:
        result = CliRunner().invoke(cli, list(arguments), prog_name="nas")
    finally:
        os.chdir(before)
    return subprocess.CompletedProcess(["nas", *arguments], result.exit_code, result.stdout, result.stderr)


EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The script of this name with these arguments in the folder ``cwd``."""
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)


def read(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text())
