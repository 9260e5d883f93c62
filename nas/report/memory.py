"""The winner's arena over time: the drawing that its C project holds."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from nas.markup import Markup, element
from nas.report.evidence import Evidence
from nas.report.sections import Section, absent, join, paragraph

_ELEMENTS = frozenset({"svg", "g", "rect", "path", "text", "title"})
_SVG = "{http://www.w3.org/2000/svg}"


def memory_section(evidence: Evidence) -> Section:
    """``winner/memory_map.svg`` as part of the page."""
    path = evidence.place.winner / "memory_map.svg"
    map_drawn = inlined(path, "Memory map of the winner's arena: layers from left to right, bytes from bottom to top")
    if map_drawn is None:
        return Section("memory", "Memory over time", absent(f"{path} is not there or is no memory map, so none is shown."))
    return Section(
        "memory",
        "Memory over time",
        join(
            paragraph("What lies where in the arena while which layer runs. Rest the pointer on a box for its name and size."),
            element("div", map_drawn, class_="scroll map", role="region", aria_label="Memory map", tabindex="0"),
        ),
    )


def inlined(path: Path, label: str) -> Markup | None:
    """The drawing at ``path`` without anything but shapes and text; None if it is no such drawing."""
    try:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    except (OSError, ElementTree.ParseError, UnicodeDecodeError):
        return None
    if root.tag != f"{_SVG}svg":
        return None
    for node in root.iter():
        node.tag = node.tag.removeprefix(_SVG) if isinstance(node.tag, str) else ""
        if node.tag not in _ELEMENTS or any(not _harmless(name, value) for name, value in node.attrib.items()):
            return None
    root.set("role", "img")
    root.set("aria-label", label)
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _harmless(name: str, value: str) -> bool:
    return not name.lower().startswith("on") and "href" not in name and name != "style" and "url(" not in value
