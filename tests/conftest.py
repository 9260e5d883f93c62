"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder with real data and reference networks (``NAS_SHARED_DIR``, or ``shared`` beside the checkout).

    Where it is absent the test is skipped, except under continuous integration, which requires it.
    """
    path = Path(os.environ.get("NAS_SHARED_DIR", Path(__file__).resolve().parents[2] / "shared"))
    if not path.is_dir():
        message = f"no reference data at {path} (set NAS_SHARED_DIR)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path
