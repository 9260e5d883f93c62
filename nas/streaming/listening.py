"""How a network listens all the time: chosen on validation data, stated on test data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from codegen.streaming.settings import stream_settings_from_json
from nas.datasets import Dataset
from nas.streaming.alarms import choose_alarm, state_alarm
from nas.streaming.events import choose_events, state_events
from nas.streaming.operation import Operation
from nas.streaming.scene import stream_for

if TYPE_CHECKING:
    from codegen.anomaly import AnomalyDetector
    from codegen.features import Preprocessing
    from codegen.ir import Graph
    from codegen.streaming import Stream


@dataclass(frozen=True, slots=True)
class Listening:
    """The ``stream`` of a program, and what a report says of how often it is wrong; None where nothing was tested."""

    stream: Stream
    operation: Mapping[str, Any] | None


Listen: TypeAlias = Callable[[float], Listening]
"""How a network listens on a board that runs it once in so many milliseconds."""


@dataclass(frozen=True, slots=True)
class Judge:
    """The network, behind ``front_end``, that chooses how a stream listens: its own or, where that has learnt the validation data,
    the same one trained without."""

    graph: Graph
    front_end: Preprocessing | None


def choose_operation(stream: Stream, judge: Judge, validation: Dataset) -> Operation:
    """Choose the threshold, and of classes the smoothing. ``validation`` is that of the search, never the test part."""
    from codegen.streaming import can_stream

    assert can_stream(judge.front_end)
    choose = choose_events if validation.normal is None else choose_alarm
    chosen = choose(replace(stream, source=judge.front_end), judge.graph, validation)
    return replace(chosen, stream=replace(chosen.stream, source=stream.source))


def listener(
    front_end: Preprocessing | None,
    validation: Dataset,
    detector: AnomalyDetector | None,
    known: Mapping[str, Any] | None,
    judge: Judge,
) -> Listen | None:
    """How a network behind ``front_end``, whose output a ``detector`` may score, listens on any board; None where it does not.

    As a run's report has it (``known``) where the board leaves the time for as many decisions, else as ``judge`` suggests.
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
        return Listening(choose_operation(stream, judge, validation).stream, None)

    return listen


def state_operation(operation: Operation, graph: Graph, test: Dataset) -> dict[str, Any]:
    """What ``report.json`` says of an operation: the rule, what came of it on ``validation`` data, and the curve on a stream made
    of the ``test`` part."""
    return (state_events if test.normal is None else state_alarm)(operation, graph, test)
