"""A bounds-checked reader of FlatBuffers (https://flatbuffers.dev/internals/), written for files that may be damaged or hostile.

Every access is checked against the file, and what is read into Python objects is charged against an allowance proportional
to the file's size: offsets may point at the same bytes many times over, so that a small file could unfold into a huge one.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


class DamagedFileError(Exception):
    """The bytes are not a valid FlatBuffer."""


class FlatBuffer:
    """The bytes of a file."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._allowance = 8 * len(content) + 65536

    def charge(self, nbytes: int) -> None:
        """Spend allowance on work proportional to ``nbytes``.

        :raises DamagedFileError: if it is used up.
        """
        self._allowance -= nbytes
        if self._allowance < 0:
            raise DamagedFileError("it refers to the same bytes too many times")

    def scalar(self, layout: str, position: int) -> Any:
        """One value with a :mod:`struct` format letter."""
        if not 0 <= position <= len(self.content) - struct.calcsize("<" + layout):
            raise DamagedFileError(f"an offset leads to byte {position} of {len(self.content)}")
        return struct.unpack_from("<" + layout, self.content, position)[0]

    def target(self, position: int) -> int:
        """Where the offset at ``position`` leads."""
        return position + int(self.scalar("I", position))

    def vector(self, position: int, itemsize: int) -> tuple[int, int]:
        """First byte and length of the vector that the offset at ``position`` leads to."""
        start = self.target(position)
        length = int(self.scalar("I", start))
        if length * itemsize > len(self.content) - start - 4:
            raise DamagedFileError(f"a vector of {length} elements runs over the end of the file")
        return start + 4, length

    @property
    def root(self) -> Table:
        """The root table."""
        return Table(self, self.target(0))


@dataclass(frozen=True, slots=True)
class Table:
    """A table at a byte position; fields are addressed by their number in the schema and may be absent."""

    buffer: FlatBuffer
    position: int

    def _field(self, number: int) -> int | None:
        layout = self.position - int(self.buffer.scalar("i", self.position))
        slot = 4 + 2 * number
        if slot + 2 > self.buffer.scalar("H", layout):
            return None
        offset = int(self.buffer.scalar("H", layout + slot))
        return self.position + offset if offset else None

    def integer(self, number: int, layout: str, default: int = 0) -> int:
        """Integer field, with its :mod:`struct` format letter."""
        at = self._field(number)
        return default if at is None else int(self.buffer.scalar(layout, at))

    def float32(self, number: int, default: float = 0.0) -> float:
        """Floating-point field."""
        at = self._field(number)
        return default if at is None else float(self.buffer.scalar("f", at))

    def boolean(self, number: int) -> bool:
        """Boolean field, False if absent."""
        return self.integer(number, "B") != 0

    def table(self, number: int) -> Table | None:
        """Table that a field points to."""
        at = self._field(number)
        return None if at is None else Table(self.buffer, self.buffer.target(at))

    def tables(self, number: int) -> list[Table]:
        """Vector of tables, empty if absent."""
        at = self._field(number)
        if at is None:
            return []
        start, length = self.buffer.vector(at, 4)
        self.buffer.charge(4 * length)
        return [Table(self.buffer, self.buffer.target(start + 4 * i)) for i in range(length)]

    def string(self, number: int) -> str:
        """Text field, empty if absent."""
        at = self._field(number)
        if at is None:
            return ""
        start, length = self.buffer.vector(at, 1)
        self.buffer.charge(length)
        return self.buffer.content[start : start + length].decode(errors="replace")

    def array(self, number: int, dtype: str) -> NDArray[Any] | None:
        """Vector of numbers as a read-only view of the file; ``dtype`` in numpy's notation, little-endian."""
        at = self._field(number)
        if at is None:
            return None
        item = np.dtype(dtype).newbyteorder("<")
        start, length = self.buffer.vector(at, item.itemsize)
        return np.frombuffer(self.buffer.content, item, length, start)

    def numbers(self, number: int, dtype: str) -> tuple[Any, ...]:
        """Vector of numbers as Python numbers, empty if absent."""
        values = self.array(number, dtype)
        if values is None:
            return ()
        self.buffer.charge(8 * len(values))
        return tuple(values.tolist())
