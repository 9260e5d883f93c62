"""HTML and SVG put together from values: whatever is not :class:`Markup` already is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

_EMPTY = frozenset({"meta", "br", "input", "rect", "path", "circle", "line", "use", "polyline"})
"""Elements without content; the SVG ones among them are closed by a slash, which HTML allows."""


class Markup(str):
    """Text that is HTML or SVG already."""

    __slots__ = ()


def escape(content: object) -> Markup:
    """``content`` as markup: lists joined, text escaped, markup as it is."""
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return Markup(html.escape(content))
    if isinstance(content, Iterable):
        return Markup("".join(escape(part) for part in content))
    return Markup(html.escape(str(content)))


def element(name: str, /, *content: object, **attributes: object) -> Markup:
    """``<name attributes>content</name>``.

    Attributes are keywords: a trailing underscore is dropped, others become hyphens (``class_``, ``aria_label``); None leaves an
    attribute out, True gives it without a value.
    """
    text = name
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        text += " " + key.rstrip("_").replace("_", "-")
        if value is not True:
            text += f'="{html.escape(str(value))}"'
    inside = escape(content)
    if not inside and name in _EMPTY:
        return Markup(f"<{text}/>")
    return Markup(f"<{text}>{inside}</{name}>")


def table(
    caption: str, head: Sequence[object], rows: Iterable[Sequence[object]], *, words: int = 1, foot: Sequence[object] = ()
) -> Markup:
    """A table that scrolls sideways where it is too wide. The first ``words`` columns hold words, the others numbers; the first
    cell of a row is its heading, ``foot`` one more row set apart."""

    def cells(row: Sequence[object], kind: str = "td") -> Markup:
        return escape(
            element(
                "th" if column == 0 or kind == "th" else "td",
                cell,
                scope=("col" if kind == "th" else "row") if column == 0 or kind == "th" else None,
                class_="word" if column < words else None,
            )
            for column, cell in enumerate(row)
        )

    body = element("tbody", [element("tr", cells(row)) for row in rows])
    bottom = element("tfoot", element("tr", cells(foot))) if foot else ""
    inside = element("caption", caption), element("thead", element("tr", cells(head, "th"))), body, bottom
    return element("div", element("table", inside), class_="scroll", role="region", aria_label=caption, tabindex="0")


def document(title: str, body: Markup, *, style: str = "", script: str = "") -> str:
    """A page that needs nothing from a network, for light and dark screens and paper; ``style`` comes after the common one."""
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(Path(__file__).with_name("page.css").read_text(encoding="utf-8") + style)),
    ]
    scripts = element("script", Markup(script)) if script else Markup("")
    return f'<!doctype html>\n<html lang="en"><head>{escape(head)}</head>\n<body>\n{body}\n{scripts}</body></html>\n'
