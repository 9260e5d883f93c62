"""What lies where in the arena while which layer runs, and the map of it as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Literal, NamedTuple

from codegen.compile import Layout
from codegen.memory_plan import buffers, covered
from codegen.views import find_views

Kind = Literal["input", "output", "activation", "scratch"]
_ROWS = 16
_COLUMNS = 96
_MARKS = {"input": "I", "output": "O", "scratch": "%"}


class Stay(NamedTuple):
    """Bytes ``begin`` to ``end`` (exclusive) of the arena in use from layer ``first`` to layer ``last`` (inclusive, from 0 on)."""

    begin: int
    end: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Area:
    """A buffer of the arena, called after the operator that fills it, an input as it is called itself.

    An activation's rows may come and go at different times: a stay for each.
    """

    name: str
    kind: Kind
    stays: tuple[Stay, ...]

    @property
    def size(self) -> int:
        """Bytes from the first to the last one."""
        return max(s.end for s in self.stays) - min(s.begin for s in self.stays)


def areas(layout: Layout) -> tuple[Area, ...]:
    """Every buffer of the arena, activations in the order in which they are written, then scratch."""
    graph, plan = layout.graph, layout.plan
    views = find_views(graph)
    inputs = {views.places[name][0] for name in graph.inputs}
    outputs = {views.places[name][0] for name in graph.outputs}
    layer_at: list[int] = []
    for op in graph.ops:
        layer_at.append(layer_at[-1] + (op.name not in views.free) if layer_at else 0)
    final = max(len(layout.selections) - 1, 0)
    offsets = {**plan.offsets, **{f"scratch of {name}": offset for name, offset in plan.scratch.items()}}

    def layer(position: int) -> int:
        return final if position >= len(layer_at) else layer_at[max(position, 0)]

    writers = {op.output: op.name for op in graph.ops}
    found = []
    for buffer in buffers(graph, layout.demands, views):
        kind: Kind = "activation"
        if buffer.key not in graph.tensors:
            kind = "scratch"
        elif buffer.key in inputs:
            kind = "input"
        elif buffer.key in outputs:
            kind = "output"
        at = offsets[buffer.key]
        stays: list[Stay] = []
        for piece in buffer.pieces:
            stay = Stay(at + piece.begin, at + piece.end, layer(piece.first), layer(piece.last))
            if stays and stays[-1].end == stay.begin and stays[-1][2:] == stay[2:]:
                stay = stay._replace(begin=stays.pop().begin)
            stays.append(stay)
        found.append(Area(writers.get(buffer.key, buffer.key), kind, tuple(stays)))
    return tuple(found)


def bytes_in_use(found: Iterable[Area], layer: int) -> int:
    """Bytes of the arena that hold something while ``layer`` runs."""
    return covered((s.begin, s.end) for area in found for s in area.stays if s.first <= layer <= s.last)


def text_map(layout: Layout) -> str:
    """The map as lines of text without a trailing newline, the arena's begin at the bottom; no longer for many layers."""
    if not layout.selections:
        return f"memory map    {layout.plan.arena_bytes:,} bytes of arena; no layer runs, the output is the input"
    found, arena, layers = areas(layout), layout.plan.arena_bytes, len(layout.selections)
    height = max(1, -(-arena // _ROWS))
    width = -(-layers // _COLUMNS)
    letters = iter(ascii_lowercase * len(found))
    marks = [_MARKS.get(area.kind) or next(letters) for area in found]

    def mark(row: int, column: int) -> str:
        low, high = row * height, min((row + 1) * height, arena)
        first, last = column * width, (column + 1) * width - 1
        present = [
            (min(s.end, high) - max(s.begin, low), area.kind in ("input", "output"), letter)
            for area, letter in zip(found, marks, strict=True)
            for s in area.stays
            if s.first <= last and s.last >= first and s.begin < high and s.end > low
        ]
        # Inputs and outputs are what a reader looks for first.
        return max(present, key=lambda p: (p[1] and 2 * p[0] >= high - low, p[0]), default=(0, False, "."))[2]

    rows, columns = -(-arena // height), -(-layers // width)
    unit = "a layer" if width == 1 else f"{width} layers"
    lines = [f"memory map    {arena:,} bytes of arena; a row is {height:,} bytes, a column {unit}"]
    lines += [f"{row * height:>9,} |{''.join(mark(row, column) for column in range(columns))}|" for row in reversed(range(rows))]
    lines.append(f"{'':>9}  I input, O output, a-z activations, % scratch, . free")
    fullest = max(range(layers), key=lambda layer: bytes_in_use(found, layer), default=0)
    lines.append(f"fullest       {bytes_in_use(found, fullest):,} bytes at layer {fullest}, {layout.selections[fullest].op.name}:")
    present = [
        (min(s.begin for s in now), max(s.end for s in now), area.name, letter)
        for area, letter in zip(found, marks, strict=True)
        if (now := [s for s in area.stays if s.first <= fullest <= s.last])
    ]
    lines += [f"{begin:>9,} to {end - 1:,}: {name} ({letter})" for begin, end, name, letter in sorted(present)]
    return "\n".join(lines)
