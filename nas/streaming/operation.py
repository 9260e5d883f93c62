"""At which threshold a stream operates: chosen on validation data, stated on test data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from codegen.streaming.settings import stream_settings_from_json
from nas.datasets import Dataset
from nas.streaming.scene import stream_for

if TYPE_CHECKING:
    from codegen.anomaly import AnomalyDetector
    from codegen.features import Preprocessing
    from codegen.ir import Graph
    from codegen.streaming import Stream

MOST_MACS = 4_000_000_000
"""Work of all decisions, in numpy, that is to be paid for a stream."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A ``stream`` with its threshold, how often it was wrong on ``validation`` data and what that was made of, as ``report.json``
    has it, and the ``thresholds`` of the curve, rising."""

    stream: Stream
    validation: Mapping[str, Any]
    thresholds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Listening:
    """The ``stream`` of a program, and what a report says of how often it is wrong; None where nothing was tested."""

    stream: Stream
    operation: Mapping[str, Any] | None


Listen: TypeAlias = Callable[[float], Listening]
"""How a network listens on a board that runs it once in so many milliseconds."""


def choose_operation(stream: Stream, graph: Graph, validation: Dataset) -> Operation:
    """Choose the threshold, and of classes the smoothing. ``validation`` is that of the search, never the test part."""
    from nas.streaming import alarms, events

    return (events.choose_events if validation.normal is None else alarms.choose_alarm)(stream, graph, validation)


def listener(
    graph: Graph,
    front_end: Preprocessing | None,
    validation: Dataset,
    detector: AnomalyDetector | None,
    known: Mapping[str, Any] | None,
) -> Listen | None:
    """How a network, whose output a ``detector`` may score, listens on any board; None where it does not.

    As a run's report has it (``known``) where the board leaves the time for as many decisions, else as ``validation`` suggests.
    """
    if stream_for(validation, front_end, detector=detector) is None:
        return None

    def listen(latency_ms: float) -> Listening:
        stream = stream_for(validation, front_end, latency_ms, detector)
        assert stream is not None
        if known is not None:
            settings = stream_settings_from_json(known["settings"])
            if settings.hop == stream.settings.hop:
                return Listening(replace(stream, settings=settings), known["operation"])
        return Listening(choose_operation(stream, graph, validation).stream, None)

    return listen


def state_operation(operation: Operation, graph: Graph, test: Dataset) -> dict[str, Any]:
    """What ``report.json`` says of an operation: the rule, what came of it on ``validation`` data, and the curve on a stream made
    of the ``test`` part."""
    from nas.streaming import alarms, events

    return (events.state_events if test.normal is None else alarms.state_alarm)(operation, graph, test)
