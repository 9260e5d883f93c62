"""At which threshold a stream operates: chosen on validation data, stated on test data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from codegen.ir import total_macs
from codegen.streaming.settings import stream_settings_from_json
from nas.datasets import Dataset
from nas.streaming.curve import BETA, Point, curve, point
from nas.streaming.scene import make_scene, stream_for

if TYPE_CHECKING:
    from codegen.features import Preprocessing
    from codegen.ir import Graph
    from codegen.streaming import Stream

RULE = (
    f"Threshold and smoothing have the best F{BETA:g} score of events on a stream made of validation data; of equally good "
    "thresholds the middle one is taken."
)
SMOOTHING = (1, 2, 3, 4)
MOST_EXAMPLES, LEAST_EXAMPLES = 200, 20
"""Of a stream: what more would show is not worth the time."""
MOST_MACS = 4_000_000_000
"""Work of all decisions, in numpy, that is to be paid for a stream."""
DECISIONS_AN_EXAMPLE = 13
"""About: a clip and the background before it are three and a quarter windows, with four decisions each."""
SEED = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """A ``stream`` with its threshold, and how often it was wrong on ``validation``; in ``words`` what that was made of."""

    stream: Stream
    validation: Point
    words: str


@dataclass(frozen=True, slots=True)
class Listening:
    """The ``stream`` of a program, and what a report says of how often it is wrong; None where nothing was tested."""

    stream: Stream
    operation: Mapping[str, Any] | None


Listen: TypeAlias = Callable[[float], Listening]
"""How a network listens on a board that runs it once in so many milliseconds."""


def choose_operation(stream: Stream, graph: Graph, validation: Dataset) -> Operation:
    """Choose threshold and smoothing by :data:`RULE`. ``validation`` is that of the search, never the test part."""
    from codegen.streaming.reference import network_scores, probabilities, smoothed

    scene = make_scene(validation, _examples(graph), SEED)
    likely = probabilities(network_scores(stream, graph, scene.samples), graph[graph.outputs[0]].scale)
    at, found = stream.decided_at(len(scene.samples)), []
    for smoothing in SMOOTHING:
        chosen = replace(stream, settings=replace(stream.settings, smoothing=smoothing))
        found += [(chosen, p) for p in curve(chosen, smoothed(likely, smoothing), at, scene.events, len(scene.samples))]
    best = max(p.score for _, p in found)
    first = next(s for s, p in found if p.score == best)
    equal = [p for s, p in found if p.score == best and s.settings.smoothing == first.settings.smoothing]
    middle = equal[len(equal) // 2]
    return Operation(replace(first, settings=replace(first.settings, threshold=middle.threshold)), middle, scene.words)


def listener(graph: Graph, front_end: Preprocessing | None, validation: Dataset, known: Mapping[str, Any] | None) -> Listen | None:
    """How a network listens on any board; None where it does not.

    As a run's report has it (``known``) where the board leaves the time for as many decisions, else as ``validation`` suggests.
    """
    if stream_for(validation, front_end) is None:
        return None

    def listen(latency_ms: float) -> Listening:
        stream = stream_for(validation, front_end, latency_ms)
        assert stream is not None
        if known is not None:
            settings = stream_settings_from_json(known["settings"])
            if settings.hop == stream.settings.hop:
                return Listening(replace(stream, settings=settings), known["operation"])
        return Listening(choose_operation(stream, graph, validation).stream, None)

    return listen


def state_operation(operation: Operation, graph: Graph, test: Dataset) -> dict[str, Any]:
    """What ``report.json`` says of an operation: the rule, and the curve on a stream made of the ``test`` part."""
    from codegen.streaming import decisions

    stream = operation.stream
    scene = make_scene(test, _examples(graph), SEED)
    said, samples = decisions(stream, graph, scene.samples), len(scene.samples)
    chosen = point(stream, said.probabilities, said.at, scene.events, samples)
    points = curve(stream, said.probabilities, said.at, scene.events, samples)
    return {
        "rule": RULE,
        "validation": {**operation.validation.to_json(), "score": round(operation.validation.score, 6), "made_of": operation.words},
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
