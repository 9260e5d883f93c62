"""``memory_map.svg``: layers along one axis, bytes of the arena along the other, a box wherever a buffer is in use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from codegen.memory_map import Area, areas

if TYPE_CHECKING:
    from codegen.compile import CompiledModel, Layout

_WIDTH, _HEIGHT = 960, 400
_LEFT, _TOP, _BOTTOM = 70, 48, 150
_FONT = 10
_TICKS = 8
_FILLS = {"input": "#7fb3d9", "output": "#8fc98f", "scratch": "#f0b27a"}
_ACTIVATIONS = ("#c9ced6", "#b3bac6", "#d8d2e6")
_NAME = 28
_LETTER = 5.6
"""Width of a letter of the labels, about."""


def memory_map_svg(model: CompiledModel) -> str:
    """The drawing as the text of a file that needs no other; equal models give equal text."""
    layout = model.layout
    found, arena, layers = areas(layout), max(layout.plan.arena_bytes, 1), len(layout.selections)
    step, scale = _WIDTH / max(layers, 1), _HEIGHT / arena
    total = (_LEFT + _WIDTH + 20, _TOP + _HEIGHT + _BOTTOM)
    lines = [
        "<!-- SPDX-License-Identifier: Apache-2.0 -->",
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total[0]}" height="{total[1]}" viewBox="0 0 {total[0]} {total[1]}" '
        f'font-family="sans-serif" font-size="{_FONT}">',
        f'<rect width="{total[0]}" height="{total[1]}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="18" font-size="14">{escape(model.name)}: {layout.plan.arena_bytes:,} bytes of arena</text>',
        *_legend(),
    ]
    number = 0
    for area in found:
        fill = _FILLS.get(area.kind)
        if fill is None:
            fill, number = _ACTIVATIONS[number % len(_ACTIVATIONS)], number + 1
        lines += _area(area, fill, step, scale)
    lines += _axes(layout, step, scale, arena)
    return "\n".join([*lines, "</svg>", ""])


def _legend() -> Iterator[str]:
    x = _LEFT
    for label, fill in (*_FILLS.items(), ("activation", _ACTIVATIONS[0])):
        yield f'<rect x="{x}" y="27" width="10" height="10" fill="{fill}" stroke="#555"/><text x="{x + 14}" y="36">{label}</text>'
        x += 80


def _area(area: Area, fill: str, step: float, scale: float) -> Iterator[str]:
    """The boxes of a buffer, its name in the largest one if it fits, and its name and size where the pointer rests."""
    boxes = []
    for s in area.stays:
        width, height = (s.last - s.first + 1) * step, (s.end - s.begin) * scale
        boxes.append((_LEFT + s.first * step, _TOP + _HEIGHT - s.end * scale, width, height))
    yield f'<g fill="{fill}" fill-opacity="0.8" stroke="#555" stroke-width="0.5">'
    yield f"<title>{escape(area.name)}: {area.size:,} bytes</title>"
    for x, y, width, height in boxes:
        yield f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
    yield "</g>"
    x, y, width, height = max(boxes, key=lambda box: box[2] * box[3])
    label = f"{area.name} {area.size:,}"
    letters = int((width - 6) / _LETTER)
    if height > _FONT + 1 and letters >= 6:
        label = label if len(label) <= letters else label[: letters - 2] + ".."
        yield f'<text x="{x + 3:.1f}" y="{y + height / 2 + 3.5:.1f}" pointer-events="none">{escape(label)}</text>'


def _axes(layout: Layout, step: float, scale: float, arena: int) -> Iterator[str]:
    base = _TOP + _HEIGHT
    yield f'<path d="M{_LEFT} {_TOP}V{base}H{_LEFT + _WIDTH}" fill="none" stroke="#000"/>'
    for tick in range(_TICKS + 1):
        at = arena * tick // _TICKS
        y = base - at * scale
        yield f'<path d="M{_LEFT - 4} {y:.1f}h4" stroke="#000"/>'
        yield f'<text x="{_LEFT - 7}" y="{y + 3.5:.1f}" text-anchor="end">{at:,}</text>'
    every = max(-(-len(layout.selections) * (_FONT + 2) // _WIDTH), 1)  # so that names do not touch
    for layer in range(0, len(layout.selections), every):
        name = layout.selections[layer].op.name
        shown = name if len(name) <= _NAME else name[: _NAME - 2] + ".."
        place = f"translate({_LEFT + (layer + 0.5) * step + 3:.1f} {base + 6}) rotate(-90)"
        yield f'<text transform="{place}" text-anchor="end">{escape(shown)}</text>'
