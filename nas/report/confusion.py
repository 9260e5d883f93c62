"""What the winner takes for what, on the test part."""

from __future__ import annotations

from collections.abc import Sequence

from nas.markup import Markup, element, table
from nas.report.evidence import Evidence
from nas.report.sections import Section, absent, join, more, paragraph

MOST_CLASSES = 40
"""With more classes the matrix is left out: nobody reads it."""
MOST_MISTAKES = 12


def confusion_section(evidence: Evidence) -> Section:
    """The confusion matrix of the int8 program, the commonest mistakes, and recall by class."""
    anchor, title = "confusion", "What is taken for what"
    if not evidence.report:
        return Section(anchor, title, absent("The test part stays untouched until the search has ended."))
    matrix = evidence.report["winner"]["test"].get("confusion")
    if matrix is None and "alarm" in evidence.report["winner"]["test"]:
        return Section(anchor, title, absent("An anomaly detector has no classes; what its alarm detects is told with the winner."))
    if matrix is None:
        missing = "This run was made by a version that did not keep the winner's confusion matrix; 'nas search' keeps it now."
        return Section(anchor, title, absent(missing))
    classes = [str(name) for name in evidence.report["data"]["classes"]]
    total = sum(map(sum, matrix))
    right = sum(matrix[i][i] for i in range(len(classes)))
    parts: list[object] = [paragraph(f"The int8 program is right on {right:,} of {total:,} test examples.")]
    if len(classes) <= MOST_CLASSES:
        parts.append(_matrix(classes, matrix))
    parts += [_mistakes(classes, matrix), more("Every class", _recall(classes, matrix))]
    return Section(anchor, title, join(*parts))


def _matrix(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> Markup:
    def cell(row: int, column: int) -> Markup:
        count, of = matrix[row][column], sum(matrix[row]) or 1
        if not count:
            return element("span", "·", class_="cell none")
        kind = "right" if row == column else "wrong"
        return element("span", f"{count:,}", class_=f"cell {kind}", style=f"--share: {0.15 + 0.6 * count / of:.2f}")

    rows = [(name, *(cell(row, column) for column in range(len(classes)))) for row, name in enumerate(classes)]
    head = ("is ↓, taken for →", *classes)
    caption = "Test examples of each class by the class that the winner takes them for"
    return element("div", table(caption, head, rows), class_="matrix")


def _mistakes(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> Markup:
    wrong = [(count, i, j) for i, row in enumerate(matrix) for j, count in enumerate(row) if count and i != j]
    if not wrong:
        return paragraph("No test example is taken for another class.")
    wrong.sort(key=lambda mistake: (-mistake[0], mistake[1], mistake[2]))
    rows = [(classes[i], classes[j], f"{count:,}", f"{count / sum(matrix[i]):.1%}") for count, i, j in wrong[:MOST_MISTAKES]]
    return table("The commonest mistakes", ("is", "taken for", "examples", "of its class"), rows, words=2)


def _recall(classes: Sequence[str], matrix: Sequence[Sequence[int]]) -> Markup:
    def row(i: int) -> tuple[str, ...]:
        own, taken = sum(matrix[i]), sum(line[i] for line in matrix)
        recall = f"{matrix[i][i] / own:.1%}" if own else ""
        precision = f"{matrix[i][i] / taken:.1%}" if taken else ""
        return classes[i], f"{own:,}", recall, precision

    head = ("class", "test examples", "recall", "precision")
    caption = "Recall (of its examples found) and precision (of what is taken for it right)"
    return table(caption, head, map(row, range(len(classes))))
