"""Long recordings made of a data set's examples, of which it is known when what happens."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.datasets import Dataset

if TYPE_CHECKING:
    from codegen.anomaly import AnomalyDetector
    from codegen.features import Preprocessing
    from codegen.streaming import Stream, Task

NOISE = ("silence", "background", "background noise", "noise", "none", "nothing")
"""Classes in which nothing happens, by the letters of their names."""
OTHERS = ("unknown", "other", "others", "negative")
"""Classes of what is to be ignored."""
MOST_LOAD = 0.5
"""Part of a board's time that is for the network."""
GAPS = (1.5, 3.0)
"""Windows of background between two clips, at random from the one to the other."""
FLOOR = 0.05
"""Quantile of the loudness of a clip's short pieces that made-up background has, where there is no class of it."""
PIECE = 0.02
"""Seconds of such a piece."""
RUN = 4
"""Successive windows of a series that stay together."""


@dataclass(frozen=True, slots=True)
class Event:
    """Class ``label`` from sample ``start`` to before ``end``."""

    start: int
    end: int
    label: int


@dataclass(frozen=True, eq=False)
class Scene:
    """``samples`` as a stream takes them, the ``events`` in them in order, and in ``words`` what it is made of."""

    samples: NDArray[Any]
    events: tuple[Event, ...]
    words: str


def stream_for(
    dataset: Dataset, front_end: Preprocessing | None, latency_ms: float | None = None, detector: AnomalyDetector | None = None
) -> Stream | None:
    """The stream that suits a network of ``dataset`` behind ``front_end``, with the usual settings; None for data that does not go
    on, whose recordings are not known, or whose windows are of one sample or more than a stream counts.

    :param latency_ms: of one run of the network; decisions are as far apart as it takes for these to fill :data:`MOST_LOAD` of the
        board's time at most, if that is possible.
    :param detector: what scores the output of a network that detects anomalies.
    """
    from codegen.features import FrontEnd
    from codegen.streaming import AnomalyDetection, Classification, Stream, can_stream, default_settings

    if dataset.kind not in ("audio", "series") or not can_stream(front_end):
        return None
    task: Task = Classification(dataset.classes, background_classes(dataset.classes))
    if dataset.normal is not None:
        assert detector is not None
        task = AnomalyDetection(detector)
    if isinstance(front_end, FrontEnd):
        rows, rate = front_end.frames, float(front_end.settings.rate)
    else:
        rows, rate = front_end.shape[1], float(dataset.rate or 0)
    stream = Stream(front_end, task, default_settings(rows, task), rate)
    if latency_ms is None or not stream.rate:
        return stream
    least_hop = math.ceil(latency_ms / 1000 * stream.rate / stream.row_samples / MOST_LOAD)
    return replace(stream, settings=default_settings(rows, task, least_hop=least_hop))


def background_classes(classes: tuple[str, ...]) -> tuple[int, ...]:
    """Indices of the classes that are no event, by their names."""
    return tuple(index for index, name in enumerate(classes) if _plain(name) in (*NOISE, *OTHERS))


def make_scene(dataset: Dataset, most: int, seed: int) -> Scene:
    """A recording of up to ``most`` examples, drawn and ordered by ``seed``.

    Sounds come one by one, with background between them: of the classes that are :data:`NOISE`, or white noise as loud as the
    clips' quiet places. Series follow each other without one, up to :data:`RUN` successive windows at a time.
    """
    rng = np.random.default_rng(seed)
    return _sounds(dataset, most, rng) if dataset.kind == "audio" else _series(dataset, most, rng)


def _sounds(dataset: Dataset, most: int, rng: np.random.Generator) -> Scene:
    from nas.inputs.spectrograms import clips

    sounds, quiet = clips(dataset), np.array([_plain(name) in NOISE for name in dataset.classes])
    spoken = np.flatnonzero(~quiet[dataset.y])
    order = rng.permutation(spoken)[:most]
    length = sounds.shape[1]
    gaps = rng.integers(round(GAPS[0] * length), round(GAPS[1] * length) + 1, len(order) + 1)
    total = int(gaps.sum()) + len(order) * length
    noises = sounds[quiet[dataset.y]]
    if len(noises):
        samples = noises[rng.integers(0, len(noises), -(-total // length))].ravel()[:total].copy()
        words = f"{len(noises)} recordings of background between them"
    else:
        level = _floor(sounds[spoken], dataset.rate or 1.0)
        samples = np.clip(np.rint(rng.normal(0, level, total)), -32768, 32767).astype(np.int16)
        words = f"white noise of {20 * np.log10(level / 32768):.0f} dB of full scale between them, since no class is background"
    background, events, at = background_classes(dataset.classes), [], 0
    for index, gap in zip(order.tolist(), gaps.tolist(), strict=False):
        at += gap
        clip = sounds[index]
        heard = np.flatnonzero(clip)  # what was filled up with zeros is background
        end = int(heard[-1]) + 1 if len(heard) else 0
        samples[at : at + end] = clip[:end]
        label = int(dataset.y[index])
        if label not in background:
            events.append(Event(at, at + max(end, 1), label))
        at += length
    return Scene(samples, tuple(events), f"{len(order)} clips, {words}")


def _series(dataset: Dataset, most: int, rng: np.random.Generator) -> Scene:
    groups = dataset.y if dataset.groups is None else dataset.groups.of
    changes = np.flatnonzero((np.diff(dataset.y) != 0) | (np.diff(groups) != 0)) + 1
    runs = [part[first : first + RUN] for part in np.split(np.arange(len(dataset)), changes) for first in range(0, len(part), RUN)]
    chosen: list[NDArray[np.intp]] = []
    for index in rng.permutation(len(runs)).tolist():
        if sum(map(len, chosen)) < most:
            chosen.append(runs[index])
    order, length = np.concatenate(chosen), dataset.input_shape[1]
    samples = dataset.stored[order].reshape(-1, dataset.input_shape[2])
    labels, background = dataset.y[order], background_classes(dataset.classes)
    begins = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1, [len(labels)]])
    events = [
        Event(int(begin) * length, int(end) * length, int(labels[begin]))
        for begin, end in itertools.pairwise(begins)
        if labels[begin] not in background
    ]
    return Scene(samples, tuple(events), f"{len(order)} windows, up to {RUN} successive ones at a time")


def _floor(sounds: NDArray[np.int16], rate: float) -> float:
    """Root mean square of the quiet pieces of recordings, in steps of 16 bits; digital silence is none."""
    size = max(1, min(round(PIECE * rate), sounds.shape[1]))
    pieces = sounds[:, : sounds.shape[1] // size * size].reshape(-1, size).astype(np.float64)
    loudness = np.sqrt((pieces**2).mean(axis=1))
    heard = loudness[loudness > 0]
    return max(1.0, float(np.quantile(heard, FLOOR))) if len(heard) else 1.0


def _plain(name: str) -> str:
    return " ".join(re.findall(r"[a-z]+", name.lower()))
