"""Curves with confidence bands as a self-contained SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 130, 20, 48
COLOURS = ("#0072b2", "#999999", "#000000", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
"""Okabe and Ito's, which colour-blind readers tell apart."""


class Curve(NamedTuple):
    """``mean`` and half the ``band`` ``(N,)`` at N places."""

    name: str
    mean: NDArray[np.float64]
    band: NDArray[np.float64]


def curves_svg(curves: Sequence[Curve], places: Sequence[int], x_label: str, y_label: str) -> str:
    """The drawing of curves at ``places`` ``(N,)``, in order; both axes begin at 0."""
    length = places[-1]
    top = max(float((curve.mean + curve.band).max()) for curve in curves) or 1.0
    step = _step(top)

    def point(at: float, value: float) -> str:
        x = LEFT + (WIDTH - LEFT - RIGHT) * at / length
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(value, 0.0), top) / top
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for value in np.arange(0, top + 1e-9, step):
        x, y = point(0, value).split(",")
        parts.append(f'<path d="M{x},{y}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{value:g}</text>')
    for at in range(0, length + 1, max(1, length // 6)):
        x = point(at, 0).split(",")[0]
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{at}</text>')
    for number, curve in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        upper = [point(at, value) for at, value in zip(places, curve.mean + curve.band, strict=True)]
        lower = [point(at, value) for at, value in zip(places, curve.mean - curve.band, strict=True)]
        parts.append(f'<polygon points="{" ".join(upper + lower[::-1])}" fill="{colour}" opacity="0.12"/>')
        line = " ".join(point(at, value) for at, value in zip(places, curve.mean, strict=True))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = TOP + 14 + 18 * number
        parts.append(f'<path d="M{WIDTH - RIGHT + 12},{y - 4}h18" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 36}" y="{y}">{escape(curve.name)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(x_label)}</text>')
    parts.append(f'<text transform="translate(16,{HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(y_label)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _step(top: float) -> float:
    """Distance of the grid's lines: 1, 2 or 5 times a power of ten, some five lines in all."""
    power = float(10 ** np.floor(np.log10(top / 5)))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * 5 >= top)
