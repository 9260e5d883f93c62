"""How often the winner is wrong when it listens all the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen.project.operation_words import OperationWords, operation_words
from nas.markup import Markup, element, table
from nas.report.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, drawing, fitting, horizontal, percent, polyline, vertical
from nas.report.marks import mark
from nas.report.sections import join, more, paragraph
from nas.summary import stream_lines


def listening(stream: Mapping[str, Any] | None) -> Markup:
    """False accepts against false rejects over thresholds, on a stream made of the test part; nothing for other networks."""
    if stream is None:
        return Markup("")
    operation = stream["operation"]
    words, test = operation_words(operation), operation["test"]
    accepts = "false_accepts_per_hour" if test["hours"] else "false_accepts"
    title = f"{words.false} an hour" if test["hours"] else words.false
    rows = [(words.threshold(p), f"{p[accepts]:.4g}", f"{p['false_rejects']:.1%}") for p in test["curve"]]
    return join(
        [paragraph(line[0].upper() + line[1:], ".") for line in stream_lines(stream)],
        more(
            f"{_capital(words.false)} and {words.missed} by threshold",
            paragraph(operation["rule"], f" The stream is made of {test['made_of']}."),
            _chart(test, accepts, title, words),
            table("Every threshold", ("threshold", title, words.missed), rows, words=0),
        ),
    )


def _chart(test: Mapping[str, Any], accepts: str, title: str, words: OperationWords) -> Markup:
    points, chosen = test["curve"], test["chosen"]
    columns = fitting([point[accepts] for point in points], LEFT + 6, WIDTH - RIGHT)
    rows = fitting([point["false_rejects"] for point in points], HEIGHT - BOTTOM, TOP)
    line = polyline([(columns(point[accepts]), rows(point["false_rejects"])) for point in points], class_="curve")
    there = f"threshold {words.threshold(chosen)}: {chosen[accepts]:.4g} {title}, {chosen['false_rejects']:.1%} {words.missed}"
    star = mark("winner", columns(chosen[accepts]), rows(chosen["false_rejects"]), there)
    axis = horizontal(columns, title, lambda value: f"{value:g}")
    picture = drawing(f"{_capital(words.missed)} by {title}", list(vertical(rows, percent)), list(axis), line, star)
    return element("div", picture, class_="picture")


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
