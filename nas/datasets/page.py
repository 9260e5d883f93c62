"""A page with samples of each class: one HTML file that needs nothing from a network, for light and dark screens."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.datasets.collection import Collection
from nas.datasets.decoded import PARTS, TEST
from nas.markup import Markup, document

SAMPLES = 4
MOST_CLASSES = 60
WIDTH, HEIGHT = 220, 80
COLOURS = ("#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#b07aa1", "#9c755f", "#d4a72c")
_STYLE = """
dt { float: left; clear: left; width: 7rem; }
dd { margin: 0 0 .2rem 7.5rem; overflow-wrap: anywhere; }
.samples { display: flex; flex-wrap: wrap; gap: .6rem; }
figure { margin: 0; padding: .5rem; background: var(--card); border-radius: .5rem; }
figcaption { font-size: .75rem; max-width: 13rem; overflow-wrap: anywhere; }
img { image-rendering: pixelated; min-width: 6rem; display: block; }
.bar { fill: var(--blue); }
"""


def page(collection: Collection, about: Mapping[str, Any]) -> str:
    """The page about ``collection``, which ``about`` describes. Samples are of the part to train on, where it has any."""
    classes = about["classes"]
    title = f"{collection.name}: {len(classes)} classes, {about['examples']:,} examples"
    body = [f"<h1>{html.escape(title)}</h1>", _summary(about), _counts(about)]
    scale = _value_range(collection)
    for index, entry in enumerate(classes[:MOST_CLASSES]):
        body.append(f"<h2>{html.escape(entry['name'])}</h2>")
        figures = [_figure(collection, i, scale) for i in _chosen(collection, index)]
        body.append(f'<div class="samples">{"".join(figures)}</div>')
    if len(classes) > MOST_CLASSES:
        body.append(f"<p>… and {len(classes) - MOST_CLASSES} more classes</p>")
    return document(title, Markup("\n".join(body)), style=_STYLE)


def _summary(about: Mapping[str, Any]) -> str:
    rows = [("path", about["path"]), ("kind", f"{about['kind']}, {about['task']}, {'x'.join(map(str, about['input_shape']))}")]
    if about["rate"] is not None:
        rows.append(("rate", f"{about['rate']:g} Hz"))
    if about["windows"]["how"]:
        rows.append(("windows", about["windows"]["how"]))
    rows.append(("split", about["split"]))
    rows += [("note", note) for note in about["notes"]]
    rows += [("left out", f"{s['count']}: {s['reason']} ({', '.join(s['names'][:5])})") for s in about["skipped"]]
    items = [f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in rows]
    items += [f'<dt>problem</dt><dd class="problem">{html.escape(text)}</dd>' for text in about["problems"]]
    if about["kind"] == "series" and len(about["channels"]) > 1:
        marks = [
            f'<span style="color:{COLOURS[i % len(COLOURS)]}">■</span> {html.escape(name)}'
            for i, name in enumerate(about["channels"])
        ]
        items.append(f"<dt>channels</dt><dd>{' '.join(marks)}</dd>")
    return f"<dl>{''.join(items)}</dl>"


def _counts(about: Mapping[str, Any]) -> str:
    largest = max(entry["total"] for entry in about["classes"])
    head = "".join(f"<th>{name}</th>" for name in ("class", *PARTS, "all", ""))
    rows = []
    for entry in about["classes"]:
        cells = "".join(f"<td>{entry[key]:,}</td>" for key in (*PARTS, "total"))
        width = 120 * entry["total"] / max(1, largest)
        bar = f'<svg width="120" height="10"><rect class="bar" width="{width:.1f}" height="10"/></svg>'
        rows.append(f"<tr><td>{html.escape(entry['name'])}</td>{cells}<td>{bar}</td></tr>")
    table = f"<table><tr>{head}</tr>{''.join(rows)}</table>"
    return f'<div class="scroll" role="region" aria-label="examples by class" tabindex="0">{table}</div>'


def _chosen(collection: Collection, label: int) -> list[int]:
    """Examples spread over those of the class."""
    own = np.flatnonzero((collection.y == label) & (collection.parts != TEST))
    if not len(own):
        own = np.flatnonzero(collection.y == label)
    return [int(i) for i in np.unique(own[np.linspace(0, len(own) - 1, SAMPLES).astype(int)])] if len(own) else []


def _value_range(collection: Collection) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest of what is usual in each channel, so that samples can be compared."""
    indices = [i for label in range(min(MOST_CLASSES, len(collection.data.classes))) for i in _chosen(collection, label)]
    values = collection.windows.gather(collection.data, np.array(indices, np.intp)).astype(np.float64)
    flat = values.reshape(-1, values.shape[-1])
    low, high = flat.min(0), flat.max(0)
    return low, np.where(high > low, high, low + 1)


def _figure(collection: Collection, index: int, scale: tuple[NDArray[np.float64], NDArray[np.float64]]) -> str:
    values = collection.windows.gather(collection.data, np.array([index], np.intp))[0]
    name = collection.data.names[collection.windows.of[index]]
    kind = collection.data.facts.kind
    if kind == "image":
        drawn = _image(values, scale)
    elif kind == "audio":
        drawn = _envelope(values[:, 0].astype(np.float64) / 32768)
    else:
        low, high = scale
        curves = ((values.astype(np.float64) - low) / (high - low)).reshape(-1, values.shape[-1])
        drawn = _curves(curves.T if kind == "series" else curves)
    return f"<figure>{drawn}<figcaption>{html.escape(name)}</figcaption></figure>"


def _image(values: NDArray[Any], scale: tuple[NDArray[np.float64], NDArray[np.float64]]) -> str:
    from PIL import Image

    if values.dtype != np.uint8:
        low, high = scale[0].min(), scale[1].max()
        values = ((values - low) / (high - low) * 255).astype(np.uint8)
    pixels = values[..., 0] if values.shape[-1] != 3 else values
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def _svg(content: str) -> str:
    return f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{content}</svg>'


def _curves(curves: NDArray[np.float64]) -> str:
    """One line for each row of ``curves``, whose values lie in 0..1."""
    lines = []
    for i, curve in enumerate(curves):
        step = max(1, len(curve) // WIDTH)
        shown = curve[::step]
        x = np.linspace(0, WIDTH, len(shown)) if len(shown) > 1 else np.zeros(1)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, (1 - shown) * (HEIGHT - 4) + 2, strict=True))
        lines.append(f'<polyline fill="none" stroke="{COLOURS[i % len(COLOURS)]}" points="{points}"/>')
    return _svg("".join(lines))


def _envelope(sound: NDArray[np.float64]) -> str:
    """Lowest and highest sample of each pixel's stretch."""
    edges = np.linspace(0, len(sound), WIDTH + 1).astype(int)[:-1]
    edges = np.unique(edges)
    peak = max(0.02, float(np.abs(sound).max()))
    low, high = (f.reduceat(sound, edges) / peak for f in (np.minimum, np.maximum))
    x = np.linspace(0, WIDTH, len(edges))
    up = [f"{a:.1f},{HEIGHT / 2 * (1 - v):.1f}" for a, v in zip(x, high, strict=True)]
    down = [f"{a:.1f},{HEIGHT / 2 * (1 - v):.1f}" for a, v in zip(x, low, strict=True)]
    return _svg(f'<polygon fill="{COLOURS[0]}" stroke="{COLOURS[0]}" points="{" ".join([*up, *reversed(down)])}"/>')
