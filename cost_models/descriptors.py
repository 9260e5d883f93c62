"""What a compiler sees of a spec: every number that becomes a constant of the generated code.

How many bytes a function takes, and how far its cycles are from the sum of its loops, depends on which loops are unrolled, which
rests are left and which registers are spilled. All of that is decided by the numbers here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

_NAMED = ".name="


def descriptors(spec: Hashable, work: Mapping[str, float]) -> dict[str, float]:
    """Named numbers of a spec: its fields and integer properties (nested ones by dotted names), the rests of division by 4 of those
    that are sizes, words as ``name=word``, and which of the loops in ``work`` there are.
    """
    values: dict[str, float] = {f"has {name}": 1.0 for name, count in work.items() if count}
    for name, value in _numbers("", spec):
        values[name] = value
        if _has_rest(value):
            values[name + " % 4"] = value % 4
    return values


def leaves_rest(described: Mapping[str, float]) -> bool:
    """Whether the channels under a window do not fill words of four: code for single ones stands beside that for words then."""
    return described.get("window.channels", 0.0) % 4 != 0


def shared_functions(described: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """The functions that layers share and that these descriptors name, each with the descriptors of it alone.

    A spec's property with a ``name`` stands for one that every layer with this property calls: ``shared.name=planes_1_6`` beside
    ``shared.width``.
    """
    found = {}
    for sign in described:
        if _NAMED in sign:
            owner, _, name = sign.partition(_NAMED)
            found[name] = {key: value for key, value in described.items() if key.startswith(owner + ".") and key != sign}
    return found


def zero_point_descriptors(zero_points: Iterable[tuple[str, int]]) -> dict[str, float]:
    """The :func:`descriptors` of these fields; 0 stands for one that there is none of."""
    values: dict[str, float] = {}
    for name, value in zero_points:
        values[name] = float(value)
        values[name + " % 4"] = float(value % 4) if _has_rest(value) else 0.0
    return values


def _has_rest(value: float) -> bool:
    return value > 4 and value == int(value)


def _numbers(prefix: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, bool | int | float):
        yield prefix, float(value)
    elif isinstance(value, str):
        yield f"{prefix}={value}", 1.0
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _numbers(f"{prefix}.{index}" if prefix else str(index), item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for name in _names(type(value)):
            yield from _numbers(f"{prefix}.{name}" if prefix else name, getattr(value, name))


@cache
def _names(kind: type) -> tuple[str, ...]:
    """Fields and properties of a spec's class."""
    fields = [field.name for field in dataclasses.fields(kind)]
    return (*fields, *sorted(name for name in dir(kind) if isinstance(getattr(kind, name), property)))
