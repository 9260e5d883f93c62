"""Arguments of the Python API, read by the parsers of the command line, and its messages, which name arguments and not options."""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from codegen.errors import UserError
from nas.units import parse_count, parse_duration, parse_size

if TYPE_CHECKING:
    from codegen.boards import Board

Size: TypeAlias = "int | str"
"""Bytes, or text like ``"64KB"`` (1 KB is 1,024 bytes)."""
Duration: TypeAlias = "float | str"
"""Seconds, or text with a unit like ``"50ms"``."""
Count: TypeAlias = "int | str"
"""A number, or text like ``"2.7M"``."""
AnyPath: TypeAlias = "str | os.PathLike[str]"
BoardLike: TypeAlias = "str | os.PathLike[str] | Board"
"""A board's name, the path of a board file, or a board of :func:`nas.boards`."""

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")
Given = TypeVar("Given")
_OPTION = re.compile(r"(?<![\w-])--([a-z]+(?:-[a-z]+)*)")


def naming_arguments(**renamed: str) -> Callable[[Callable[Parameters, Returned]], Callable[Parameters, Returned]]:
    """A function with errors that name arguments (``ray_address``) where the command line names options (``--ray-address``).

    :param renamed: arguments that are called otherwise than the options, by the options' names.
    """

    def decorate(function: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
        @functools.wraps(function)
        def call(*arguments: Parameters.args, **named: Parameters.kwargs) -> Returned:
            try:
                return function(*arguments, **named)
            except UserError as error:
                raise type(error)(_OPTION.sub(argument, str(error))) from error.__cause__

        return call

    def argument(option: re.Match[str]) -> str:
        name = option[1].replace("-", "_")
        return renamed.get(name, name)

    return decorate


def size(name: str, value: Size | None) -> int | None:
    """Bytes of an argument.

    :raises UserError: naming it.
    """
    return None if value is None else _parsed(name, parse_size, str(value))


def count(name: str, value: Count | None) -> int | None:
    """A number of an argument.

    :raises UserError: naming it.
    """
    return None if value is None else _parsed(name, parse_count, str(value))


def duration(name: str, value: Duration | None) -> float | None:
    """Seconds of an argument.

    :raises UserError: naming it.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not 0 < value < math.inf:
            raise UserError(f"{name} {value}: give a positive number of seconds, or text like '50ms'")
        return float(value)
    return None if value is None else _parsed(name, parse_duration, str(value))


def board_name(board: BoardLike) -> str:
    """A board's name or path."""
    return os.fspath(board) if isinstance(board, (str, os.PathLike)) else board.name


def board_names(boards: BoardLike | Sequence[BoardLike]) -> list[str]:
    """Names or paths of one board or several."""
    if isinstance(boards, Sequence) and not isinstance(boards, str):
        return [board_name(board) for board in boards]
    return [board_name(boards)]


def limits(budget: Size | None, flash: Size | None, latency: Duration | None, macs: Count | None) -> dict[str, Any]:
    """The arguments of that name for :func:`nas.limits.make_limits`.

    :raises UserError: naming the first that is bad.
    """
    return {
        "budget": size("budget", budget),
        "flash": size("flash", flash),
        "latency": duration("latency", latency),
        "macs": count("macs", macs),
    }


def as_path(given: Given | str | os.PathLike[str]) -> Given | Path:
    """What is given, but text as a path."""
    return Path(given) if isinstance(given, (str, os.PathLike)) else given


def _parsed(name: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from None
