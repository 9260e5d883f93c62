"""An explanation in words."""

from __future__ import annotations

from codegen.errors import UserError
from cost_models.limits import violations
from nas.layer_shares import LayerShare
from nas.study.explanation import Explanation, Figure, largest, layer_amount, shares
from nas.study.feasibility import OPTION, Feasibility, describe
from nas.text_table import table
from nas.units import format_count, format_size

NAMES = {"ram": "RAM", "flash": "flash", "latency": "latency", "macs": "MACs"}


def explanation_text(explanation: Explanation, name: str) -> str:
    """The explanation for people; ``name`` is what the network is called."""
    board = explanation.prediction.board
    lines = [f"{name} fits {board}"] if explanation.fits else [f"{name} does not fit {board}", *verdict(explanation)]
    lines += ["", *_limits(explanation), "", "largest layers"]
    for figure in explanation.figures:
        lines.append(f"  {_title(figure.limit):8} {'; '.join(layers_text(explanation, figure.limit))}")
    return "\n".join(lines)


def check_possible(fits: Feasibility) -> None:
    """Check that a modest network of the space fits.

    :raises UserError: naming the option, what that network needs and the layer that needs most of it.
    """
    closest = fits.modest()
    if not fits(closest):
        return
    worst = max(violations(fits.predict(closest), fits.limits), key=lambda violation: violation.value / max(violation.bound, 1e-9))
    needs = f"the smallest network of the space needs {describe(worst.limit, worst.value)}"
    most = "".join(f", most in {layer_text(layer, worst.limit)}" for layer in largest(shares(fits, closest), worst.limit)[:1])
    given = describe(worst.limit, worst.bound)
    raise UserError(f"{OPTION[worst.limit]}: no network fits into {given}; {needs} on {fits.board.name}{most}")


def verdict(explanation: Explanation) -> list[str]:
    """A line for each limit that is broken, with its layer, and one for the nearest changes that would fit."""
    lines = []
    for figure in explanation.figures:
        if figure.broken and figure.bound is not None:
            most = next(iter(layers_text(explanation, figure.limit)), "no layer")
            lines.append(f"{NAMES[figure.limit]} {_above(figure, figure.bound)}, most in {most}")
    if explanation.changes:
        return [*lines, f"{', or '.join(map(str, explanation.changes))}, fits"]
    return [*lines, "no one or two changes of it fit"]


def _above(figure: Figure, bound: float) -> str:
    """``41.2 KB > 32.0 KB``; to the byte, MAC or nanosecond where the two would look alike."""
    value, limit = figure.text(figure.value), figure.text(bound)
    if value != limit:
        return f"{value} > {limit}"
    unit, digits = {"ram": (" bytes", 0), "flash": (" bytes", 0), "latency": (" ms", 6), "macs": ("", 0)}[figure.limit]
    return f"{figure.value:,.{digits}f}{unit} > {bound:,.{digits}f}{unit}"


def layers_text(explanation: Explanation, limit: str) -> list[str]:
    """The layers that take most of what the limit is about, each with how much."""
    return [layer_text(layer, limit) for layer in explanation.largest(limit)]


def layer_text(layer: LayerShare, limit: str) -> str:
    """A layer with what it takes of what the limit is about."""
    value = layer_amount(layer, limit)
    amount = format_size(value) if limit in ("ram", "flash") else f"{format_count(value)} {_title(limit)}"
    return f"{layer.name} ({layer.op}) {amount}"


def _title(limit: str) -> str:
    return "cycles" if limit == "latency" else NAMES[limit]


def _limits(explanation: Explanation) -> list[str]:
    built = any(figure.built is not None for figure in explanation.figures)
    rows = [("", f"predicted, at most ({explanation.prediction.confidence:.0%})", "built", "limit", "of the limit")]
    for figure in explanation.figures:
        bound = "none" if figure.bound is None else figure.text(figure.bound)
        share = "" if figure.share is None else f"{figure.share:.1%}"
        measured = "" if figure.built is None else figure.text(figure.built)
        rows.append((NAMES[figure.limit], figure.text(figure.predicted), measured, bound, share))
    shown = rows if built else [(*row[:2], *row[3:]) for row in rows]
    return table(shown, "lrrrr" if built else "lrrr")
