"""Alarms of a detector that listens all the time: at which threshold, how often falsely, and what they detect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir import total_macs
from nas.datasets import Dataset
from nas.learning.anomaly import FALSE_ALARMS, alarm_threshold
from nas.streaming.continuous import recordings
from nas.streaming.operation import MOST_MACS, Operation

if TYPE_CHECKING:
    from codegen.ir import Graph
    from codegen.streaming import Stream

RULE = (
    f"The mean score is above the threshold in {FALSE_ALARMS:.0%} of the decisions on normal recordings of the validation part, "
    "each pushed as a stream of its own."
)
MOST_DECISIONS, LEAST_DECISIONS = 5_000, 250
"""On normal recordings, and as many on others: more would show nothing new."""
RATES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.0)
"""Shares of the normal validation decisions that lie above the thresholds of the curve."""
BEYOND = (0.1, 0.25, 0.5, 1.0)
"""How far further thresholds lie above all normal ones, as a part of the distance of their largest from their median."""
SEED = 0


@dataclass(frozen=True, eq=False)
class Heard:
    """What a stream said of one recording: the ``means`` of its scores ``(n,)``, and whether it is ``anomalous``."""

    means: NDArray[np.int64]
    anomalous: bool


@dataclass(frozen=True, slots=True)
class AlarmPoint:
    """What a ``threshold`` leads to, which is ``score`` as a real one: alarms that are none, in so many ``hours`` (0 where the
    rate is not known) of normal recordings, and how many of the ``recordings`` of anomalies had an alarm; ``above`` are the shares
    of the normal and of the anomalous decisions above it, None where there are none."""

    threshold: int
    score: float
    false_alarms: int
    hours: float
    hits: int
    recordings: int
    above: tuple[float | None, float | None]

    def to_json(self) -> dict[str, Any]:
        """As ``report.json`` has it."""
        normal, anomalous = (None if share is None else round(share, 6) for share in self.above)
        return {
            "threshold": self.threshold,
            "real_threshold": round(self.score, 6),
            "false_accepts": self.false_alarms,
            "false_accepts_per_hour": round(self.false_alarms / self.hours, 3) if self.hours else None,
            "false_rejects": round(1 - self.hits / self.recordings, 6) if self.recordings else None,
            "above": {"normal": normal, "anomalous": anomalous},
        }


def choose_alarm(stream: Stream, graph: Graph, validation: Dataset) -> Operation:
    """Choose the threshold by :data:`RULE`; of ``validation`` the normal examples count, for the anomalies are made up."""
    heard, words = listen(stream, graph, validation.normal_examples())
    means = np.concatenate([recording.means for recording in heard])
    threshold = int(alarm_threshold(means.astype(np.float64)))
    chosen = replace(stream, settings=replace(stream.settings, threshold=threshold))
    thresholds = tuple(sorted({threshold, *_thresholds(means)}))
    return Operation(chosen, alarm_point(chosen, heard, threshold).to_json() | {"made_of": words}, thresholds)


def state_alarm(operation: Operation, graph: Graph, test: Dataset) -> dict[str, Any]:
    """What ``report.json`` says of an operation: the rule, and the curve on recordings of the ``test`` part."""
    stream = operation.stream
    heard, words = listen(stream, graph, test)
    chosen = alarm_point(stream, heard, stream.settings.threshold)
    return {
        "task": test.task,
        "rule": RULE,
        "validation": operation.validation,
        "test": {
            "made_of": words,
            "hours": round(chosen.hours, 6) if chosen.hours else None,
            "events": chosen.recordings,
            "chosen": chosen.to_json(),
            "curve": [alarm_point(stream, heard, threshold).to_json() for threshold in operation.thresholds],
        },
    }


def listen(stream: Stream, graph: Graph, dataset: Dataset) -> tuple[list[Heard], str]:
    """Push recordings of ``dataset``, each as a stream of its own, in an order drawn by :data:`SEED` until there are enough
    decisions on normal ones and on others; and what they are in words."""
    from codegen.streaming.reference import network_scores, smoothed

    known = [(samples, bool(dataset.anomalous[begin])) for samples, begin in recordings(dataset)]
    most = max(LEAST_DECISIONS, min(MOST_DECISIONS, MOST_MACS // (2 * max(total_macs(graph), 1))))
    left = dict.fromkeys((False, True), most)
    parts: list[tuple[NDArray[np.int8], bool]] = []
    for index in np.random.default_rng(SEED).permutation(len(known)).tolist():
        samples, anomalous = known[index]
        if left[anomalous] > 0:
            parts.append((stream.windows(samples)[: left[anomalous]], anomalous))
            left[anomalous] -= len(parts[-1][0])
    scores = network_scores(stream, graph, np.concatenate([windows for windows, _ in parts]))
    each = np.split(stream.task.values(graph, scores), np.cumsum([len(windows) for windows, _ in parts])[:-1])
    heard = [
        Heard(smoothed(values, stream.settings.smoothing)[:, 0], anomalous)
        for values, (_, anomalous) in zip(each, parts, strict=True)
    ]
    normal = sum(not anomalous for _, anomalous in parts)
    kinds = "" if normal == len(parts) else f", {normal:,} of them normal"
    return heard, f"{len(parts):,} recordings{kinds}; {len(scores):,} decisions"


def alarm_point(stream: Stream, heard: Sequence[Heard], threshold: int) -> AlarmPoint:
    """Count what ``threshold`` leads to. An hour are the decisions in its time, so that windows which are recordings of their own
    count as much as they do in one that goes on."""
    from codegen.streaming.reference import detections

    task, settings = stream.task, stream.settings
    alarms = [(detections(task.certain(one.means[:, None], threshold), settings.refractory) >= 0).sum() for one in heard]
    normal = sum(len(one.means) for one in heard if not one.anomalous)
    return AlarmPoint(
        threshold=threshold,
        score=float(task.real(np.array(threshold))),
        false_alarms=int(sum(count for one, count in zip(heard, alarms, strict=True) if not one.anomalous)),
        hours=normal * stream.hop_samples / stream.rate / 3600 if stream.rate else 0.0,
        hits=sum(bool(count) for one, count in zip(heard, alarms, strict=True) if one.anomalous),
        recordings=sum(one.anomalous for one in heard),
        above=(_above(heard, threshold, anomalous=False), _above(heard, threshold, anomalous=True)),
    )


def _above(heard: Sequence[Heard], threshold: int, *, anomalous: bool) -> float | None:
    means = [one.means for one in heard if one.anomalous == anomalous]
    return float((np.concatenate(means) > threshold).mean()) if means else None


def _thresholds(normal: NDArray[np.int64]) -> list[int]:
    """Those of the curve, by the means on normal recordings."""
    most, median = int(normal.max()), float(np.median(normal))
    within = np.quantile(normal, [1 - rate for rate in RATES], method="lower").astype(int).tolist()
    return [*within, *(round(most + part * (most - median)) for part in BEYOND)]
