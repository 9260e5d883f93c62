"""The part of the project's ``README.md`` about samples that come in all the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codegen.c_text import C_TYPES, comment_text
from codegen.project.templates import render

if TYPE_CHECKING:
    from codegen.compile import CompiledModel
    from codegen.streaming import Stream

SHOWN = 9
"""Points of the curve in the README; ``report.json`` has them all."""


def stream_section(model: CompiledModel, stream: Stream, about: Mapping[str, Any] | None) -> str:
    """How to call ``<m>_push``, what it costs and how often it is wrong; ``about`` is ``stream`` of ``report.json``."""
    from codegen.streaming import ONE

    settings, about = stream.settings, about or {}
    sound = not stream.sample_shape
    events = [name for name, event in zip(settings.classes, settings.is_event(), strict=True) if event]
    text = render(
        "stream.md",
        m=model.name,
        what="sound"
        if sound
        else f"samples of {stream.row_bytes} `{C_TYPES[stream.sample_type.name]}` values, in the data's own units,",
        hop_text=_length(stream, stream.hop_samples),
        events=comment_text(", ".join(events)),
        window_text=_length(stream, stream.window_samples),
        whole=f"{model.name}_{stream.source.entry}",
        smoothing="those of each decision alone"
        if settings.smoothing == 1
        else f"means over the last {settings.smoothing} decisions",
        threshold=f"{settings.threshold / ONE:.3g}",
        refractory=_length(stream, settings.refractory * stream.hop_samples),
        figures=_figures(stream, about.get("built"), model.name),
        curve=_curve(about.get("operation")),
    )
    return text.rstrip("\n") + "\n"


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
    from codegen.streaming import ONE

    test = operation["test"]
    chosen, hours = test["chosen"], test["hours"]

    def accepts(point: Mapping[str, Any]) -> str:
        return f"{point['false_accepts_per_hour']:.4g}" if hours else str(point["false_accepts"])

    per_hour = " an hour" if hours else ""
    lines = [
        "",
        f"{operation['rule']} On {f'{hours:.3g} hours' if hours else 'a stream'} made of the test part ({test['made_of']}), with "
        f"{test['events']:,} events, it comes to {chosen['false_rejects']:.1%} false rejects and {accepts(chosen)} false "
        f"accepts{per_hour}. Other thresholds:",
        "",
        f"| threshold | false accepts{per_hour} | false rejects |",
        "|---|---|---|",
    ]
    lines += [
        f"| {point['threshold'] / ONE:.3f} | {accepts(point)} | {point['false_rejects']:.1%} |" for point in _spread(test["curve"])
    ]
    return "\n".join(lines) + "\n"


def _spread(points: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Some of the points, of those that differ from the one before."""
    rates = ("false_accepts", "false_rejects")
    differ = [p for p, before in zip(points[1:], points, strict=False) if any(p[rate] != before[rate] for rate in rates)]
    known = [*points[:1], *differ]
    count = min(SHOWN, len(known))
    return [known[i * (len(known) - 1) // max(count - 1, 1)] for i in range(count)]
