"""Numbers, arrays and comments as C text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WIDTH = 120
_SHORTEST_ROW = 8
_INT32_MIN = -(2**31)

C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "float32": "float",
}
"""C type of each numpy dtype that may occur in a project."""


def float_literal(value: float) -> str:
    """The shortest decimal that reads back as this float32, with its suffix."""
    text = str(np.float32(value))
    return (text if any(c in text for c in ".en") else text + ".0") + "f"


def shape_text(shape: Sequence[int]) -> str:
    """``1x8x8x3``."""
    return "x".join(map(str, shape))


def comment_text(text: str) -> str:
    """Any text, made harmless inside a C comment and kept to one line."""
    printable = "".join(c if " " <= c <= "~" else "?" for c in text)
    return printable.replace("*/", "*?").replace("/*", "/?")


def _literal(value: Any, dtype: str) -> str:
    if dtype == "float32":
        return float_literal(value)
    if value == _INT32_MIN:
        return "(-2147483647 - 1)"  # 2147483648 alone is no int, so its negative is none either
    return f"{value}u" if dtype == "uint32" else str(value)


def _wrap(items: Iterable[str], indent: str) -> list[str]:
    lines: list[str] = []
    line = indent
    for item in items:
        if len(line) + len(item) + 2 > _WIDTH and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += item + ", "
    lines.append(line.rstrip())
    return lines


def initializer(array: NDArray[Any], indent: str = "    ") -> str:
    """The elements of an array between braces, a line (or several) for each index of its leading axes."""
    row = array.shape[-1] if array.ndim > 1 and array.shape[-1] >= _SHORTEST_ROW else array.size
    literals = [_literal(value, array.dtype.name) for value in array.reshape(-1).tolist()]
    lines: list[str] = []
    for start in range(0, len(literals), max(row, 1)):
        lines += _wrap(literals[start : start + row], indent)
    return "{\n" + "\n".join(lines) + "\n" + indent[4:] + "}"
