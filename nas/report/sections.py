"""What every section of the page is made of."""

from __future__ import annotations

from dataclasses import dataclass

from nas.markup import Markup, element, escape


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: ``anchor`` is its address on it, or on a board's part of it."""

    anchor: str
    title: str
    body: Markup

    def markup(self, prefix: str = "") -> Markup:
        """The section under its heading; with the ``prefix`` of a board's part of the page, under a smaller one."""
        anchor = f"{prefix}{self.anchor}"
        heading = element("h3" if prefix else "h2", self.title, id=f"{anchor}-title")
        return element("section", heading, self.body, id=anchor, aria_labelledby=f"{anchor}-title")


def paragraph(*content: object) -> Markup:
    """A paragraph of text."""
    return element("p", *content)


def absent(sentence: str) -> Markup:
    """Says in one sentence what the run does not hold."""
    return element("p", sentence, class_="absent")


def more(summary: str, *content: object) -> Markup:
    """What is folded away until somebody asks for it; printed all the same."""
    return element("details", element("summary", summary), *content)


def join(*parts: object) -> Markup:
    """Parts of a section one after the other."""
    return escape(parts)


def bar(share: float, label: str, *, kind: str = "") -> Markup:
    """A bar that fills this share (0..1) of its room; one that is overfull says so by its colour."""
    kind = "bar over" if share > 1 else f"bar {kind}".strip()
    filled = element("rect", width=f"{100 * min(1.0, max(share, 0.004)):.1f}", height=10)
    room = element("rect", width=100, height=10, class_="room")
    return element("svg", room, filled, class_=kind, viewBox="0 0 100 10", preserveAspectRatio="none", role="img", aria_label=label)
