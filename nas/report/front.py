"""The front: accuracy against what it costs, every network that was trained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    fitting,
    horizontal,
    percent,
    polyline,
    steps,
    vertical,
    without_outliers,
)
from nas.report.evidence import SEARCH, Evidence, FinalistRecord, TrialRecord
from nas.report.marks import NAMES, SHAPES, legend, mark
from nas.report.quantities import QUANTITIES, Quantity
from nas.report.sections import Section, absent, join, more, paragraph

HINT = "Point at a mark, or press the arrow keys in the drawing, to see its network here."
NEAR = 1.6
"""A limit is drawn where it is no more than this many times what the most expensive network needs."""


@dataclass(frozen=True, slots=True)
class _Point:
    kind: str
    architecture: str
    accuracy: float
    costs: Mapping[str, float]
    title: str


def front_section(evidence: Evidence) -> Section:
    """A drawing of which the reader chooses the cost, and the same as a table."""
    if not evidence.trials:
        return Section("front", "Front", absent("No trial has ended yet."))
    points = [_of_trial(trial) for trial in evidence.trials] + [_of_finalist(finalist) for finalist in evidence.finalists]
    points.sort(key=lambda point: list(SHAPES).index(point.kind))  # what matters most is drawn last
    first = _tightest(evidence)
    return Section(
        "front",
        "Front",
        join(
            paragraph(
                f"{evidence.heading} on the validation data against cost. Trials are float networks after a short training, at "
                "predicted costs; what was built is fully trained, in int8, at measured costs. The line is the search's front."
            ),
            element("div", _choice(evidence, first), _chart(points, evidence, first), class_="picture"),
            legend([kind for kind in NAMES if any(point.kind == kind for point in points)]),
            element("p", HINT, id=f"{evidence.prefix}picked", role="status"),
            more("The front as a table", _table(evidence)),
        ),
    )


def _of_trial(trial: TrialRecord) -> _Point:
    kind, study = ("trial", "") if trial.study == SEARCH else ("random-trial", f" of {trial.study}")
    told = f"{trial.accuracy:.2%} as screened; predicted {_costs(trial.costs)}; {trial.network}"
    return _Point(kind, trial.architecture, trial.accuracy, trial.costs, f"Trial {trial.number}{study}: {told}")


def _of_finalist(finalist: FinalistRecord) -> _Point:
    kind = "finalist"
    if finalist.strategies:
        kind = "winner" if SEARCH in finalist.strategies else finalist.strategies[0]
    broken = f"; breaks the limit on {', '.join(finalist.entry['broken'])}" if finalist.entry["broken"] else ""
    built = f"{finalist.accuracy:.2%} in int8; built {_costs(finalist.costs)}{broken}; {finalist.network}"
    title = f"{finalist.label.capitalize()}{', the winner' if kind == 'winner' else ''}: {built}"
    return _Point(kind if kind in SHAPES else "baseline", finalist.architecture, finalist.accuracy, finalist.costs, title)


def _costs(costs: Mapping[str, float]) -> str:
    return ", ".join(f"{quantity.name} {quantity.text(costs[quantity.key])}" for quantity in QUANTITIES)


def _tightest(evidence: Evidence) -> Quantity:
    """The cost that comes nearest to its limit."""

    def share(quantity: Quantity) -> float:
        bound = quantity.bound(evidence.limits)
        return 0.0 if bound is None else max(trial.costs[quantity.key] for trial in evidence.trials) / bound

    return max(QUANTITIES, key=share)


def _choice(evidence: Evidence, first: Quantity) -> Markup:
    """Radio buttons; without scripts they would do nothing, so the script shows them."""
    name = f"{evidence.prefix}cost"
    buttons = [
        element("label", element("input", type="radio", name=name, value=cost.key, checked=cost is first), f" {cost.name}")
        for cost in QUANTITIES
    ]
    return element("fieldset", element("legend", f"{evidence.heading} against"), buttons, id=name, hidden=True)


def _chart(points: Sequence[_Point], evidence: Evidence, first: Quantity) -> Markup:
    rows, low = without_outliers([point.accuracy for point in points], HEIGHT - BOTTOM, TOP)
    columns = {quantity: _columns(quantity, points, evidence) for quantity in QUANTITIES}
    layers = []
    for quantity, scale in columns.items():
        unit = quantity.per
        axis = horizontal(
            Scale(scale.low / unit, scale.high / unit, scale.begin, scale.end, scale.logarithmic),
            f"{quantity.name}, {quantity.unit}{' (logarithmic)' if scale.logarithmic else ''}",
            lambda value: f"{value:,g}",
        )
        layers.append(
            element(
                "g",
                list(axis),
                _limit(quantity, scale, evidence),
                polyline(_front_line(quantity, scale, rows, evidence), class_="front"),
                data_cost=quantity.key,
                class_=None if quantity is first else "other",
            )
        )
    marks = []
    for point in points:
        places = [round(scale(point.costs[quantity.key]), 1) for quantity, scale in columns.items()]
        x = columns[first](point.costs[first.key])
        y = rows(point.accuracy)
        key = {"data_network": point.architecture, "data_x": json.dumps(places), "data_y": f"{y:.1f}"}
        marks.append(mark(point.kind, x, y, point.title, **key))
    order = " ".join(quantity.key for quantity in QUANTITIES)
    return drawing(
        f"{evidence.heading} of {len(points)} networks against their cost. The arrow keys go from one to the next.",
        list(vertical(rows, percent)),
        below(low),
        layers,
        marks,
        role="group",
        tabindex="0",
        class_="marks",
        data_costs=order,
    )


def _columns(quantity: Quantity, points: Sequence[_Point], evidence: Evidence) -> Scale:
    values = [point.costs[quantity.key] for point in points]
    bound = quantity.bound(evidence.limits)
    if bound is not None and bound <= NEAR * max(values):
        values.append(bound)
    return fitting(values, LEFT, WIDTH - RIGHT, may_be_logarithmic=True)


def _limit(quantity: Quantity, scale: Scale, evidence: Evidence) -> Markup:
    """The limit as a line, or where it is if it is far away."""
    bound = quantity.bound(evidence.limits)
    if bound is None:
        return Markup("")
    if bound > scale.high:
        text = f"limit {quantity.text(bound)} →"
        return element("text", text, x=WIDTH - RIGHT - 4, y=HEIGHT - BOTTOM - 6, text_anchor="end", class_="limit")
    x = scale(bound)
    line = element("path", d=f"M{x:.1f} {TOP}V{HEIGHT - BOTTOM}", class_="limit")
    text = f"limit {quantity.text(bound)}"
    return join(line, element("text", text, x=f"{x - 5:.1f}", y=HEIGHT - BOTTOM - 6, text_anchor="end", class_="limit"))


def _best(quantity: Quantity, evidence: Evidence) -> list[TrialRecord]:
    """The search's trials that are more accurate than all that cost no more, cheapest first."""
    front: list[TrialRecord] = []
    for trial in sorted(evidence.of_study(SEARCH), key=lambda trial: (trial.costs[quantity.key], -trial.accuracy)):
        if not front or trial.accuracy > front[-1].accuracy:
            front.append(trial)
    return front


def _front_line(quantity: Quantity, columns: Scale, rows: Scale, evidence: Evidence) -> list[tuple[float, float]]:
    front = [(columns(trial.costs[quantity.key]), rows(trial.accuracy)) for trial in _best(quantity, evidence)]
    return steps([*front, (columns.end, front[-1][1])]) if front else []


def _table(evidence: Evidence) -> Markup:
    on_front = {trial.number: trial for quantity in QUANTITIES for trial in _best(quantity, evidence)}
    rows = [
        (
            f"trial {trial.number}",
            f"{trial.accuracy:.2%}",
            *(quantity.text(trial.costs[quantity.key]) for quantity in QUANTITIES),
            element("code", trial.network, class_="network"),
        )
        for trial in sorted(on_front.values(), key=lambda trial: (-trial.accuracy, trial.number))
    ]
    head = ("", f"{evidence.metric} as screened", *(f"{quantity.name}, predicted" for quantity in QUANTITIES), "network")
    return table(f"Trials that no other beats in {evidence.metric} at a lower cost of one kind", head, rows)
