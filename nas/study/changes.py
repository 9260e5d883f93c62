"""The changes of a network that come nearest to it and make it fit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from nas.study.feasibility import Feasibility
from search_spaces import Architecture, Choice, SearchSpace

MOST_SHOWN = 3
"""Changes that are offered: one may be out of the question for reasons that no cost model knows."""


@dataclass(frozen=True, slots=True)
class Step:
    """Parameter ``name`` goes from one of its choices to another, ``distance`` choices away (1 between names)."""

    name: str
    old: Choice
    new: Choice
    distance: int

    def __str__(self) -> str:
        return f"{in_words(self.name)} {_choice_text(self.old)} → {_choice_text(self.new)}"


@dataclass(frozen=True, slots=True)
class Change:
    """One or two steps to another architecture; ``added`` are the parameters that become active by them, with their values."""

    steps: tuple[Step, ...]
    architecture: Architecture
    added: tuple[tuple[str, Choice], ...]

    @property
    def distance(self) -> int:
        """Choices that the steps go in all."""
        return sum(step.distance for step in self.steps)

    def __str__(self) -> str:
        added = ", ".join(f"{in_words(name)} {_choice_text(value)}" for name, value in self.added)
        return " and ".join(map(str, self.steps)) + (f" (with {added})" if added else "")

    def to_json(self) -> dict[str, object]:
        """For ``nas explain --json``."""
        return {
            "changes": {step.name: {"from": step.old, "to": step.new} for step in self.steps},
            "params": dict(self.architecture.values),
        }


def in_words(name: str) -> str:
    """A parameter's name for people: ``stage2_expansion`` is ``stage 2 expansion``."""
    return re.sub(r"(?<=[a-z])(?=\d)", " ", name.replace("_", " "))


def _choice_text(choice: Choice) -> str:
    return str(choice).replace("_", " ")


def nearest_changes(fits: Feasibility, architecture: Architecture) -> list[Change]:
    """The nearest single changes of ``architecture`` that fit, or, where none does, the nearest pairs of changes; at most
    :data:`MOST_SHOWN`, nearest first, of equally near ones that with the most multiply-accumulates. Empty where none fits.

    Every choice of every active parameter is tried, and of pairs all up to the distance of the nearest ones that fit.
    """
    space = fits.space
    steps = list(_steps(space, architecture))
    for size in (1, 2):
        found: list[Change] = []
        seen = {architecture}
        combined = [group for group in combinations(steps, size) if len({step.name for step in group}) == size]
        for group in sorted(combined, key=lambda group: sum(step.distance for step in group)):
            change = _change(space, architecture, group)
            if len(found) >= MOST_SHOWN and change.distance > found[-1].distance:
                break
            if change.architecture not in seen and not fits(change.architecture):
                found.append(change)
            seen.add(change.architecture)
        if found:
            found.sort(key=lambda change: (change.distance, -fits.predict(change.architecture).macs, str(change)))
            return found[:MOST_SHOWN]
    return []


def _steps(space: SearchSpace, architecture: Architecture) -> Iterator[Step]:
    choices = space.choices()
    for name, value in architecture.values:
        options = choices[name]
        at = options.index(value)
        for number, option in enumerate(options):
            if number != at:
                yield Step(name, value, option, 1 if isinstance(value, str) else abs(number - at))


def _change(space: SearchSpace, architecture: Architecture, steps: tuple[Step, ...]) -> Change:
    changed = space.changed(architecture, {step.name: step.new for step in steps})
    known = architecture.parameters
    return Change(steps, changed, tuple((name, value) for name, value in changed.values if name not in known))
