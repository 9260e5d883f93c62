"""How to get the same again: command, settings, versions, and each use of the test part."""

from __future__ import annotations

from nas.markup import element, table
from nas.report.evidence import Evidence
from nas.report.sections import Section, join, more, paragraph
from nas.run_directory import SETTINGS
from nas.study.board_report import board_names


def reproduction_section(evidence: Evidence) -> Section:
    """What a reader types, and what the result depends on."""
    run = evidence.run
    settings = (run.path / SETTINGS).read_text(encoding="utf-8")
    versions = evidence.report.get("versions") or run.settings().get("versions", {})
    commands = [f"nas search --config {run.path / SETTINGS} --out AGAIN"]
    for board in board_names(evidence.settings):
        place = evidence.settings.directory(run, board)
        if evidence.report and place.winner.is_dir():
            arrays = place.verification
            commands.append(f"nas verify {place.winner} --inputs {arrays / 'inputs.npy'} --expect {arrays / 'expected.npy'}")
    timed = " The search was limited by time, so a faster or slower machine makes another number of trials."
    parts: list[object] = [
        paragraph(
            "The same settings, versions and number of workers give the same networks, whatever the order in which trainings end."
            + (timed if evidence.settings.time is not None else "")
        ),
        element("pre", "\n".join(commands), tabindex="0"),
        more(SETTINGS, element("pre", settings, tabindex="0")),
        more("Versions", table("Versions of what the result depends on", ("package", "version"), versions.items(), words=2)),
    ]
    if evidence.report:
        uses = [(use["purpose"], use["architecture"], f"{use['examples']:,}") for use in evidence.report["test_uses"]]
        head = ("purpose", "network", "examples")
        parts.append(more("Every use of the test part", table("Uses of the test part, in order", head, uses, words=2)))
    return Section("reproduce", "How to reproduce it", join(*parts))
