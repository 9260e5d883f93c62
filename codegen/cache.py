"""Where files that can be made again are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """The user's cache folder for this product, created if missing.

    ``NAS_CACHE_DIR`` wins, then ``XDG_CACHE_HOME``/nas, then ``~/.cache/nas``. Several processes may use it at once; it can be
    deleted at any time when none runs.
    """
    chosen = os.environ.get("NAS_CACHE_DIR")
    if chosen:
        path = Path(chosen)
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        path = (Path(base) if base else Path.home() / ".cache") / "nas"
    path.mkdir(parents=True, exist_ok=True)
    return path
