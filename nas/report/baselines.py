"""The winner beside what others would take: a random search and the largest network that fits, with no more compute, and what one
draws by hand."""

from __future__ import annotations

from nas.markup import table
from nas.report.evidence import SEARCH, Evidence
from nas.report.quantities import FLASH, LATENCY, MACS, RAM
from nas.report.sections import Section, absent, join, paragraph
from nas.summary import STRATEGIES, strategy_text

HAND_DESIGNED = "hand_designed"


def baselines_section(evidence: Evidence) -> Section:
    """A row for each strategy, on the test part."""
    anchor, title = "baselines", "Baselines"
    if not evidence.report:
        return Section(anchor, title, absent("Baselines are compared on the test part when the search has ended."))
    if len(evidence.chosen) == 1:
        return Section(anchor, title, absent("The search was run with --no-baselines: nothing to compare the winner with."))
    winner = evidence.chosen[SEARCH]["trial"]["architecture"]
    rows = []
    for name, figures in evidence.chosen.items():
        test, built = figures["test"], figures["built"]
        same = name != SEARCH and figures["trial"]["architecture"] == winner
        rows.append(
            (
                strategy_text(name, figures) + (" (the same network)" if same else ""),
                f"{test['int8']:.2%}",
                f"{test['float']:.2%}",
                RAM.text(built["ram"]["total"]),
                FLASH.text(built["flash"]["total"]),
                LATENCY.text(built["latency_ms"]),
                MACS.text(built["macs"]),
                f"{figures['effort']:.0%}",
            )
        )
    head = ("", "test, int8", "test, float", "RAM", "flash", "latency", "MACs", "epochs of the recipe")
    n = evidence.chosen[SEARCH]["test"]["n"]
    studies = evidence.report["studies"]
    trials = {name: studies[name]["trials"] for name in studies}
    parts = [table(f"{evidence.heading} on {n:,} test examples, and what the programs take", head, rows)]
    if "random" in trials:
        parts.append(
            paragraph(
                f"The random search trained {trials['random']} networks that fit where the search trained {trials[SEARCH]}, and as "
                "many finalists. The largest network that fits was trained for no more compute than all of the search took."
            )
        )
    reasons = evidence.report.get("without_baseline", {})
    design = evidence.chosen.get(HAND_DESIGNED, {}).get("design")
    if design is not None:
        parts.append(
            paragraph(
                f"The hand-designed network is {design['name']} ({design['source']}), all layers at {design['width']:.1%} of their "
                "published width, the widest that fits. It was trained like a finalist."
            )
        )
    elif HAND_DESIGNED not in reasons:
        parts.append(absent("No hand-designed network was among the baselines of this run."))
    parts += [absent(f"{STRATEGIES[name].capitalize()}: {reason}.") for name, reason in reasons.items()]
    return Section(anchor, title, join(*parts))
