"""Packages that need each other."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("name", ["codegen.features", "codegen.project", "codegen.streaming", "codegen.verify"])
def test_each_may_be_the_first_to_be_imported(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
