from __future__ import annotations

from pathlib import Path

import pytest

from nas.report.memory import inlined

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" viewBox="0 0 9 9">{}</svg>'


def test_shapes_and_text_are_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "map.svg"
    path.write_text(SVG.format('<g fill="#fff"><title>a &lt; b: 3 bytes</title><rect x="1" y="2" width="3" height="4"/></g>'))
    drawing = inlined(path, "Memory & map")
    assert drawing is not None
    assert "<title>a &lt; b: 3 bytes</title>" in drawing
    assert 'aria-label="Memory &amp; map"' in drawing
    assert "xmlns:" not in drawing


@pytest.mark.parametrize(
    "content",
    [
        "<script>alert(1)</script>",
        '<rect onclick="alert(1)"/>',
        '<image href="http://example.org/x.png"/>',
        '<rect fill="url(http://example.org/#a)"/>',
        '<text style="background: red">x</text>',
        "<foreignObject/>",
        "<g>",
    ],
)
def test_whatever_else_is_in_a_drawing_keeps_it_out(content: str, tmp_path: Path) -> None:
    path = tmp_path / "map.svg"
    path.write_text(SVG.format(content))
    assert inlined(path, "map") is None
    assert inlined(tmp_path / "none.svg", "map") is None
