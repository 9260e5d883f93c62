"""Streams made of a data set's examples, and how often a network is wrong on them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import read
from feature_library import as_clips, recordings
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from stream_library import GRAPHS, SERIES, streams

from codegen.boards import load_board
from codegen.features import RawInput
from codegen.ir import Graph
from codegen.project.operation_words import CLASSES
from codegen.streaming import ONE, AnomalyDetection, Classification, Stream, StreamSettings, can_stream, decisions
from codegen.streaming.reference import detections
from cost_models import Limits
from nas.datasets import Dataset, Normalization
from nas.inputs.program_inputs import program_form, raw_input_of
from nas.inputs.spectrograms import clips
from nas.learning.quantization import fitted_detector
from nas.programs.exports import export_network
from nas.programs.sources import Trained
from nas.streaming import Judge, background_classes, choose_operation, listener, state_operation, stream_for
from nas.streaming.alarms import Heard, alarm_point, listen
from nas.streaming.continuous import recordings as whole_recordings
from nas.streaming.curve import THRESHOLDS, curve, point, tolerance
from nas.streaming.events import RULE
from nas.streaming.scene import Event, make_scene

IDENTITY = Normalization(np.zeros(1, np.float32), np.ones(1, np.float32))


@pytest.fixture(scope="module")
def digits(shared_dir: Path) -> Dataset:
    """Some of the spoken digits."""
    names, sounds = zip(*recordings(shared_dir / "data" / "fsdd" / "fsdd.tar.xz", every=60), strict=True)
    classes = tuple(str(digit) for digit in range(10))
    return made_up(classes, [int(Path(name).stem[0]) for name in names], as_clips(sounds, 5000)[:, None, :, None])


def made_up(classes: Sequence[str], y: Sequence[int], stored: NDArray[np.generic]) -> Dataset:
    _, _, length, channels = stored.shape
    kind = "series" if channels > 1 else "audio"
    return Dataset("made_up", kind, (1, length, channels), tuple(classes), stored, np.array(y, np.int64), rate=100.0)  # type: ignore[arg-type]


def test_which_classes_are_no_event() -> None:
    assert background_classes(("_silence_", "_unknown_", "yes", "Background noise", "noise_", "OTHER", "quiet place")) == (
        0,
        1,
        3,
        4,
        5,
    )
    assert background_classes(("walking", "laying")) == ()


def test_recordings_lie_where_the_events_are(digits: Dataset) -> None:
    scene = make_scene(digits, 30, 4)
    again = make_scene(digits, 30, 4)
    assert np.array_equal(scene.samples, again.samples)
    assert scene.events == again.events
    assert make_scene(digits, 30, 5).events != scene.events
    assert len(scene.events) == 30
    assert "white noise of -" in scene.words
    sounds = {digits.classes[label]: clips(digits)[digits.y == label] for label in range(10)}
    length, before = clips(digits).shape[1], 0
    for event in scene.events:
        assert event.start - before >= 1.5 * length
        before = event.end
        heard = scene.samples[event.start : event.end]
        assert any(
            np.array_equal(clip[: len(heard)], heard) and not clip[len(heard) :].any()
            for clip in sounds[digits.classes[event.label]]
        )
    assert 0 < np.abs(scene.samples[: scene.events[0].start]).max() < 2000


def test_background_is_that_of_the_data_and_no_event() -> None:
    stored = np.stack([np.full((1, 40, 1), value, np.int16) for value in (7, 8, 100, 200, 300)])
    data = made_up(("silence", "yes", "unknown"), (0, 0, 1, 2, 1), stored)
    scene = make_scene(data, 9, 0)
    assert [event.label for event in scene.events] == [1, 1]
    assert set(scene.samples.tolist()) == {7, 8, 100, 200, 300}
    assert (scene.samples == 200).sum() == 40


def test_series_follow_each_other_and_what_goes_on_is_one_event() -> None:
    stored = np.arange(12 * 5 * 2, dtype=np.int16).reshape(12, 1, 5, 2)
    labels = [0] * 6 + [1] * 3 + [2] * 3
    scene = make_scene(made_up(("a", "none", "c"), labels, stored), 12, 1)
    assert scene.samples.dtype == np.int16
    assert sorted(scene.samples[:, 0].tolist()) == stored[..., 0].ravel().tolist()
    for event in scene.events:
        values = scene.samples[event.start : event.end, 0].astype(int) // 10
        assert {labels[value] for value in values} == {event.label} != {1}
    for one, other in itertools.pairwise(scene.events):
        assert one.label != other.label or one.end < other.start


@given(
    st.lists(st.sampled_from([-1, -1, -1, 0, 1, 2]), min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 80), st.integers(0, 2)), max_size=8),
)
@example([1], [(1, 1, 0), (1, 1, 1), (1, 1, 0), (1, 1, 0)])  # hit after others have begun
def test_each_event_is_hit_once_and_all_else_is_false(pattern: list[int], spans: list[tuple[int, int, int]]) -> None:
    stream = Stream(SERIES, Classification(("a", "b", "c")), StreamSettings(7, 1, ONE // 2, 0), 50.0)
    events, at = [], 0
    for gap, length, label in spans:
        events.append(Event(at + gap, at + gap + length, label))
        at += gap + length
    likely = np.zeros((len(pattern), 3), np.int64)
    for row, label in zip(likely, pattern, strict=True):
        row[max(label, 0)] = ONE if label >= 0 else 1
    times = stream.window_samples + 7 * np.arange(len(pattern))
    found = detections(stream.task.certain(likely, ONE // 2), 0)
    result = point(stream, likely, times, events, 1000)
    assert result.events == len(events)
    assert result.hits + result.false_accepts == (found >= 0).sum()
    reach = tolerance(stream)
    possible = sum(
        any(label == event.label and event.start < time <= event.end + reach for time, label in zip(times, found, strict=True))
        for event in events
    )
    assert result.hits <= possible
    assert result.hits > 0 or possible == 0
    assert result.hours == pytest.approx(1000 / 50 / 3600)


def exported_on_boards(graph: Graph, front_end: RawInput | None, validation: Dataset, known: Any, *, folder: Path) -> None:
    """A board that leaves the time for as many decisions takes them as they were tested, a slow one makes fewer, untested."""
    listen, board = listener(front_end, validation, None, known, Judge(graph, front_end)), load_board("nucleo-g0b1re")
    for clock, hop in ((board.clock_hz, 6), (100_000, 24)):
        network = Trained(graph, inputs=validation.stored, front_end=front_end, listen=listen)
        there, directory = dataclasses.replace(board, clock_hz=clock), folder / str(clock)
        exported = export_network(network, there, Limits(), name="streamed", optimize="balanced", directory=directory)
        assert exported.build.written
        report = read(directory / "report.json")
        settings = report["project"]["stream"]["settings"]
        assert settings["hop"] == hop
        assert report["stream"]["built"]["load"] > 0
        assert (settings == known["settings"]) == (report["stream"].get("operation") == known["operation"]) == (hop == 6)
    assert listener(None, validation, None, known, Judge(graph, None)) is None


def test_the_chosen_threshold_is_the_best_on_validation_data_and_the_curve_is_of_test_data(tmp_path: Path) -> None:
    graph = GRAPHS["series"]

    def part(seed: int) -> Dataset:
        values = np.random.default_rng(seed).normal(0, 1, (60, 1, 24, 3)) * (1 + np.arange(60) % 3 * 40)[:, None, None, None]
        made = made_up(("a", "b", "c"), (np.arange(60) // 6 % 3).tolist(), values.astype(np.float32))
        return dataclasses.replace(made, normalization=IDENTITY)

    validation, test = part(0), part(1)
    front_end = raw_input_of(validation, graph)
    stream = stream_for(validation, front_end)
    assert stream is not None
    assert (stream.rows, stream.hop_samples, stream.rate) == (24, 6, 100.0)
    operation = choose_operation(stream, Judge(graph, stream.source), validation)
    refit = dataclasses.replace(stream, source=dataclasses.replace(stream.source, scale=2 * stream.source.scale))
    chosen = choose_operation(refit, Judge(graph, stream.source), validation).stream
    assert (chosen.source, chosen.settings) == (refit.source, operation.stream.settings)
    stated = state_operation(operation, graph, test)
    assert stated["rule"] == RULE
    assert [p["threshold"] for p in stated["test"]["curve"]] == list(THRESHOLDS)
    assert [p["real_threshold"] for p in stated["test"]["curve"]] == [round(threshold / ONE, 6) for threshold in THRESHOLDS]
    assert {CLASSES.threshold({"threshold": ONE // 4} | real) for real in ({}, {"real_threshold": 0.25})} == {"0.250"}
    fewer = state_operation(dataclasses.replace(operation, thresholds=THRESHOLDS[::9]), graph, test)
    assert fewer["test"]["curve"] == stated["test"]["curve"][::9]
    assert stated["test"]["events"] > 5
    assert stated["test"]["chosen"] in stated["test"]["curve"]
    scene = make_scene(validation, 60, 0)
    for smoothing in (1, 4):
        other = dataclasses.replace(stream, settings=dataclasses.replace(stream.settings, smoothing=smoothing))
        said = decisions(other, graph, scene.samples)
        points = curve(other, said.means, said.at, scene.events, len(scene.samples))
        assert round(max(p.score for p in points), 6) <= operation.validation["score"]
    for latency, hop in ((1.0, 6), (50.0, 10), (5000.0, 24)):  # of 240 ms of window
        slow = stream_for(validation, front_end, latency_ms=latency)
        assert slow is not None
        assert slow.settings.hop == hop
    known = {"settings": operation.stream.to_json()["settings"], "operation": stated}
    exported_on_boards(graph, front_end, validation, known, folder=tmp_path)
    assert stream_for(dataclasses.replace(validation, kind="image"), front_end) is None
    assert stream_for(validation, None) is None
    assert streams()["sound"].task.is_event() == [True, False, True, True]  # type: ignore[attr-defined]


def cut(length: int, step: int, counts: Sequence[int], *, known: bool, seed: int = 3) -> tuple[Dataset, list[NDArray[np.float32]]]:
    """Windows of recordings of noise that have so many, and the recordings; every third is anomalous."""
    rng = np.random.default_rng(seed)
    whole = [rng.normal(size=(length + (count - 1) * step, 3)).astype(np.float32) for count in counts]
    windows = np.concatenate([[one[i * step :][:length] for i in range(n)] for one, n in zip(whole, counts, strict=True)])
    y = np.repeat((np.arange(len(counts)) % 3 == 2).astype(int), counts)
    data = made_up(("normal", "worn"), y.tolist(), windows[:, None])
    return dataclasses.replace(data, normal=0, metric="auroc", step=step if known else None), whole


@pytest.mark.parametrize("known", [True, False])
@given(st.integers(2, 12), st.integers(1, 14), st.lists(st.integers(1, 5), min_size=1, max_size=8))
@settings(deadline=None)
def test_windows_become_the_recordings_that_they_were_cut_from(known: bool, length: int, step: int, counts: list[int]) -> None:
    data, whole = cut(length, step, counts, known=known)
    found = list(whole_recordings(data))
    if step >= length or (not known and step > 0.75 * length):  # nothing tells that one goes on in the next
        assert len(found) == len(data)
        assert all(np.array_equal(samples, data.stored[begin, 0]) for samples, begin in found)
    else:
        assert [begin for _, begin in found] == np.cumsum([0, *counts[:-1]]).tolist()
        assert all(np.array_equal(samples, one) for (samples, _), one in zip(found, whole, strict=True))


def test_the_alarm_s_threshold_is_of_normal_recordings_and_its_curve_of_test_data() -> None:
    graph = GRAPHS["machine"]

    def part(seed: int, worn: float) -> Dataset:
        data, _ = cut(24, 8, [9] * 12, known=True, seed=seed)
        stored = np.where(data.anomalous, worn, 1.0)[:, None, None, None] * data.stored
        return dataclasses.replace(data, stored=stored.astype(np.float32), normalization=IDENTITY)

    validation, test = part(0, 1.0), part(1, 50.0)
    front_end = raw_input_of(validation, graph)
    detector = fitted_detector(graph, program_form(validation, front_end))
    stream = stream_for(validation, front_end, detector=detector)
    assert stream is not None
    assert isinstance(stream.task, AnomalyDetection)
    assert (stream.settings.hop, stream.settings.smoothing, stream.settings.refractory) == (6, 4, 4)
    operation = choose_operation(stream, Judge(graph, stream.source), validation)
    heard, words = listen(operation.stream, graph, validation.subset(np.flatnonzero(~validation.anomalous)))
    assert words.startswith(f"{len(heard)} recordings; ")
    means = np.concatenate([one.means for one in heard])
    assert 0 < (means > operation.stream.settings.threshold).mean() <= 0.03
    stated = state_operation(operation, graph, test)
    assert (stated["task"], stated["validation"]) == ("anomaly detection", operation.validation)
    assert stated["test"]["chosen"] in stated["test"]["curve"]
    rates = [p["above"]["normal"] for p in stated["test"]["curve"]]
    assert rates == sorted(rates, reverse=True)
    assert stated["test"]["chosen"]["above"]["anomalous"] > stated["test"]["chosen"]["above"]["normal"]
    assert stated["test"]["chosen"]["false_rejects"] < 1
    assert stream_for(dataclasses.replace(test, kind="vector"), front_end, detector=detector) is None


@pytest.mark.parametrize("length", [1, 2, 65_535, 65_536])
def test_a_detector_of_windows_that_make_no_stream_does_not_listen(length: int) -> None:
    data, _ = cut(length, 1, [1, 1, 1], known=True)
    front_end = dataclasses.replace(SERIES, shape=data.input_shape)
    task = streams()["machine"].task
    assert isinstance(task, AnomalyDetection)
    stream = stream_for(data, front_end, 1.0, task.detector)
    assert (stream is not None) == can_stream(front_end) == (1 < length < 65_536)
    assert (listener(front_end, data, task.detector, None, Judge(GRAPHS["machine"], front_end)) is not None) == (stream is not None)


def test_an_hour_are_the_decisions_in_its_time_and_an_anomaly_is_detected_once() -> None:
    stream = streams()["machine"]  # a decision each 7 samples at 50 Hz; 2 decisions from an alarm to the next
    low, high = 1000, 500_000
    heard = [
        Heard(np.array([low, high, high, low, low, high]), False),
        Heard(np.array([high]), False),
        Heard(np.array([low, high, low, low, high]), True),
        Heard(np.array([low]), True),
    ]
    found = alarm_point(stream, heard, 300_000)
    assert (found.false_alarms, found.hits, found.recordings) == (3, 1, 2)
    assert found.hours == pytest.approx(7 * 7 / 50 / 3600)
    assert found.above == pytest.approx((4 / 7, 2 / 6))
    assert alarm_point(stream, heard[:2], high).above == (0.0, None)
