"""Data sets by name. The train and the test part come from different functions: a search calls only :func:`load_train`."""

from __future__ import annotations

from collections.abc import Callable

from codegen.errors import UserError
from nas.datasets import digits
from nas.datasets._base import Dataset, split_validation

_LOADERS: dict[str, Callable[[], tuple[Dataset, Dataset]]] = {"digits": digits.load}


def _load(name: str) -> tuple[Dataset, Dataset]:
    if name not in _LOADERS:
        raise UserError(f"unknown data set {name!r}; known: {', '.join(sorted(_LOADERS))}")
    return _LOADERS[name]()


def load_train(name: str) -> Dataset:
    """The part to search, train and validate on.

    :raises UserError: for an unknown name.
    """
    return _load(name)[0]


def load_test(name: str) -> Dataset:
    """The part for the final measurement of a chosen network, and for nothing else.

    :raises UserError: for an unknown name.
    """
    return _load(name)[1]


__all__ = ["Dataset", "load_test", "load_train", "split_validation"]
