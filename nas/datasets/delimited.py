"""Text files of numbers: which separator, whether there is a header, which column is the time and which the label."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

LABELS = ("label", "class", "target", "activity", "category", "anomaly")
MORE_LABELS = ("species", "outcome", "y")
"""Names of label columns that mean something else in recordings."""
SECOND_LABELS = ("changepoint",)
"""Columns that tell of labels; never a channel."""
_TIME = re.compile(
    r"^(t|time|times|timestamp|timestamps|datetime|date|epoch|elapsed|seconds|millis|milliseconds)(?![a-z])", re.IGNORECASE
)
_UNITS = {
    "s": 1.0,
    "sec": 1.0,
    "seconds": 1.0,
    "ms": 1e-3,
    "millis": 1e-3,
    "milliseconds": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}
_INDEX = frozenset({"", "index", "id", "row", "sample", "unnamed: 0", "no", "nr"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """``header`` is None where the first line holds data; ``columns`` what a line should have."""

    separator: str
    decimal_comma: bool
    header: tuple[str, ...] | None
    columns: int


def decode_text(content: bytes) -> str:
    """Text of UTF-8 or UTF-16 (with its mark), else of Windows' Western code page.

    :raises ValueError: if it is empty or no text.
    """
    if not content.strip():
        raise ValueError("empty file")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content[:65536]:
        raise ValueError("not a text file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def sniff(text: str) -> Dialect:
    """The form of the text, from its first lines.

    :raises ValueError: if it holds no line.
    """
    lines = [line for line in text[:65536].splitlines()[:60] if line.strip() and not line.startswith("#")]
    if len(text) > 65536 and len(lines) > 1:
        lines = lines[:-1]
    if not lines:
        raise ValueError("empty file")
    separator, columns = ",", 1
    for candidate in (";", "\t", "|", ",", " "):
        counts = Counter(map(len, csv.reader(lines, delimiter=candidate, skipinitialspace=True)))
        count, often = counts.most_common(1)[0]
        if count > 1 and often >= 0.6 * len(lines):
            separator, columns = candidate, count
            break
    table = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    decimal_comma = separator != "," and any(re.fullmatch(r"\s*[-+]?\d*,\d+\s*", cell) for row in table[1:] for cell in row)
    first = table[0]
    body = [row for row in table[1:] if len(row) == columns]
    texts = [cell for cell in first if _float(cell, decimal_comma) is None and cell.strip()]
    numeric = [any(_float(row[i], decimal_comma) is not None for row in body) for i in range(columns)] if body else []
    is_header = bool(texts) and (
        not body
        or (len(first) == columns and any(numeric[i] and _float(first[i], decimal_comma) is None for i in range(columns)))
        or (len(set(first)) == len(first) > 1 and not any(numeric))
    )
    return Dialect(separator, decimal_comma, tuple(cell.strip() for cell in first) if is_header else None, columns)


def rows(text: str, dialect: Dialect) -> Iterator[list[str]]:
    """The cells of each line of data."""
    reader = csv.reader(
        (line for line in io.StringIO(text) if line.strip() and not line.startswith("#")),
        delimiter=dialect.separator,
        skipinitialspace=True,
    )
    if dialect.header is not None:
        next(reader, None)
    yield from reader


def number(cell: str, decimal_comma: bool) -> float:
    """The cell's number; NaN where it holds none."""
    value = _float(cell, decimal_comma)
    return math.nan if value is None else value


def _float(cell: str, decimal_comma: bool) -> float | None:
    try:
        return float(cell.replace(",", ".") if decimal_comma else cell)
    except ValueError:
        return None


def time_column(header: Sequence[str] | None) -> int | None:
    """The column that holds the time, by its name."""
    return next((i for i, name in enumerate(header or ()) if _TIME.match(name.strip())), None)


def index_column(header: Sequence[str] | None, table: Sequence[Sequence[str]]) -> int | None:
    """A first column that only counts the lines."""
    if header is None or header[0].strip().lower() not in _INDEX or len(table) < 2:
        return None
    values = [number(row[0], False) for row in table[:1000] if row]
    return 0 if all(b - a == 1 for a, b in pairwise(values)) else None


def label_column(header: Sequence[str] | None, names: Sequence[str]) -> int | None:
    """The column that holds labels, by its name, the first of ``names`` first."""
    plain = [re.sub(r"[ _-]?(id|name)$", "", name.strip().lower()) for name in header or ()]
    return next((plain.index(name) for name in names if name in plain), None)


def seconds(cells: Sequence[str], name: str, decimal_comma: bool) -> NDArray[np.float64] | None:
    """Times in seconds: numbers in the unit that the column's name ends with, or dates. None where the unit is unknown or a cell
    is neither.

    Without a unit numbers are seconds if they rise by less than one a line.
    """
    values = np.array([number(cell, decimal_comma) for cell in cells])
    if np.isfinite(values).all():
        unit = re.split(r"[ _\[(]+", name.strip().lower().rstrip(")]"))[-1]
        if unit in _UNITS:
            return values * _UNITS[unit]
        return values if len(values) > 1 and 0 < np.median(np.diff(values)) < 1 else None
    try:
        return np.array([_moment(cell) for cell in cells])
    except ValueError:
        return None


def _moment(cell: str) -> float:
    moment = datetime.fromisoformat(cell.strip().replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def class_name(cell: str) -> str:
    """A label's name: whole numbers without their decimals."""
    text = cell.strip()
    try:
        value = float(text)
    except ValueError:
        return text
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else text
