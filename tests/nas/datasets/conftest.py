"""What tests of data sets share: a cache of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nas.datasets import collection


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder, and nothing remembered of data that was opened before."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("NAS_CACHE_DIR", str(folder))
    collection._open.cache_clear()
    yield folder
    collection._open.cache_clear()
