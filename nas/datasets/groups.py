"""Speakers, subjects and recordings that the names of files show."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ENOUGH = 0.8
"""Part of the names that must show a group; each of the others counts as a group of its own."""
PEOPLE = ("speaker", "spk", "subject", "subj", "user", "patient", "person", "participant", "volunteer")
RECORDINGS = ("recording", "record", "rec", "session", "experiment", "exp", "video", "device", "machine")
COLUMNS = frozenset({*PEOPLE, *RECORDINGS, "file"})
"""Names of columns and arrays that hold groups, with or without ``_id``."""
_SPEAKER_HASH = re.compile(r"(?:^|[_/])([0-9a-f]{8})_nohash_\d")  # Speech Commands, https://arxiv.org/abs/1804.03209


@dataclass(frozen=True, slots=True)
class Named:
    """The group of each name, and what kind of thing it is: ``speaker``, ``user``, …"""

    kind: str
    values: tuple[str, ...]


def group_column(name: str) -> str | None:
    """The kind of group that a column or array of this name holds, or None."""
    plain = re.sub(r"[ _-]?(id|nr|no|number|name)$", "", name.strip().lower())
    return plain if plain in COLUMNS else None


def groups_in_names(names: Sequence[str], labels: Sequence[str]) -> Named | None:
    """Groups that ``names`` (paths within the class folders, without endings) show; None where they show none.

    Looked for in this order: the speaker's hash of Speech Commands; a word for a person with a number, ``user01``; sub-folders of
    the classes; a part of names of equal form that takes few values and each of them in most classes, ``3_george_7``; a word
    for a recording with a number.
    """
    searches: list[tuple[str, Callable[[str], str | None]]] = [("speaker", lambda name: _first(_SPEAKER_HASH, name))]
    searches += [(word, _numbered(word)) for word in PEOPLE]
    searches.append(("sub-folder", lambda name: name.rpartition("/")[0] or None))
    for kind, find in searches:
        if found := _complete(kind, names, [find(name) for name in names]):
            return found
    if found := _part_of_name(names, labels):
        return found
    for word in RECORDINGS:
        if found := _complete(word, names, list(map(_numbered(word), names))):
            return found
    return None


def _first(pattern: re.Pattern[str], name: str) -> str | None:
    match = pattern.search(name)
    return match.group(1) if match else None


def _numbered(word: str) -> Callable[[str], str | None]:
    pattern = re.compile(rf"(?:^|[^a-z]){word}[ _-]?([a-z]?\d+)(?![a-z0-9])", re.IGNORECASE)
    return lambda name: _first(pattern, name)


def _complete(kind: str, names: Sequence[str], values: Sequence[str | None]) -> Named | None:
    known = [value for value in values if value is not None]
    if len(known) < ENOUGH * len(names) or len(set(known)) < 2:
        return None
    return Named(kind, tuple(name if value is None else value for name, value in zip(names, values, strict=True)))


def _part_of_name(names: Sequence[str], labels: Sequence[str]) -> Named | None:
    split = [re.split(r"[_\-. ]", name.rpartition("/")[2]) for name in names]
    counts = {len(parts) for parts in split}
    if len(counts) != 1 or counts == {1} or len(set(labels)) < 2:
        return None
    for position in range(counts.pop()):
        values = [parts[position] for parts in split]
        classes: defaultdict[str, set[str]] = defaultdict(set)
        for value, label in zip(values, labels, strict=True):
            classes[value].add(label)
        few = 2 <= len(classes) <= len(names) / 4 and min(Counter(values).values()) > 1
        everywhere = all(len(own) > len(set(labels)) / 2 for own in classes.values())
        if few and everywhere and not any(value.isdigit() for value in values):
            return Named("name part", tuple(values))
    return None
