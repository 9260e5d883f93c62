"""Data sets by name or path. The train and the test part come from different functions: a search calls only :func:`load_train`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

from codegen.errors import UserError
from nas.datasets import digits
from nas.datasets._base import Dataset, Groups, Kind, Normalization
from nas.datasets.reading import Reading
from nas.datasets.splits import VALIDATION_FRACTION, Split, split_validation

_LOADERS: dict[str, Callable[[], tuple[Dataset, Dataset]]] = {"digits": digits.load}


def is_path(data: str) -> bool:
    """Whether ``data`` is the path of a person's data rather than the name of a data set that ships."""
    return data not in _LOADERS


def name_of(data: str) -> str:
    """What reports and directories call the data: its name, or the path's last part without the ending of a file."""
    if not is_path(data):
        return data
    path = Path(data)
    return (path.name if path.is_dir() else path.stem) or "data"


def check_data(data: str) -> None:
    """Check that ``data`` is the name of a data set that ships or a path where something is.

    :raises UserError: if it is neither.
    """
    if is_path(data) and not os.path.exists(data):
        near = difflib.get_close_matches(data, _LOADERS, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise UserError(f"--data {data}: no such file or folder, nor a data set that ships ({', '.join(sorted(_LOADERS))}){hint}")


def _load(data: str, reading: Reading, *, test: bool) -> Dataset:
    check_data(data)
    if not is_path(data):
        return _LOADERS[data]()[test]
    from nas.datasets.collection import open_collection

    return open_collection(data, reading).dataset(test=test)


def load_train(data: str, reading: Reading | None = None) -> Dataset:
    """The part to search, train and validate on, of a data set that ships or of the data at a path.

    :raises UserError: if there is none, or it cannot be read.
    """
    return _load(data, reading or Reading(), test=False)


def load_test(data: str, reading: Reading | None = None) -> Dataset:
    """The part for the final measurement of a chosen network, and for nothing else.

    :raises UserError: as :func:`load_train`.
    """
    return _load(data, reading or Reading(), test=True)


__all__ = [
    "VALIDATION_FRACTION",
    "Dataset",
    "Groups",
    "Kind",
    "Normalization",
    "Reading",
    "Split",
    "check_data",
    "is_path",
    "load_test",
    "load_train",
    "name_of",
    "split_validation",
]
