"""How the search went on: each trial's accuracy, and the best so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.markup import Markup, element, table
from nas.report.axes import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Scale,
    below,
    drawing,
    horizontal,
    percent,
    polyline,
    steps,
    vertical,
    without_outliers,
)
from nas.report.evidence import SEARCH, Evidence, TrialRecord
from nas.report.marks import legend, mark
from nas.report.sections import Section, absent, join, more, paragraph
from nas.summary import stopped_text
from nas.units import format_duration


def history_section(evidence: Evidence) -> Section:
    """A drawing of the trials in order, and what was rejected before there was a trial."""
    if not evidence.trials:
        return Section("history", "Search history", absent("No trial has ended yet."))
    studies = evidence.report.get("studies", {})
    told = [paragraph(_study(name, study)) for name, study in studies.items()]
    return Section(
        "history",
        "Search history",
        join(
            paragraph(f"{evidence.heading} on the validation data as screened; a line is the best so far."),
            element("div", _chart(evidence), class_="picture"),
            legend(["trial", "random-trial"][: len(evidence.studies)]),
            told or absent("How many candidates were rejected is counted when the search ends."),
            more("Each new best as a table", _table(evidence)),
        ),
    )


def improvements(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that were better than all before them."""
    found: list[TrialRecord] = []
    for trial in trials:
        if not found or trial.accuracy > found[-1].accuracy:
            found.append(trial)
    return found


def _chart(evidence: Evidence) -> Markup:
    rows, low = without_outliers([trial.accuracy for trial in evidence.trials], HEIGHT - BOTTOM, TOP)
    last = max(1, *(trial.number for trial in evidence.trials))
    columns = Scale(0, last, LEFT + 6, WIDTH - RIGHT)
    parts: list[object] = []
    for name in evidence.studies:
        trials, kind = evidence.of_study(name), "trial" if name == SEARCH else "random-trial"
        best = [(columns(trial.number), rows(trial.accuracy)) for trial in improvements(trials)]
        if best:
            line = steps([*best, (columns(trials[-1].number), best[-1][1])])
            parts.append(polyline(line, class_=f"best {kind}"))
        for trial in trials:
            title = f"{name} {trial.number}: {trial.accuracy:.2%}"
            parts.append(mark(kind, columns(trial.number), rows(trial.accuracy), title, data_network=trial.architecture))
    label = f"{evidence.heading} of each trial in order, with the best so far as a line; the table below tells each new best."
    axis = horizontal(columns, "trial", lambda value: f"{value:g}" if value.is_integer() else "")
    return drawing(label, list(vertical(rows, percent)), list(axis), below(low), parts, class_="marks")


def _study(name: str, study: Mapping[str, Any]) -> str:
    rejected = study["rejected"]
    reasons = ", ".join(f"{limit} {count:,}" for limit, count in rejected["by_limit"].items())
    failed = f", {study['failed']} failed" if study["failed"] else ""
    seconds = study["training_seconds"]
    return (
        f"{name} ({study['sampler']}): {study['completed']} trials{failed}{stopped_text(study)}; "
        f"{format_duration(seconds)} of training; "
        f"{rejected['candidates']:,} candidates were rejected before training{f' ({reasons})' if reasons else ''}."
        f"{_rungs(study)}"
    )


def _rungs(study: Mapping[str, Any]) -> str:
    """How well shorter trainings rank the networks that were trained to the end."""
    found = study.get("early_stops", {}).get("rank_correlation")  # which earlier versions did not have
    if not found:
        return ""
    told = ", ".join(f"{value:.2f} after {rung}" for rung, value in found.items())
    return f" Rank correlation of validation with that of the whole training, by epochs: {told}."


def _table(evidence: Evidence) -> Markup:
    rows = [
        (f"{name} {trial.number}", f"{trial.accuracy:.2%}", element("code", trial.network, class_="network"))
        for name in evidence.studies
        for trial in improvements(evidence.of_study(name))
    ]
    return table("Trials that were better than all before them", ("trial", f"{evidence.metric} as screened", "network"), rows)
