"""The command line and the examples in processes of their own, as a person runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nas as package

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(Path(package.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
}
"""Finds the package that is tested, installed or not, from any directory."""


def nas(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """``nas`` with these arguments in the folder ``cwd``."""
    return subprocess.run([sys.executable, "-m", "nas", *arguments], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)


EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The script of this name with these arguments in the folder ``cwd``."""
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True)


def read(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text())
