"""The drawing of predictions against measurements."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from svg_scatter import scatter_svg

SVG = "{http://www.w3.org/2000/svg}"


def test_points_lie_where_their_values_are() -> None:
    text = scatter_svg("a <title>", "cycles", {"one": [(100.0, 100.0), (1000.0, 100.0)], "two & more": [(10_000.0, 9_000.0)]})
    root = ElementTree.fromstring(text)
    groups = list(root.iter(f"{SVG}g"))
    places = [
        [(float(c.get("cx", 0)), float(c.get("cy", 0))) for c in g.iter(f"{SVG}circle") if c.get("r") == "2.4"] for g in groups
    ]
    (exact, low), (other,) = places
    assert low[1] == exact[1]
    assert low[0] > exact[0]
    assert other[0] > low[0]
    assert other[1] < low[1]
    words = " ".join(t.text or "" for t in root.iter(f"{SVG}text"))
    assert "a <title>" in words
    assert "two & more" in words
    assert text == scatter_svg(
        "a <title>", "cycles", {"one": [(100.0, 100.0), (1000.0, 100.0)], "two & more": [(10_000.0, 9_000.0)]}
    )


def test_without_points_there_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="nothing"):
        scatter_svg("t", "cycles", {"one": []})
