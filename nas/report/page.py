"""The page as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from codegen.boards import load_board
from codegen.errors import UserError
from nas.datasets import name_of
from nas.markup import Markup, document, element, escape
from nas.report.baselines import baselines_section
from nas.report.confusion import confusion_section
from nas.report.evidence import Evidence
from nas.report.front import front_section
from nas.report.history import history_section
from nas.report.importances import importances_section
from nas.report.layers import layers_section
from nas.report.memory import memory_section
from nas.report.promises import promises_section
from nas.report.quantities import QUANTITIES
from nas.report.reproduction import reproduction_section
from nas.report.sections import Section
from nas.report.training import training_section
from nas.report.winner import winner_section
from nas.run_directory import RunDirectory

SECTIONS: tuple[Callable[[Evidence], Section], ...] = (
    winner_section,
    baselines_section,
    front_section,
    history_section,
    importances_section,
    promises_section,
    layers_section,
    memory_section,
    training_section,
    confusion_section,
    reproduction_section,
)
"""In the order of the page: what came of it, how it came about, how sure that is, how to get it again."""


def report_page(run: RunDirectory) -> str:
    """The page about ``run``, finished or not, as the text of one HTML file. The same run gives the same page.

    :raises UserError: if a file of the run is damaged.
    """
    evidence = Evidence(run)
    try:
        sections = [make(evidence) for make in SECTIONS]
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise UserError(f"{run.path}: report.json or {run.journal.name} is damaged ({error!r}); search anew") from error
    body = [
        element("a", "Skip to the winner", href="#winner", class_="skip"),
        element("header", _heading(evidence)),
        element("nav", [element("a", section.title, href=f"#{section.anchor}") for section in sections], aria_label="Sections"),
        element("main", [section.markup() for section in sections]),
    ]
    here = Path(__file__)
    style, script = (here.with_name(f"report.{ending}").read_text(encoding="utf-8") for ending in ("css", "js"))
    return document(_title(evidence), escape(body), style=style, script=script)


def _title(evidence: Evidence) -> str:
    return f"{name_of(evidence.settings.data)} on {load_board(evidence.settings.board).name}"


def _heading(evidence: Evidence) -> Markup:
    settings = evidence.settings
    board = load_board(settings.board)
    limits = {quantity: quantity.bound(settings.limits) for quantity in QUANTITIES}
    bounds = [f"{quantity.name} {quantity.text(bound)}" for quantity, bound in limits.items() if bound is not None]
    facts = [
        ("board", f"{board.name}, {board.core} at {board.clock_hz / 1e6:.0f} MHz"),
        ("limits", ", ".join(bounds) or "none"),
        ("search", f"{settings.sampler}, {len(evidence.trials)} trials in all, seed {settings.seed}"),
    ]
    data = evidence.report.get("data")
    if data is not None:
        shape = "x".join(map(str, data["input_shape"]))
        parts = f"{data['train']:,} to train on, {data['validation']:,} to validate on, {data['test']:,} to test on"
        facts.insert(0, ("data", f"{data['name']}: {len(data['classes'])} classes, inputs {shape}; {parts}"))
        if data.get("split"):
            facts.insert(1, ("split", data["split"]))
    items = [element("div", element("dt", name), element("dd", text)) for name, text in facts]
    return escape([element("h1", _title(evidence)), element("dl", items)])
