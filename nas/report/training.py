"""How the finalists' trainings went."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nas.markup import Markup, element, escape, table
from nas.report.axes import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Scale,
    drawing,
    fitting,
    horizontal,
    percent,
    polyline,
    vertical,
)
from nas.report.evidence import SEARCH, Evidence, FinalistRecord, network_text
from nas.report.sections import Section, absent, join, more, paragraph
from nas.study.finalists import Curves
from nas.units import format_duration

Curve = tuple[FinalistRecord, Curves]


def training_section(evidence: Evidence) -> Section:
    """Accuracy and loss by epoch, the winner's lines set apart."""
    anchor, title = "training", "Training of the finalists"
    kept = [(finalist, curves) for finalist in evidence.finalists if (curves := evidence.curves(finalist.architecture)) is not None]
    kept = [(finalist, curves) for finalist, curves in kept if curves.accuracy]
    if not kept:
        return Section(anchor, title, absent("The run holds no training curves of finalists."))
    charts = [_chart(f"{evidence.heading} on the validation data", kept, lambda curves: curves.accuracy, percent)]
    with_loss = [curve for curve in kept if curve[1].loss]
    if with_loss:
        charts.append(_chart("Mean training loss", with_loss, lambda curves: curves.loss, lambda value: f"{value:g}"))
    return Section(
        anchor,
        title,
        join(
            paragraph("Float training by epoch, before quantisation-aware fine-tuning; the winner's line is the thick one."),
            _augmentation(evidence),
            _teacher(evidence),
            _folds(evidence),
            _refit(evidence),
            _weight_bits(evidence),
            element("div", [element("div", chart, class_="picture") for chart in charts], class_="panels"),
            escape("") if with_loss else absent("This run was made by a version that did not keep the training loss."),
            _table(kept),
        ),
    )


def _augmentation(evidence: Evidence) -> Markup:
    """How their examples were varied."""
    if "augmentation" not in evidence.report:  # older runs, and those that have not ended
        return escape("")
    words = evidence.report["augmentation"]
    return paragraph("Examples were taken as they are." if words is None else f"Examples were varied: {words}.")


def _teacher(evidence: Evidence) -> Markup:
    """The network that the finalists learnt from."""
    teacher = evidence.report.get("teacher")
    if teacher is None:
        return escape("")
    if "error" in teacher:
        return absent(f"The finalists learnt from the labels alone: the training of a teacher failed ({teacher['error']}).")
    return join(
        paragraph(
            f"The finalists learnt from the labels and from a larger network of {teacher['macs']:,} MACs, the teacher, which was "
            f"trained in {format_duration(teacher['seconds'])}. In float its {evidence.metric} on the validation data is "
            f"{teacher['validation']['float']:.2%}; it counts for {teacher['weight']:.0%} of the loss, at a temperature of "
            f"{teacher['temperature']:g}."
        ),
        more("The teacher", paragraph(element("code", network_text(teacher["network"])))),
    )


def _folds(evidence: Evidence) -> Markup:
    """How often they were trained."""
    folds = evidence.report.get("data", {}).get("folds", 1)
    if folds == 1:
        return escape("")
    return paragraph(
        f"There are few examples: each network was trained {folds} times, each time with another fold of them to validate on. "
        "Accuracies and losses are means over the folds."
    )


def _refit(evidence: Evidence) -> Markup:
    """What became of them when all this was known."""
    if not evidence.report.get("refit"):
        return escape("")
    return paragraph(
        "After that each was trained once more, on the validation data, too: such networks were built and tested. What is said of "
        "validation data is of those before."
    )


def _weight_bits(evidence: Evidence) -> Markup:
    """What their weights take."""
    if evidence.report.get("weight_bits", 8) == 8:
        return escape("")
    return paragraph("Weights of wide layers were fine-tuned to 4 bits; the program unpacks them, a layer at a time.")


def _chart(name: str, curves: Sequence[Curve], values: Callable[[Curves], Sequence[float]], text: Callable[[float], str]) -> Markup:
    rows = fitting([value for _, kept in curves for value in values(kept)], HEIGHT - BOTTOM, TOP)
    last = max(2, *(len(values(kept)) for _, kept in curves))
    columns = Scale(1, last, LEFT + 6, WIDTH - RIGHT)
    lines = []
    for finalist, kept in sorted(curves, key=lambda curve: SEARCH in curve[0].strategies):
        points = [(columns(epoch), rows(value)) for epoch, value in enumerate(values(kept), start=1)]
        kind = "winner" if SEARCH in finalist.strategies else "finalist"
        title = element("title", f"{finalist.label}: {text(values(kept)[-1])} after {len(points)} epochs")
        lines.append(element("g", title, polyline(points, class_=f"curve {kind}")))
    axis = horizontal(columns, "epoch", lambda value: f"{value:g}" if value.is_integer() else "")
    heading = element("text", name, x=LEFT + 6, y=TOP - 2, class_="title")
    return drawing(f"{name} by epoch of {len(curves)} finalists", list(vertical(rows, text)), list(axis), lines, heading)


def _table(curves: Sequence[Curve]) -> Markup:
    rows = [
        (
            finalist.label,
            f"{len(kept.accuracy)}",
            f"{kept.loss[-1]:.4f}" if kept.loss else "",
            f"{finalist.entry['validation']['float']:.2%}",
            f"{finalist.accuracy:.2%}",
            "fine-tuned" if finalist.entry.get("fine_tuned", True) else "rounded",
        )
        for finalist, kept in curves
    ]
    head = ("", "epochs", "last training loss", "float, validation", "int8, validation", "int8 form")
    return table("Finalists after their training", head, rows)
