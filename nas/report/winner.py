"""The winner: how good it is, what it takes, and how near each limit is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from codegen.cores import find_core
from nas.markup import Markup, element, table
from nas.report.evidence import Evidence, network_text
from nas.report.listening import listening
from nas.report.sections import Section, absent, bar, join, more, paragraph
from nas.summary import alarm_lines
from nas.units import format_count


def winner_section(evidence: Evidence) -> Section:
    """How good it is, figures against limits, and the network itself."""
    if evidence.no_winner is not None:
        return Section("winner", "Winner", absent(f"{evidence.no_winner[0].upper()}{evidence.no_winner[1:]}."))
    if not evidence.report:
        body = absent(f"The search has not ended, so there is no winner yet; 'nas resume {evidence.run.path}' goes on with it.")
        return Section("winner", "Winner", body)
    winner = evidence.report["winner"]
    trial, test = winner["trial"], winner["test"]
    headline = element("strong", f"{evidence.heading} {test['int8']:.2%}")
    about = (
        f" on {test['n']:,} test examples: trial {trial['number']}, as the int8 program that runs on the chip "
        f"({test['float']:.2%} in float)."
    )
    return Section(
        "winner",
        "Winner",
        join(
            paragraph(headline, about, _certainty(test)),
            _groups(evidence.metric, test),
            [paragraph(line[0].upper() + line[1:], ".") for line in alarm_lines(test)],
            listening(winner.get("stream")),
            _figures(evidence, winner),
            more(
                "The network",
                paragraph(element("code", network_text(trial["network"]))),
                table("Its choices", ("choice", "value"), trial["params"].items(), words=2),
            ),
        ),
    )


def _certainty(test: Mapping[str, Any]) -> str:
    if "interval" not in test:  # older runs
        return ""
    low, high = test["interval"]
    return f" Counted on so many, other examples of the same source may give {low:.1%} to {high:.1%} (95% interval)."


def _groups(metric: str, test: Mapping[str, Any]) -> Markup:
    """How the winner does by person, or whatever the groups are."""
    groups = test.get("groups")
    if groups is None or groups["count"] < 2:
        return Markup("")
    spread = f"{groups['min']:.1%} to {groups['max']:.1%}, median {groups['median']:.1%}"
    rows = [(group["name"], f"{group['score']:.1%}", f"{group['n']:,}") for group in groups["lowest"]]
    return join(
        paragraph(f"By {groups['kind']}: {spread} over {groups['count']}."),
        more("Those that it fails most", table(f"Lowest {metric} by {groups['kind']}", (groups["kind"], metric, "examples"), rows)),
    )


def interval_text(value: Mapping[str, float], digits: int = 0) -> str:
    """A prediction with the ends of its interval, with so many digits after the point."""
    return f"{value['value']:,.{digits}f} ({value['low']:,.{digits}f} to {value['high']:,.{digits}f})"


def _figures(evidence: Evidence, winner: Mapping[str, Any]) -> Markup:
    limits, confidence = evidence.report["limits"], winner["predicted"]["confidence"]

    def rows() -> Iterator[tuple[object, ...]]:
        predicted, built = winner["predicted"], winner["built"]
        figures = (
            ("RAM, bytes", f"at most {predicted['ram']['total']:,}", built["ram"]["total"], limits["ram"], 0),
            ("Flash, bytes", interval_text(predicted["flash"]), built["flash"]["total"], limits["flash"], 0),
            ("Latency, ms", interval_text(predicted["latency_ms"], 3), built["latency_ms"], limits["latency_ms"], 3),
            ("MACs", f"{predicted['macs']:,}", built["macs"], limits["macs"], 0),
            ("Cycles", interval_text(predicted["cycles"]), built["cycles"], None, 0),
        )
        for name, promise, value, bound, digits in figures:
            if bound is None:
                yield name, promise, f"{value:,.{digits}f}", "none", "", ""
                continue
            share = value / bound
            filled = bar(share, f"{name}: {share:.0%} of the limit")
            yield name, promise, f"{value:,.{digits}f}", f"{bound:,.{digits}f}", f"{share:.1%}", filled

    head = ("", f"predicted ({confidence:.0%} interval)", "built", "limit", "of the limit", "")
    note = find_core(winner["built"]["core"]).timing_note
    counted = f"Cycles are counted by emulation{f' ({note})' if note else ''}; latency on the board is an estimate made from them. "
    ram = winner["built"]["ram"]
    state = f" and {ram['state']:,} of state that the features keep" if "state" in ram else ""
    parts = (
        f"RAM is {ram['arena']:,} bytes of arena, {ram['stack']:,} of stack, {ram['static']:,} of static variables"
        f"{state}; "
        f"flash {winner['built']['flash']['code']:,} bytes of code and {winner['built']['flash']['constants']:,} of constants; "
        f"{format_count(winner['built']['instructions'])} instructions an inference."
    )
    return join(table("The winner as predicted before training, as built, and the limits", head, rows()), paragraph(counted, parts))
