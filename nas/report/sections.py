"""What every section of the page is made of."""

from __future__ import annotations

from dataclasses import dataclass

from nas.markup import Markup, element, escape


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: ``anchor`` is its address on it."""

    anchor: str
    title: str
    body: Markup

    def markup(self) -> Markup:
        """The section under its heading."""
        heading = element("h2", self.title, id=f"{self.anchor}-title")
        return element("section", heading, self.body, id=self.anchor, aria_labelledby=f"{self.anchor}-title")


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
