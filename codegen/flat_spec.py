"""Specs as flat tuples, for whoever keeps very many: Python's garbage collector leaves tuples of plain numbers alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator
from functools import cache
from operator import attrgetter
from typing import Any, get_type_hints


def flat(spec: Hashable) -> tuple[Any, ...]:
    """The fields of a dataclass, those that are dataclasses replaced by theirs. Specs of a class are equal where these are."""
    return _reader(type(spec))(spec)


@cache
def _reader(kind: type) -> Callable[[Any], tuple[Any, ...]]:
    paths = list(_paths(kind, ""))
    read = attrgetter(*paths)
    return read if len(paths) > 1 else lambda spec: (read(spec),)


def _paths(kind: type, prefix: str) -> Iterator[str]:
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        declared, path = hints[field.name], prefix + field.name
        if isinstance(declared, type) and dataclasses.is_dataclass(declared):
            yield from _paths(declared, path + ".")
        else:
            yield path
