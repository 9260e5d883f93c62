"""The signs that stand for networks in drawings, told apart by shape as well as by colour."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nas.markup import Markup, element

_STAR = "M" + "L".join(
    f"{r * math.sin(k * math.pi / 5):.2f} {-r * math.cos(k * math.pi / 5):.2f}" for k, r in enumerate([8, 3.4] * 5)
)
SHAPES = {
    "trial": "M-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0-6.4 0Z",
    "random-trial": "M-3-3L3 3M-3 3L3-3",
    "finalist": "M0-6L6 0L0 6L-6 0Z",
    "winner": f"{_STAR}Z",
    "random": "M0-6.5L6.5 5H-6.5Z",
    "largest": "M-5-5H5V5H-5Z",
    "hand_designed": "M-6.5-5H6.5L0 6.5Z",
    "baseline": "M-2-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
}
"""Path of each kind of mark around its place, about six units in each direction."""
NAMES = {
    "trial": "trial of the search",
    "random-trial": "trial of the random search",
    "finalist": "finalist, as built",
    "winner": "winner, as built",
    "random": "best of the random search, as built",
    "largest": "largest that fits, as built",
    "hand_designed": "hand-designed, as built",
    "baseline": "other baseline, as built",
}
"""What the legend calls it."""


def mark(kind: str, x: float, y: float, title: str = "", **attributes: object) -> Markup:
    """A mark of that kind at a place of the drawing; ``title`` appears where the pointer rests."""
    inside = element("title", title) if title else ""
    place = f"translate({x:.1f} {y:.1f})"
    return element("path", inside, d=SHAPES[kind], class_=f"mark {kind}", transform=place, **attributes)


def legend(kinds: Sequence[str]) -> Markup:
    """The marks with their names, in one line that breaks where it must."""
    items = [
        element("li", element("svg", mark(kind, 9, 9), viewBox="0 0 18 18", aria_hidden="true"), NAMES[kind]) for kind in kinds
    ]
    return element("ul", items, class_="legend")
