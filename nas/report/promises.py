"""What was promised of every finalist before it was trained, beside what its built program does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nas.markup import Markup, element, table
from nas.report.axes import LEFT, RIGHT, WIDTH, Scale, drawing, fitting
from nas.report.evidence import Evidence, FinalistRecord
from nas.report.marks import mark
from nas.report.sections import Section, absent, join, paragraph
from nas.report.winner import interval_text

_NAMES = 128
"""Room for the finalists' names."""
_ROW = 24
_AXIS = 26


class _Figure(NamedTuple):
    name: str
    predicted: Mapping[str, float]
    built: float


def promises_section(evidence: Evidence) -> Section:
    """Intervals with what was built inside or outside of them, as drawings and as a table."""
    anchor, title = "promises", "Predicted and built"
    finalists = evidence.finalists
    if not finalists:
        return Section(anchor, title, absent("No finalist has been built yet."))
    confidence = evidence.settings.confidence
    names = [figure.name for figure in _figures(finalists[0])]
    charts = [element("div", _chart(name, finalists), class_="picture") for name in names]
    told = (
        f"Lines are {confidence:.0%} intervals of the cost model, marks what the built programs do, both relative to the "
        "prediction. Of RAM the arena is known to the byte, the left end of its line, and the stack at most."
    )
    return Section(
        anchor,
        title,
        join(
            paragraph(told),
            element("div", charts, class_="panels"),
            _table(finalists, confidence),
            paragraph(_verdict(evidence.report["cost_model"])),
        ),
    )


def _figures(finalist: FinalistRecord) -> tuple[_Figure, ...]:
    predicted, built = finalist.entry["predicted"], finalist.entry["built"]
    most = predicted["ram"]["total"]
    return (
        _Figure("Cycles", predicted["cycles"], built["cycles"]),
        _Figure("Latency", predicted["latency_ms"], built["latency_ms"]),
        _Figure("Flash", predicted["flash"], built["flash"]["total"]),
        _Figure("RAM", {"value": most, "low": predicted["ram"]["arena"], "high": most}, built["ram"]["total"]),
    )


def _chart(name: str, finalists: Sequence[FinalistRecord]) -> Markup:
    height = 24 + _ROW * len(finalists) + _AXIS
    rows = [(finalist, figure) for finalist in finalists for figure in _figures(finalist) if figure.name == name]
    ends = [
        value / figure.predicted["value"] - 1
        for _, figure in rows
        for value in (figure.predicted["low"], figure.predicted["high"], figure.built)
    ]
    reach = max(1e-4, *map(abs, ends))
    scale = fitting([-reach, reach], _NAMES, WIDTH - RIGHT)
    parts: list[object] = [element("text", name, x=LEFT - 40, y=16, class_="title")]
    base = 24 + _ROW * len(finalists)
    for tick in scale.ticks(5):
        x = f"{scale(tick):.1f}"
        parts.append(element("path", d=f"M{x} 24V{base}", class_="grid"))
        parts.append(element("text", f"{100 * tick:+.3g}%" if tick else "as predicted", x=x, y=base + 16, text_anchor="middle"))
    for number, (finalist, figure) in enumerate(rows):
        parts.append(_row(finalist, figure, scale, 24 + _ROW * (number + 0.5)))
    inside = sum(f.predicted["low"] <= f.built <= f.predicted["high"] for _, f in rows)
    label = f"{name}: {inside} of {len(rows)} built figures lie in their predicted interval; the table has the numbers."
    return drawing(label, parts, height=height)


def _row(finalist: FinalistRecord, figure: _Figure, scale: Scale, y: float) -> Markup:
    centre, ends = figure.predicted["value"], (figure.predicted["low"], figure.predicted["high"])
    low, high, at = (scale(value / centre - 1) for value in (*ends, figure.built))
    kind = "winner" if "search" in finalist.strategies else "finalist"
    title = f"{finalist.label}: built {figure.built:,.6g}, predicted {centre:,.6g} ({ends[0]:,.6g} to {ends[1]:,.6g})"
    return join(
        element("text", finalist.label, x=_NAMES - 10, y=f"{y + 4:.1f}", text_anchor="end"),
        element("path", d=f"M{low:.1f} {y:.1f}H{high:.1f}M{low:.1f} {y - 5:.1f}v10M{high:.1f} {y - 5:.1f}v10", class_="interval"),
        mark(kind, at, y, title),
    )


def _table(finalists: Sequence[FinalistRecord], confidence: float) -> Markup:
    def row(finalist: FinalistRecord) -> tuple[object, ...]:
        predicted, built = finalist.entry["predicted"], finalist.entry["built"]
        return (
            finalist.label,
            f"{finalist.accuracy:.2%}",
            f"at most {predicted['ram']['total']:,}",
            f"{built['ram']['total']:,}",
            interval_text(predicted["flash"]),
            f"{built['flash']['total']:,}",
            interval_text(predicted["latency_ms"], 3),
            f"{built['latency_ms']:,.3f}",
            ", ".join(finalist.entry["broken"]) or "none",
        )

    head: list[object] = ["", "validation, int8"]
    for name in ("RAM, bytes", "flash, bytes", "latency, ms"):
        head += [f"{name}: predicted", "built"]
    caption = f"Finalists as predicted ({confidence:.0%} intervals) and built"
    return table(caption, (*head, "limits broken"), [row(finalist) for finalist in finalists])


def _verdict(cost_model: Mapping[str, Any]) -> str:
    figures = cost_model["figures"]
    errors = " and ".join(f"{name} by {figures[name]['error']:.2%}" for name in ("cycles", "flash"))
    outside = [f"{figure['outside']} of {name}" for name, figure in figures.items() if figure["outside"]]
    refitted = f" The cost model was refitted; {cost_model['refitted']} holds it." if cost_model["refitted"] else ""
    return (
        f"Over {figures['cycles']['networks']} networks built the cost model was off in {errors} on average; "
        f"outside of what was predicted: {', '.join(outside) or 'nothing'}.{refitted}"
    )
