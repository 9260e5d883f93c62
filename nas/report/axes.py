"""Scales and axes of the drawings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import quantiles

from nas.markup import Markup, element

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 46
_DECADES = 1.3
"""An axis is logarithmic from this many powers of ten on."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Values ``low`` to ``high`` along the drawing from ``begin`` to ``end``; what is lower is drawn at ``begin``."""

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Where ``value`` is."""
        value = max(value, self.low)
        if self.logarithmic:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self.begin + part * (self.end - self.begin)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values to mark, at most so many or one more."""
        if not self.logarithmic:
            step = _round_step((self.high - self.low) / most)
            first = math.ceil(self.low / step - 1e-9)
            return [round(k * step, 10) for k in range(first, math.floor(self.high / step + 1e-9) + 1)]
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for factors in ((1, 2, 5), (1, 3), (1,)):
            found = [f * 10.0**p for p in powers for f in factors if self.low * 0.999 <= f * 10.0**p <= self.high * 1.001]
            if len(found) <= most + 1:
                return found
        return found[:: math.ceil(len(found) / most)]


def _round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten, no less than ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def fitting(values: Sequence[float], begin: float, end: float, *, margin: float = 0.05, may_be_logarithmic: bool = False) -> Scale:
    """A scale for all of ``values`` with some room at both ends."""
    low, high = min(values), max(values)
    if may_be_logarithmic and low > 0 and math.log10(high / low) >= _DECADES:
        room = (high / low) ** margin
        return Scale(low / room, high * room, begin, end, logarithmic=True)
    room = margin * (high - low) or 0.1 * abs(high) or 1.0
    least = low - room if low < 0 or low - room > 0 else 0.0
    return Scale(least, high + room, begin, end)


def without_outliers(values: Sequence[float], begin: float, end: float) -> tuple[Scale, int]:
    """A scale for ``values`` but for those so low that the others would shrink to a line, and how many those are: what lies under
    the lower of Tukey's fences, one and a half times the interquartile range below the first quartile."""
    if len(values) < 2:
        return fitting(values, begin, end), 0
    first, _, third = quantiles(values, n=4, method="inclusive")
    inside = [value for value in values if value >= first - 1.5 * (third - first)]
    return fitting(inside, begin, end), len(values) - len(inside)


def below(count: int) -> Markup:
    """Says how many networks are drawn on the bottom line though they lie lower."""
    if not count:
        return Markup("")
    text = f"↓ {count} {'lie' if count > 1 else 'lies'} lower"
    return element("text", text, x=LEFT, y=HEIGHT - 8, class_="below")


def horizontal(scale: Scale, title: str, text: Callable[[float], str]) -> Iterator[Markup]:
    """Grid lines, their values and the title of the axis along the bottom."""
    base = HEIGHT - BOTTOM
    for value in scale.ticks():
        x = f"{scale(value):.1f}"
        yield element("path", d=f"M{x} {TOP}V{base}", class_="grid")
        yield element("text", text(value), x=x, y=base + 16, text_anchor="middle")
    yield element("text", title, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 8, text_anchor="middle", class_="title")


def vertical(scale: Scale, text: Callable[[float], str]) -> Iterator[Markup]:
    """Grid lines and their values along the left side."""
    for value in scale.ticks(5):
        y = scale(value)
        yield element("path", d=f"M{LEFT} {y:.1f}H{WIDTH - RIGHT}", class_="grid")
        yield element("text", text(value), x=LEFT - 6, y=f"{y + 4:.1f}", text_anchor="end")


def percent(value: float) -> str:
    """A fraction as the tick of an axis: ``97.5%``."""
    return f"{100 * value:.4g}%"


def drawing(label: str, *content: object, height: int = HEIGHT, **attributes: object) -> Markup:
    """An SVG that grows and shrinks with the page; ``label`` is read to who does not see it."""
    attributes = {"role": "img", **attributes}
    return element("svg", *content, viewBox=f"0 0 {WIDTH} {height}", aria_label=label, **attributes)


def polyline(points: Sequence[tuple[float, float]], **attributes: object) -> Markup:
    """A line through ``points``."""
    return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), **attributes)


def steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners of a stair through ``points``, level until the next one."""
    corners = list(points[:1])
    for x, y in points[1:]:
        corners += [(x, corners[-1][1]), (x, y)]
    return corners
