"""Predicted against measured as a drawing: one point a network, both axes logarithmic, a colour for each family."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

from svg_curves import COLOURS

_SIDE, _LEFT, _TOP, _RIGHT, _BOTTOM = 480, 80, 40, 160, 60
_BAND = 1.05


def scatter_svg(title: str, unit: str, families: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """The text of an SVG file that needs no other.

    :param families: for each name the points ``(measured, predicted)``, all above 0. A grey band marks errors of up to 5 %.
    :raises ValueError: without any point.
    """
    values = [value for points in families.values() for point in points for value in point]
    if not values:
        raise ValueError("nothing to draw")
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    scale = _SIDE / (high - low)

    def place(measured: float, predicted: float) -> tuple[float, float]:
        return _LEFT + scale * (math.log10(measured) - low), _TOP + _SIDE - scale * (math.log10(predicted) - low)

    width, height = _LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _BOTTOM
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="24" font-size="14">{escape(title)}</text>',
        *_axes(low, high, scale, unit),
        *_band(scale),
    ]
    for number, (name, points) in enumerate(families.items()):
        colour = COLOURS[number % len(COLOURS)]
        lines.append(f'<g fill="{colour}" fill-opacity="0.55">')
        lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4"/>' for x, y in (place(*point) for point in points)]
        x, y = _LEFT + _SIDE + 16, _TOP + 12 + 18 * number
        lines.append(f'<circle cx="{x}" cy="{y - 4}" r="4"/><text x="{x + 10}" y="{y}" fill-opacity="1">{escape(name)}</text></g>')
    return "\n".join([*lines, "</svg>", ""])


def _axes(low: int, high: int, scale: float, unit: str) -> Iterator[str]:
    bottom, right = _TOP + _SIDE, _LEFT + _SIDE
    yield f'<rect x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#888"/>'
    for power in range(low, high + 1):
        at = scale * (power - low)
        label = f'10<tspan baseline-shift="super" font-size="8">{power}</tspan>'
        yield f'<path d="M{_LEFT + at:.1f} {_TOP}V{bottom}M{_LEFT} {bottom - at:.1f}H{right}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT + at:.1f}" y="{bottom + 18}" text-anchor="middle">{label}</text>'
        yield f'<text x="{_LEFT - 8}" y="{bottom - at + 4:.1f}" text-anchor="end">{label}</text>'
    yield f'<text x="{_LEFT + _SIDE / 2}" y="{bottom + 42}" text-anchor="middle">measured, {escape(unit)}</text>'
    middle = _TOP + _SIDE / 2
    yield f'<text transform="translate({_LEFT - 48} {middle}) rotate(-90)" text-anchor="middle">predicted, {escape(unit)}</text>'


def _band(scale: float) -> Iterator[str]:
    """Where the error is no more than 5 %."""
    off, right, bottom = scale * math.log10(_BAND), _LEFT + _SIDE, _TOP + _SIDE
    corners = [
        (_LEFT, bottom),
        (_LEFT, bottom - off),
        (right - off, _TOP),
        (right, _TOP),
        (right, _TOP + off),
        (_LEFT + off, bottom),
    ]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
    yield f'<polygon points="{points}" fill="#888" fill-opacity="0.25"/>'
