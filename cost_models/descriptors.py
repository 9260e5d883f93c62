"""What a compiler sees of a spec: every number that becomes a constant of the generated code.

How many bytes a function takes, and how far its cycles are from the sum of its loops, depends on which loops are unrolled, which
rests are left and which registers are spilled. All of that is decided by the numbers here.

Zero points of requantised layers are left out: training makes them, so shapes do not have them, and hardly anything depends
on them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from operator import attrgetter
from typing import Any

_NAMED = ".name="
_NAME: re.Pattern[str] = re.compile(re.escape(_NAMED) + "(.*)")
_REST = " % 4"
_MADE_BY_TRAINING = "zero_point"
"""The field that is left out, of a spec and of its requantisation."""


def descriptors(spec: Hashable, work: Mapping[str, float]) -> dict[str, float]:
    """Named numbers of a spec: its fields and integer properties (nested ones by dotted names), the rests of division by 4 of those
    that are sizes, words as ``name=word``, and which of the loops in ``work`` there are.
    """
    values: dict[str, float] = {f"has {name}": 1.0 for name, count in work.items() if count}
    _describe(spec, "", values)
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


def shared_names(described: Mapping[str, float]) -> list[str]:
    """The names of the :func:`shared_functions`, in their order."""
    return _NAME.findall("\n".join(described))


def _has_rest(value: float) -> bool:
    return value > 4 and value == int(value)


def _describe(spec: Any, prefix: str, values: dict[str, float]) -> None:
    """Add the numbers of a dataclass whose names begin with ``prefix``."""
    kind: type = type(spec)
    read, names = _attributes(kind, prefix)
    for name, value in zip(names, read(spec), strict=True):
        if type(value) is int:
            values[name] = float(value)
            if value > 4:
                values[name + _REST] = float(value % 4)
        elif type(value) is tuple:
            _describe_items(value, name, values)
        elif value is not None:
            _describe_value(value, name, values)


def _describe_items(items: tuple[Any, ...], name: str, values: dict[str, float]) -> None:
    for index, value in enumerate(items):
        if type(value) is int:
            place = f"{name}.{index}"
            values[place] = float(value)
            if value > 4:
                values[place + _REST] = float(value % 4)
        else:
            _describe_value(value, f"{name}.{index}", values)


def _describe_value(value: Any, name: str, values: dict[str, float]) -> None:
    if isinstance(value, bool | int | float):
        values[name] = float(value)
        if _has_rest(value):
            values[name + _REST] = float(value % 4)
    elif isinstance(value, str):
        values[f"{name}={value}"] = 1.0
    elif isinstance(value, tuple):
        _describe_items(value, name, values)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _describe(value, name + ".", values)


@cache
def _attributes(kind: type, prefix: str) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[str, ...]]:
    """What reads all fields and properties of a spec's class at once, and their names with the prefix."""
    fields = [field.name for field in dataclasses.fields(kind) if field.name != _MADE_BY_TRAINING]
    names = (*fields, *sorted(name for name in dir(kind) if isinstance(getattr(kind, name), property)))
    read = attrgetter(*names)
    return read if len(names) > 1 else lambda spec: (read(spec),), tuple(prefix + name for name in names)
