"""Damaged and hostile ``.tflite`` files made from sound ones: random damage, and absurd values where they mean something."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from codegen.compile import compile_graph
from codegen.cores import find_core
from codegen.errors import UserError
from codegen.importers.tflite import import_tflite
from codegen.importers.tflite._flatbuffer import DamagedFileError, FlatBuffer, Table

_WHOLE = (0, 1, -1, 2, 3, 7, 127, 128, 255, 256, 65535, 65536, 2**20, 2**24, 2**30, 2**31 - 2, 2**31 - 1, -(2**31), -2, -128, 5000)
_REAL = (0.0, -0.0, 1.0, -1.0, float("nan"), float("inf"), float("-inf"), 1e-45, 1e-38, 3e38, 1e-20, 1e20, 2.0**-31, 2.0**31, 0.5)
_DEEPEST = 8
_STRUCTURE = ("offset", "length")
_SECONDS = 20.0

Place: TypeAlias = tuple[str, str, int]
"""What a number means, its :mod:`struct` format and its position."""


def damaged(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """``content`` with damage of one kind, and the name of that kind. Sound files only."""
    kind = rng.choice(tuple(_DAMAGE))
    mutated = bytearray(content)
    _DAMAGE[kind](mutated, rng)
    return kind, bytes(mutated)


def _truncate(content: bytearray, rng: random.Random) -> None:
    """Cut off anything from all to a single byte, lengths near both ends as likely as those between."""
    length = len(content)
    keep = rng.choice((rng.randrange(min(64, length)), rng.randrange(length), length - 1 - rng.randrange(min(64, length))))
    del content[keep:]


def _flip_bits(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        content[rng.randrange(8, len(content))] ^= 1 << rng.randrange(8)


def _overwrite_words(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(8, len(content) - 4) & ~3
        value = rng.choice(
            (rng.choice(_WHOLE), rng.randrange(-(2**31), 2**31), rng.randrange(len(content)), -rng.randrange(len(content)))
        )
        struct.pack_into("<i", content, at, value)


def _move_bytes(content: bytearray, rng: random.Random) -> None:
    at, count = rng.randrange(8, len(content)), rng.randrange(1, 64)
    if rng.random() < 0.5:
        del content[at : at + count]
    else:
        content[at:at] = rng.randbytes(count)


def _replace_numbers(content: bytearray, rng: random.Random) -> None:
    """One to three numbers of one meaning (scales, options, operands, ...) become absurd."""
    _replace(content, rng, [place for place in _places(bytes(content)) if not place[0].startswith(_STRUCTURE)])


def _replace_structure(content: bytearray, rng: random.Random) -> None:
    """The same with offsets and lengths."""
    _replace(content, rng, [place for place in _places(bytes(content)) if place[0].startswith(_STRUCTURE)])


def _replace(content: bytearray, rng: random.Random, places: Sequence[Place]) -> None:
    meaning = rng.choice(sorted({place[0] for place in places}))
    chosen = [place for place in places if place[0] == meaning]
    for place in rng.sample(chosen, min(len(chosen), rng.choice((1, 1, 1, 2, 3)))):
        _write(content, place, rng.choice(_REAL if place[1] == "f" else _WHOLE))


def _resize(content: bytearray, rng: random.Random) -> None:
    """One length of an axis becomes another one wherever it occurs, so that the shapes still fit together."""
    shapes = [place for place in _places(bytes(content)) if place[0] == "shape"]
    lengths = {place: struct.unpack_from("<i", content, place[2])[0] for place in shapes}
    old = rng.choice(sorted(set(lengths.values())))
    new = rng.choice((2, 3, 5, 100, 4000, 2**16, 2**20, 2**24, 2**30, 2**31 - 1))
    for place, length in lengths.items():
        if length == old:
            _write(content, place, new)


def _rescale(content: bytearray, rng: random.Random) -> None:
    """All scales, or all zero points, become absurd ones."""
    meaning = rng.choice(("scale", "scale", "zero point"))
    for place in _places(bytes(content)):
        if place[0] == meaning and rng.random() < 0.7:
            _write(content, place, rng.choice(_REAL if meaning == "scale" else _WHOLE))


def _write(content: bytearray, place: Place, value: float) -> None:
    _, layout, at = place
    if layout == "f":
        struct.pack_into("<f", content, at, value)
    else:
        size = struct.calcsize("<" + layout)
        content[at : at + size] = (int(value) & (1 << 8 * size) - 1).to_bytes(size, "little")


_DAMAGE: dict[str, Callable[[bytearray, random.Random], None]] = {
    "truncated": _truncate,
    "bits flipped": _flip_bits,
    "words overwritten": _overwrite_words,
    "bytes moved": _move_bytes,
    "numbers replaced": _replace_numbers,
    "structure replaced": _replace_structure,
    "resized": _resize,
    "rescaled": _rescale,
}


@lru_cache(maxsize=256)
def _places(content: bytes) -> tuple[Place, ...]:
    """The numbers of a sound model."""
    return tuple(_model_places(FlatBuffer(content).root))


def _model_places(root: Table) -> Iterator[Place]:
    yield from _table_places(root, 0)
    for code in root.tables(1):
        for field, layout in ((0, "b"), (3, "i")):
            yield from _field(code, field, layout, "operator code")
    for buffer in root.tables(4):
        yield from _vector(buffer, 0, None, "contents")
    for subgraph in root.tables(2):
        yield from _vector(subgraph, 1, "i", "inputs")
        yield from _vector(subgraph, 2, "i", "outputs")
        for tensor in subgraph.tables(0):
            yield from _tensor_places(tensor)
        for operator in subgraph.tables(3):
            yield from _field(operator, 0, "I", "index of the operator code")
            yield from _vector(operator, 1, "i", "operands")
            yield from _vector(operator, 2, "i", "results")
            options = operator.table(4)
            if options is not None:
                for number in range(8):
                    for layout in "bif":
                        yield from _field(options, number, layout, f"option as {layout}")


def _tensor_places(tensor: Table) -> Iterator[Place]:
    yield from _vector(tensor, 0, "i", "shape")
    yield from _field(tensor, 1, "b", "type")
    yield from _field(tensor, 2, "I", "index of the buffer")
    quantization = tensor.table(4)
    if quantization is not None:
        yield from _vector(quantization, 2, "f", "scale")
        yield from _vector(quantization, 3, "q", "zero point")
        yield from _field(quantization, 6, "i", "axis")


def _field(table: Table, number: int, layout: str, kind: str) -> Iterator[Place]:
    at = table._field(number)
    if at is not None and at + struct.calcsize(layout) <= len(table.buffer.content):
        yield kind, layout, at


def _vector(table: Table, number: int, layout: str | None, kind: str) -> Iterator[Place]:
    """The vector's offset, its length and, with a ``layout``, up to 64 of its elements."""
    at = table._field(number)
    if at is None:
        return
    start = table.buffer.target(at)
    yield f"offset of {kind}", "I", at
    yield f"length of {kind}", "I", start
    if layout is not None:
        size = struct.calcsize("<" + layout)
        length = table.buffer.scalar("I", start)
        yield from ((kind, layout, start + 4 + size * i) for i in range(min(64, length)))


def _table_places(table: Table, depth: int) -> Iterator[Place]:
    """The offset to the layout of this table and, as far as they can be followed, of those in its vectors."""
    yield "offset of a layout", "i", table.position
    if depth == _DEEPEST:
        return
    for number in range(8):
        try:
            children = table.tables(number)
        except (DamagedFileError, struct.error):
            continue
        at = table._field(number)
        if at is not None:
            yield "offset of a vector", "I", at
        for child in children[:50]:
            if 0 < child.position < len(table.buffer.content) - 4:
                yield "offset of a layout", "i", child.position


class NotSurvived(Exception):  # noqa: N818 - the outcome of a trial
    """The importer or the compiler did not handle a file as it should; the message says in which way."""


def outcome(file: Path) -> str:
    """Import ``file`` and compile what comes of it: "refused", "not compilable" or "compiled".

    :raises NotSurvived: if that takes more than seconds of processor time, or the reason of a refusal is no single line, or the
        importer's does not name the file.
    """
    started = time.process_time()
    found = _outcome(file)
    seconds = time.process_time() - started
    if seconds > _SECONDS:
        raise NotSurvived(f"{found} after {seconds:.1f} s of processor time")
    return found


def _outcome(file: Path) -> str:
    try:
        graph = import_tflite(file)
    except UserError as error:
        return _checked("refused", str(error), f"{file}: ")
    try:
        compile_graph(graph, find_core("cortex-m4"), name="m")
    except UserError as error:
        return _checked("not compilable", str(error), "")
    return "compiled"


def _checked(found: str, message: str, begin: str) -> str:
    if not message.startswith(begin) or not message.isprintable():
        raise NotSurvived(f"{found} with an unclear message: {message!r}")
    return found
