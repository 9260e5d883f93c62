"""The hand-designed network: the baseline of whoever takes a published shape and makes it narrower until it fits."""

from __future__ import annotations

from typing import Any

from cost_models.limits import violations
from nas.study.feasibility import Feasibility, describe
from search_spaces import Architecture, SearchSpace


def hand_designed(feasibility: Feasibility) -> list[Architecture]:
    """The published network of the space and its narrower forms, as far as they fit, widest first."""
    return [architecture for architecture in feasibility.space.hand_designed() if not feasibility(architecture)]


def too_wide(feasibility: Feasibility) -> str:
    """Why not even the narrowest form fits: the limit that it exceeds most."""
    space = feasibility.space
    *_, narrowest = space.hand_designed()
    broken = violations(feasibility.predict(narrowest), feasibility.limits)
    worst = max(broken, key=lambda violation: violation.value / max(violation.bound, 1e-9))
    needs = f"{describe(worst.limit, worst.value)}, the limit is {describe(worst.limit, worst.bound)}"
    return f"{space.published.name} does not fit, at its narrowest it needs {needs}"


def design_json(space: SearchSpace, architecture: Architecture) -> dict[str, Any]:
    """What reports say of a network that :func:`hand_designed` found: its name, where it was published, its width multiplier."""
    published = space.published
    return {"name": published.name, "source": published.source, "width": round(space.hand_designed()[architecture], 4)}
