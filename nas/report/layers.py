"""The winner layer by layer: memory and cycles, predicted and built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.markup import Markup, table
from nas.report.evidence import Evidence
from nas.report.sections import Section, absent, bar, join, paragraph


def layers_section(evidence: Evidence) -> Section:
    """A table with a row for each layer."""
    anchor, title = "layers", "Layer by layer"
    if not evidence.report:
        return Section(anchor, title, absent("There is no winner yet whose layers could be shown."))
    winner = evidence.report["winner"]
    built = winner["built"]["layers"]
    predicted = {layer["name"]: layer for layer in winner["predicted"].get("layers", ())}
    if not predicted:
        missing = "This run was made by a version that did not keep what was predicted of single layers."
        return Section(anchor, title, join(_built(built, winner["built"]), absent(missing)))
    ram = "RAM: bytes of the arena that hold something while the layer runs, planned and built alike."
    explanation = paragraph(f"{ram} {_flash(winner)}")
    return Section(anchor, title, join(_both(built, predicted, winner), explanation))


def _flash(winner: Mapping[str, Any]) -> str:
    """What the columns of flash mean."""
    constants = sum(layer["constants"] for layer in winner["predicted"]["layers"])
    total = (
        f"All code, what lies around the layers included: {winner['predicted']['flash']['value'] - constants:,} bytes predicted, "
        f"{winner['built']['flash']['code']:,} built."
    )
    if not _as_built(winner):
        return (
            "Code: of the layer's own function, as predicted; a layer that shares the function of an earlier one adds none. "
            f"Constants are exact. {total}"
        )
    return (
        "Code and constants as built, read off the program's symbols. Code: the layer's function and what that alone calls; a "
        f"layer with the function of an earlier one adds none, and what several functions call stands once, as shared. {total}"
    )


def _as_built(winner: Mapping[str, Any]) -> bool:
    """Whether the report holds what the program has for each layer; those of earlier versions do not."""
    return "shared" in winner["built"]["flash"]


def _share(layer: Mapping[str, Any], total: float) -> Markup:
    share = layer["cycles"] / total if total else 0.0
    return bar(share, f"{layer['name']}: {share:.0%} of the cycles")


def _between(layers: Sequence[Mapping[str, Any]], total: float) -> float:
    return total - float(sum(layer["cycles"] for layer in layers))


def _built(layers: Sequence[Mapping[str, Any]], built: Mapping[str, Any]) -> Markup:
    total = built["cycles"]
    rows = [(layer["name"], layer["op"], f"{layer['macs']:,}", f"{layer['cycles']:,.0f}", _share(layer, total)) for layer in layers]
    rest = "between the layers", "", "", f"{_between(layers, total):,.0f}", ""
    head = ("layer", "operator", "MACs", "cycles, built", "")
    return table("The winner's layers as built", head, rows, words=2, foot=rest)


def _both(layers: Sequence[Mapping[str, Any]], predicted: Mapping[str, Mapping[str, Any]], winner: Mapping[str, Any]) -> Markup:
    as_built = _as_built(winner)

    def row(layer: Mapping[str, Any]) -> tuple[object, ...]:
        promise = predicted.get(layer["name"])
        flash = layer["flash"] if as_built else promise
        memory = ("" if promise is None else f"{promise['ram']:,}", *_cells(flash))
        cycles = ("" if promise is None else f"{promise['cycles']:,}", f"{layer['cycles']:,.0f}")
        off = "" if promise is None or not layer["cycles"] else f"{promise['cycles'] / layer['cycles'] - 1:+.1%}"
        total = winner["built"]["cycles"]
        return (layer["name"], layer["op"], f"{layer['macs']:,}", *memory, *cycles, off, _share(layer, total))

    totals = winner["predicted"]["cycles"]["value"], winner["built"]["cycles"]
    rest = [f"{_between(part, total):,.0f}" for part, total in zip((list(predicted.values()), layers), totals, strict=True)]
    head = (
        "layer",
        "operator",
        "MACs",
        "RAM, bytes",
        "code, bytes",
        "constants, bytes",
        "cycles, predicted",
        "cycles, built",
        "off by",
        "",
    )
    rows = [row(layer) for layer in layers]
    flash = winner["built"]["flash"]
    if as_built:
        rows.append(("shared by layers", "", "", "", *_cells(flash["shared"]), "", "", "", ""))
    foot = ("between the layers", "", "", "", *_cells(flash.get("around")), *rest, "", "")
    return table("The winner's layers as predicted and built", head, rows, words=2, foot=foot)


def _cells(flash: Mapping[str, Any] | None) -> tuple[str, str]:
    return ("", "") if flash is None else (f"{flash['code']:,}", f"{flash['constants']:,}")
