"""The page as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from codegen.errors import UserError
from nas.datasets import name_of
from nas.files import write_atomically
from nas.markup import Markup, document, element, escape
from nas.report.baselines import baselines_section
from nas.report.confusion import confusion_section
from nas.report.evidence import Evidence
from nas.report.front import front_section
from nas.report.history import history_section
from nas.report.importances import importances_section
from nas.report.layers import layers_section
from nas.report.memory import memory_section
from nas.report.overview import overview_section
from nas.report.promises import promises_section
from nas.report.quantities import QUANTITIES
from nas.report.reproduction import reproduction_section
from nas.report.sections import Section
from nas.report.training import training_section
from nas.report.winner import winner_section
from nas.run_directory import RunDirectory
from nas.study.board_report import board_names
from nas.study.settings import read_run_settings
from nas.summary import parts_text

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
SHARED = (importances_section, reproduction_section)
"""Those that are not about a board."""


def write_report(run: RunDirectory, out: Path | None = None, board: str | None = None) -> Path:
    """Write the page about ``run``, or about one ``board`` of it, by default to ``report.html`` in its directory; returns the file.

    :raises UserError: if there is no such folder, or as :func:`report_page`.
    """
    path = run.path / "report.html" if out is None else out
    if not path.absolute().parent.is_dir():
        raise UserError(f"--out {path}: there is no folder {path.absolute().parent}")
    write_atomically(path, report_page(run, board))
    return path


def report_page(run: RunDirectory, board: str | None = None) -> str:
    """The page about ``run``, finished or not, as the text of one HTML file. The same run gives the same page.

    :param board: of a run with several, the one to tell of; all of them where none is named.
    :raises UserError: if a file of the run is damaged, or there is no such board.
    """
    names = board_names(read_run_settings(run)) if board is None else (board,)
    boards = [Evidence(run, name) for name in names]
    try:
        return _one(boards[0]) if len(boards) == 1 else _several(boards)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise UserError(f"{run.path}: report.json or {run.journal.name} is damaged ({error!r}); search anew") from error


def _one(evidence: Evidence) -> str:
    sections = [make(evidence) for make in SECTIONS]
    title = f"{name_of(evidence.settings.data)} on {evidence.board.name}"
    facts = [*_data(evidence), *_board(evidence), _search(evidence)]
    links = [(section.anchor, section.title) for section in sections]
    return _document(title, facts, links, [section.markup() for section in sections])


def _several(boards: Sequence[Evidence]) -> str:
    """An overview, a part for each board with the sections that are about one, and the others once."""
    first = boards[0]
    names = [evidence.board.name for evidence in boards]
    title = f"{name_of(first.settings.data)} on {', '.join(names[:-1])} and {names[-1]}"
    facts = [*_data(first), _search(first)]
    overview = overview_section(boards)
    shared = [make(next((evidence for evidence in boards if evidence.report), first)) for make in SHARED]
    links = [(section.anchor, section.title) for section in (overview, *shared)]
    links[1:1] = [(name, name) for name in names]
    parts = [overview.markup(), *map(_part, boards), *(section.markup() for section in shared)]
    return _document(title, facts, links, parts)


def _part(evidence: Evidence) -> Markup:
    """All that is about one board of several."""
    sections = [make(evidence) for make in SECTIONS if make not in SHARED]
    links = [element("a", section.title, href=f"#{evidence.prefix}{section.anchor}") for section in sections]
    name = evidence.board.name
    return element(
        "div",
        element("h2", name, id=name),
        _facts(_board(evidence)),
        element("nav", links, aria_label=f"Sections about {name}"),
        [section.markup(evidence.prefix) for section in sections],
        class_="board",
    )


Fact = tuple[str, str]


def _document(title: str, facts: Sequence[Fact], links: Sequence[tuple[str, str]], parts: Sequence[Markup]) -> str:
    anchor, first = links[0]
    body = [
        element("a", f"Skip to the {first.lower()}", href=f"#{anchor}", class_="skip"),
        element("header", escape([element("h1", title), _facts(facts)])),
        element("nav", [element("a", text, href=f"#{place}") for place, text in links], aria_label="Sections"),
        element("main", parts),
    ]
    here = Path(__file__)
    style, script = (here.with_name(f"report.{ending}").read_text(encoding="utf-8") for ending in ("css", "js"))
    return document(title, escape(body), style=style, script=script)


def _facts(facts: Sequence[Fact]) -> Markup:
    return element("dl", [element("div", element("dt", name), element("dd", text)) for name, text in facts])


def _data(evidence: Evidence) -> list[Fact]:
    data = evidence.report.get("data")
    if data is None:
        return []
    shape = "x".join(map(str, data["input_shape"]))
    parts = f"{parts_text(data['train'], data['validation'], data.get('folds', 1))}, {data['test']:,} to test on"
    split = [("split", data["split"])] if data.get("split") else []
    return [("data", f"{data['name']}: {len(data['classes'])} classes, inputs {shape}; {parts}"), *split]


def _board(evidence: Evidence) -> list[Fact]:
    board = evidence.board
    limits = {quantity: quantity.bound(evidence.limits) for quantity in QUANTITIES}
    bounds = [f"{quantity.name} {quantity.text(bound)}" for quantity, bound in limits.items() if bound is not None]
    return [
        ("board", f"{board.name}, {board.core} at {board.clock_hz / 1e6:.0f} MHz"),
        ("limits", ", ".join(bounds) or "none"),
    ]


def _search(evidence: Evidence) -> Fact:
    settings, trials = evidence.settings, sum(len(study.trials) for study in evidence.studies.values())
    return "search", f"{settings.sampler}, {trials} trials in all, seed {settings.seed}"
