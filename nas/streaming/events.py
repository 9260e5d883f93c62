"""Events of a stream that tells classes: threshold and smoothing, and how often they are wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codegen.ir import total_macs
from nas.datasets import Dataset
from nas.streaming.curve import BETA, THRESHOLDS, curve, point
from nas.streaming.operation import MOST_MACS, Operation
from nas.streaming.scene import make_scene

if TYPE_CHECKING:
    from codegen.ir import Graph
    from codegen.streaming import Stream

RULE = (
    f"Threshold and smoothing have the best F{BETA:g} score of events on a stream made of validation data; of equally good "
    "thresholds the middle one is taken."
)
SMOOTHING = (1, 2, 3, 4)
MOST_EXAMPLES, LEAST_EXAMPLES = 200, 20
"""Of a stream: what more would show is not worth the time."""
DECISIONS_AN_EXAMPLE = 13
"""About: a clip and the background before it are three and a quarter windows, with four decisions each."""
SEED = 0


def choose_events(stream: Stream, graph: Graph, validation: Dataset) -> Operation:
    """Choose threshold and smoothing by :data:`RULE`."""
    from codegen.streaming.reference import network_scores, smoothed

    scene = make_scene(validation, _examples(graph), SEED)
    likely = stream.task.values(graph, network_scores(stream, graph, stream.windows(scene.samples)))
    at, found = stream.decided_at(len(scene.samples)), []
    for smoothing in SMOOTHING:
        chosen = replace(stream, settings=replace(stream.settings, smoothing=smoothing))
        found += [(chosen, p) for p in curve(chosen, smoothed(likely, smoothing), at, scene.events, len(scene.samples))]
    best = max(p.score for _, p in found)
    first = next(s for s, p in found if p.score == best)
    equal = [p for s, p in found if p.score == best and s.settings.smoothing == first.settings.smoothing]
    middle = equal[len(equal) // 2]
    validated = {**middle.to_json(), "score": round(middle.score, 6), "made_of": scene.words}
    return Operation(replace(first, settings=replace(first.settings, threshold=middle.threshold)), validated, THRESHOLDS)


def state_events(operation: Operation, graph: Graph, test: Dataset) -> dict[str, Any]:
    """What ``report.json`` says of an operation: the rule, and the curve on a stream made of the ``test`` part."""
    from codegen.streaming import decisions

    stream = operation.stream
    scene = make_scene(test, _examples(graph), SEED)
    said, samples = decisions(stream, graph, scene.samples), len(scene.samples)
    chosen = point(stream, said.means, said.at, scene.events, samples)
    points = curve(stream, said.means, said.at, scene.events, samples, operation.thresholds)
    return {
        "task": test.task,
        "rule": RULE,
        "validation": operation.validation,
        "test": {
            "made_of": scene.words,
            "hours": round(chosen.hours, 6) if chosen.hours else None,
            "events": chosen.events,
            "chosen": chosen.to_json(),
            "curve": [p.to_json() for p in points],
        },
    }


def _examples(graph: Graph) -> int:
    affordable = MOST_MACS // (max(total_macs(graph), 1) * DECISIONS_AN_EXAMPLE)
    return max(LEAST_EXAMPLES, min(MOST_EXAMPLES, affordable))
