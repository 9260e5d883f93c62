"""The part of the project's ``README.md`` about samples that come in all the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen.c_text import C_TYPES, comment_text
from codegen.project.operation_words import operation_words
from codegen.project.templates import render

if TYPE_CHECKING:
    from codegen.compile import CompiledModel
    from codegen.streaming import Stream

SHOWN = 9
"""Points of the curve in the README; ``report.json`` has them all."""


def stream_section(model: CompiledModel, stream: Stream, about: Mapping[str, Any] | None) -> str:
    """How to call ``<m>_push``, what it costs and how often it is wrong; ``about`` is ``stream`` of ``report.json``."""
    about, sound = about or {}, not stream.sample_shape
    began, rule = _task(model.name, stream)
    text = render(
        "stream.md",
        m=model.name,
        what="sound"
        if sound
        else f"samples of {stream.row_bytes} `{C_TYPES[stream.sample_type.name]}` values, in the data's own units,",
        hop_text=_length(stream, stream.hop_samples),
        began=began,
        window_text=_length(stream, stream.window_samples),
        whole=f"{model.name}_{stream.source.entry}",
        rule=rule,
        figures=_figures(stream, about.get("built"), model.name),
        curve=_curve(about.get("operation")),
    )
    return text.rstrip("\n") + "\n"


def _task(name: str, stream: Stream) -> tuple[str, str]:
    """What a detection is, in a comment, and by which rule it comes."""
    from codegen.streaming import Classification

    settings, task = stream.settings, stream.task
    real = f"{task.real(np.array(settings.threshold)):.3g}"
    values = {"m": name, "refractory": _length(stream, settings.refractory * stream.hop_samples)}
    alone, means = settings.smoothing == 1, f"over the last {settings.smoothing} decisions"
    if isinstance(task, Classification):
        events = [label for label, event in zip(task.classes, task.is_event(), strict=True) if event]
        smoothing = "those of each decision alone" if alone else f"means {means}"
        began = comment_text(f"class stream.detected began: {', '.join(events)}")
        return began, render("stream_classes.md", **values, smoothing=smoothing, threshold=real).rstrip("\n")
    smoothing = "taken as they are" if alone else f"averaged {means}"
    rule = render("stream_alarms.md", **values, smoothing=smoothing, threshold=f"{settings.threshold:,}", real=real)
    return "an alarm began", rule.rstrip("\n")


def _length(stream: Stream, samples: int) -> str:
    return f"{samples:,} samples" + (f" ({samples / stream.rate:.3g} s)" if stream.rate else "")


def _figures(stream: Stream, built: Mapping[str, Any] | None, name: str) -> str:
    rows = [(f"state, `{name}_stream`", f"{stream.state_bytes:,} bytes", "the caller's, between calls; the arena is free then")]
    if built is not None:
        row = "column of the spectrogram" if not stream.sample_shape else "sample"
        ram, flash = built["ram"], built["flash"]
        rows += [
            ("RAM in all", f"{ram['total']:,} bytes", f"state, arena {ram['arena']:,}, stack {ram['stack']:,}"),
            (
                "flash",
                f"{flash['total']:,} bytes",
                "of a program that calls `push` alone; what is not called the linker leaves out",
            ),
            ("cycles", f"{built['row_cycles']:,}", f"to push one {row}"),
            ("", f"{built['decision_cycles']:,}", "to push one that leads to a decision"),
        ]
        if built["cycles_per_second"] is not None:
            late = " - too much: take a longer hop" if built["load"] > 1 else ""
            note = (
                f"for a second of signal; {built['load']:.1%} of the board's time, stalls of its memory included (estimate){late}"
            )
            rows.append(("", f"{built['cycles_per_second']:,}", note))
    table = "\n".join(["| | | |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)])
    return f"{table}\n"


def _curve(operation: Mapping[str, Any] | None) -> str:
    if operation is None:
        return ""
    words, test = operation_words(operation), operation["test"]
    chosen, hours = test["chosen"], test["hours"]

    def accepts(point: Mapping[str, Any]) -> str:
        return f"{point['false_accepts_per_hour']:.4g}" if hours else str(point["false_accepts"])

    per_hour = " an hour" if hours else ""
    lines = [
        "",
        f"{operation['rule']} On {f'{hours:.3g} hours' if hours else 'a stream'} made of the test part ({test['made_of']}), with "
        f"{test['events']:,} {words.events}, it comes to {chosen['false_rejects']:.1%} {words.missed} and {accepts(chosen)} "
        f"{words.false}{per_hour}. Other thresholds:",
        "",
        f"| threshold | {words.false}{per_hour} | {words.missed} |",
        "|---|---|---|",
    ]
    lines += [f"| {words.threshold(point)} | {accepts(point)} | {point['false_rejects']:.1%} |" for point in _spread(test["curve"])]
    return "\n".join(lines) + "\n"


def _spread(points: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Some of the points, of those that differ from the one before."""
    rates = ("false_accepts", "false_rejects")
    differ = [p for p, before in zip(points[1:], points, strict=False) if any(p[rate] != before[rate] for rate in rates)]
    known = [*points[:1], *differ]
    count = min(SHOWN, len(known))
    return [known[i * (len(known) - 1) // max(count - 1, 1)] for i in range(count)]
