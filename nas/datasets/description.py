"""What is in a person's data, as ``nas data`` says it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.datasets.collection import Collection
from nas.datasets.decoded import PARTS, TEST, TRAIN, VALIDATION
from nas.datasets.folds import suitable_folds
from nas.datasets.splits import SEED, VALIDATION_FRACTION, hold_out
from nas.metrics import UNBALANCED

FEW = 10
"""Examples to train on below which a class can hardly be learnt."""
KINDS = {"image": "images", "series": "time series", "audio": "sounds", "vector": "vectors"}


def proposed_parts(collection: Collection) -> tuple[NDArray[np.uint8], str]:
    """The part of each example with a search's validation part cut off (for seed 0), the first one of several folds, and the split
    in words."""
    parts, words = collection.parts.copy(), collection.split
    if (parts == VALIDATION).any():
        return parts, words
    rest = np.flatnonzero(parts == TRAIN)
    groups = collection.groups
    try:
        held = hold_out(collection.y[rest], None if groups is None else groups.subset(rest), VALIDATION_FRACTION, SEED)
    except ValueError:
        return parts, f"{words}: not possible, some class has too few examples"
    parts[rest[held.mask]] = VALIDATION
    folds = suitable_folds(collection.y[rest]) if collection.task == "classification" else 1
    in_turn = f", each of {folds} folds in turn" if folds > 1 else ""
    # Without groups the words say already that it is stratified.
    return parts, f"{words}: {held.words if groups is not None else held.words.replace('stratified by class, ', '')}{in_turn}"


def describe(collection: Collection) -> dict[str, Any]:
    """What ``nas data --json`` prints: counts, rates (samples a second), lengths (samples or rows), the proposed split, what was
    left out and why, and problems that a search would meet."""
    data, facts = collection.data, collection.data.facts
    parts, split = proposed_parts(collection)
    counts = {name: np.bincount(collection.y[parts == part], minlength=len(data.classes)) for part, name in enumerate(PARTS)}
    totals = sum(counts.values(), np.zeros(len(data.classes), np.int64))
    lengths = data.lengths
    groups = collection.groups
    return {
        "path": os.fsencode(collection.path).decode(errors="backslashreplace"),
        "format": collection.format,
        "kind": facts.kind,
        "task": collection.task,
        "hash": data.hash,
        "input_shape": list(collection.input_shape),
        "channels": list(facts.channels),
        "rate": facts.rate,
        "sources": len(data),
        "lengths": {"min": int(lengths.min()), "median": float(np.median(lengths)), "max": int(lengths.max())},
        "windows": {"length": collection.windows.length, "how": collection.windows.words, "too_short": collection.windows.short},
        "examples": len(collection.y),
        "classes": [
            {"name": name, **{part: int(counts[part][i]) for part in PARTS}, "total": int(totals[i])}
            for i, name in enumerate(data.classes)
        ],
        "imbalance": float(totals.max() / max(1, totals.min())),
        "groups": None if groups is None else {"kind": groups.kind, "count": len(np.unique(groups.of))},
        "split": split,
        "normalization": collection.normalization.to_json(),
        "notes": list(data.notes),
        "skipped": [{"reason": s.reason, "count": s.count, "names": list(s.names)} for s in data.skipped],
        "problems": _problems(collection, counts, totals),
    }


def _problems(collection: Collection, counts: Mapping[str, NDArray[np.int64]], totals: NDArray[np.int64]) -> list[str]:
    classes = collection.data.classes
    problems = []
    if len(classes) == 1:
        problems.append(f"one class only ({classes[0]}): there is nothing to tell apart")
    alike = defaultdict(list)
    for name in classes:
        alike[" ".join(name.split()).casefold()].append(name)
    problems += [
        f"classes differ in case or spaces only: {', '.join(map(repr, names))}" for names in alike.values() if len(names) > 1
    ]
    if collection.task == "classification":
        for part, used in (("train", counts["train"] + counts["validation"]), ("test", counts["test"])):
            lacking = [name for name, count in zip(classes, used, strict=True) if not count]
            if lacking:
                problems.append(f"the {part} part has no example of {', '.join(lacking)}")
        few = [name for name, count in zip(classes, counts["train"], strict=True) if 0 < count < FEW]
        if few:
            problems.append(f"fewer than {FEW} examples to train on: {', '.join(few)}")
        if totals.min() and totals.max() >= UNBALANCED * totals.min():
            most = totals.max() / totals.sum()
            problems.append(
                f"very unbalanced: the largest class has {totals.max() / totals.min():.0f} times the examples of the smallest, "
                f"and always answering it is right for {most:.1%}"
            )
    if not (collection.parts == TEST).any():
        problems.append("there is no test part")
    if collection.windows.short:
        problems.append(f"{collection.windows.short} recordings are too short for a window of {collection.windows.length} samples")
    return problems


def as_text(about: Mapping[str, Any], width: int = 110) -> str:
    """A description for people."""
    from nas.text_table import table

    classes = about["classes"]
    rows = [("class", *PARTS, "all"), *((c["name"], *(f"{c[part]:,}" for part in PARTS), f"{c['total']:,}") for c in classes)]
    rows.append(("", *(f"{sum(c[part] for c in classes):,}" for part in PARTS), f"{about['examples']:,}"))
    lines = [*_facts(about), "", *table(rows, "lrrrr"), "", *_wrapped("split", about["split"], width)]
    lines += [line for note in about["notes"] for line in _wrapped("note", note, width)]
    for skipped in about["skipped"]:
        more = ", …" if skipped["count"] > 3 else ""
        text = f"{skipped['count']}: {skipped['reason']} ({', '.join(skipped['names'][:3])}{more})"
        lines += _wrapped("left out", text, width)
    lines += [line for problem in about["problems"] for line in _wrapped("problem", problem, width)]
    return "\n".join(lines)


def _facts(about: Mapping[str, Any]) -> list[str]:
    shape = "x".join(map(str, about["input_shape"]))
    lines = [f"data      {about['path']} (--format {about['format']})"]
    what = KINDS[about["kind"]] + (", anomaly detection: one class to train on" if about["task"] == "anomaly detection" else "")
    lines.append(f"kind      {what}; a network's input is {shape}")
    if about["kind"] != "image" and len(about["channels"]) <= 16:
        lines.append(f"channels  {', '.join(about['channels'])}")
    if about["rate"] is not None:
        lines.append(f"rate      {about['rate']:g} Hz")
    if about["windows"]["how"]:
        low, middle, high = (about["lengths"][key] for key in ("min", "median", "max"))
        lines.append(f"lengths   {about['sources']:,} recordings of {low:,} to {high:,} samples, median {middle:,.0f}")
        lines.append(f"windows   {about['windows']['how']}")
    if about["groups"] is not None:
        lines.append(f"groups    {about['groups']['count']:,} by {about['groups']['kind']}")
    return lines


def _wrapped(title: str, text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width, initial_indent=f"{title:10}", subsequent_indent=" " * 10, break_on_hyphens=False)
