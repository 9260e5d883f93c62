"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from real_data import unpack

Unpack = Callable[[str], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first, those with most of them before others: one that begins last keeps a single process busy."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Trainings in the tests' own process as workers have them: more threads change the order of sums."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder with real data and reference networks (``NAS_SHARED_DIR``, or ``shared`` beside the checkout).

    Where it is absent the test is skipped, except under continuous integration, which requires it.
    """
    path = Path(os.environ.get("NAS_SHARED_DIR", Path(__file__).resolve().parents[2] / "shared"))
    if not path.is_dir():
        _absent(f"no reference data at {path} (set NAS_SHARED_DIR)")
    return path


def _absent(message: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """Folder with real data sets (``NAS_DATA_DIR``, or ``data`` in :func:`shared_dir`); absent, it is as with that."""
    chosen = os.environ.get("NAS_DATA_DIR")
    path = Path(chosen) if chosen else request.getfixturevalue("shared_dir") / "data"
    if not path.is_dir():
        _absent(f"no data sets at {path} (set NAS_DATA_DIR)")
    return path


@pytest.fixture(scope="session")
def unpacked(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Unpack:
    """Unpacks the archive of a folder of :func:`data_dir`, once, and gives the folder that is in it."""
    done: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in done:
            (archive,) = (data_dir / name).glob("*.tar*")
            target = tmp_path_factory.mktemp(name)
            unpack(archive, target)
            (done[name],) = target.iterdir()
        return done[name]

    return folder_of
