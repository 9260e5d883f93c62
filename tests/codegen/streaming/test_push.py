"""What ``<m>_push`` decides, in numpy, in C on this machine and on emulated cores: the same bits."""

from __future__ import annotations

import ctypes
import dataclasses
import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from graphs import GraphBuilder
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from projects import STRICT, required_tool, run_tool, zig
from sound_networks import sounds
from stream_library import FRONT_END, GRAPHS, SERIES, compiled_stream, project, stream_library, streams

from codegen.boards import load_board
from codegen.cores import CORES
from codegen.elf import read
from codegen.errors import UserError
from codegen.features import FrontEnd
from codegen.project import read_project
from codegen.reference import run
from codegen.stream_emulation.costs import stream_costs
from codegen.stream_emulation.verify import odd_lengths, verify_stream
from codegen.streaming import AnomalyDetection, Classification, StreamReference, StreamSettings, decisions, sound_stream
from codegen.streaming.records import expected_records
from codegen.streaming.reference import detections

KINDS = ("sound", "series", "machine")


def recording(kind: str, seed: int, count: int) -> NDArray[Any]:
    """Samples whose loudness changes."""
    if kind == "sound":
        return sounds(FRONT_END, -(-count // FRONT_END.samples) + 1, seed).ravel()[-count:] if count else np.empty(0, np.int16)
    rng = np.random.default_rng(seed)
    loudness = np.repeat(10 ** rng.uniform(-2, 3, (-(-count // 16), SERIES.shape[-1])), 16, axis=0)[:count]
    return (np.array(SERIES.offset) + loudness * rng.standard_normal((count, SERIES.shape[-1]))).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_each_decision_sees_what_a_window_cut_out_would_be(kind: str) -> None:
    stream, graph = streams()[kind], GRAPHS[kind]
    samples = recording(kind, 1, stream.window_samples + 9 * stream.hop_samples + 5)
    found = decisions(stream, graph, samples)
    assert len(found) == 10
    assert len({row.tobytes() for row in found.scores}) > 1
    task = stream.task
    for at, scores in zip(found.at, found.scores, strict=True):
        window = samples[at - stream.window_samples : at]
        seen = stream.source(window[None]).reshape(1, *graph[graph.inputs[0]].shape[1:])
        (alone,) = run(graph, {graph.inputs[0]: seen}).values()
        assert scores.tolist() == (task.detector(seen, alone) if isinstance(task, AnomalyDetection) else alone.ravel()).tolist()


@given(data=st.data())
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("kind", KINDS)
def test_pieces_of_any_length_give_the_decisions_of_the_reference(kind: str, data: st.DataObject) -> None:
    stream, graph = streams()[kind], GRAPHS[kind]
    options = dataclasses.replace(
        stream.settings,
        hop=data.draw(st.integers(1, 2 * stream.rows)),
        smoothing=data.draw(st.integers(1, stream.settings.smoothing)),
        threshold=data.draw(st.integers(0, 20000) if kind != "machine" else st.integers(100_000, 130_000)),
        refractory=data.draw(st.integers(0, 6)),
    )
    samples = recording(kind, data.draw(st.integers(0, 99)), data.draw(st.integers(0, 4 * stream.window_samples)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(samples)), max_size=40)))
    lengths = np.diff([0, *cuts, len(samples)]).tolist()
    chosen = dataclasses.replace(stream, settings=options)
    expected = decisions(chosen, graph, samples)
    records, means = stream_library(kind).pushed(samples, lengths, options)
    assert (records == expected_records(chosen, expected, lengths)).all()
    reference, resumed = StreamReference(chosen, graph), []
    for _ in range(2):  # and once more from the start
        resumed = [reference.push(piece, [len(piece)]) for piece in np.split(samples, cuts)]
        reference.restart()
    assert (np.concatenate(resumed) == records).all()
    done = np.searchsorted(expected.at, np.cumsum(lengths), side="right")
    assert (means[done == 0] == 0).all()
    assert (means[done > 0] == expected.means[done[done > 0] - 1]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_keeps_no_more_than_the_next_decisions_need(kind: str) -> None:
    reference, stream = StreamReference(streams()[kind], GRAPHS[kind]), streams()[kind]
    samples = recording(kind, 7, stream.window_samples + 200 * stream.hop_samples)
    first = stream.window_samples + 6 * stream.hop_samples
    assert len(reference.decide(samples[:first])) == 7
    kept = len(pickle.dumps(reference))
    assert len(reference.decide(samples[first:])) == 194
    assert len(pickle.dumps(reference)) < kept + 100  # numbers grow


LEVEL = st.tuples(*[st.integers(-20, 20)] * 3)


@given(st.lists(LEVEL, min_size=1, max_size=12), st.integers(1, 4))
@example([(5, 0, 13), (12, -15, 5)], 2)  # sums 26,702 and 26,703 have one mean: the first class is the likeliest
@settings(max_examples=200, deadline=None)
def test_of_equal_means_the_first_class_is_the_likeliest(levels: list[tuple[int, ...]], smoothing: int) -> None:
    stream, graph = streams()["levels"], GRAPHS["levels"]
    chosen = dataclasses.replace(stream, settings=dataclasses.replace(stream.settings, smoothing=smoothing))
    samples = np.repeat(np.array(levels, np.int16), stream.rows, axis=0)
    expected = decisions(chosen, graph, samples)
    assert expected.scores.tolist() == [list(level) for level in levels]
    lengths = [stream.rows] * len(levels)
    records, _ = stream_library("levels").pushed(samples, lengths, chosen.settings)
    assert (records == expected_records(chosen, expected, lengths)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_emulated_cores_decide_the_same(kind: str) -> None:
    samples = recording(kind, 4, 12 * streams()[kind].window_samples)
    for core in CORES:
        found = verify_stream(project(kind), samples, core=core, seed=3)
        assert found.bit_exact, core
        assert len(found.expected) > 30
        assert found.stack > 0
        assert (found.load is not None) == (core == "cortex-m4")


def test_what_differs_is_found() -> None:
    directory = project("series")
    samples = recording("series", 4, 200)
    source = directory / "src" / "streamed_stream.c"
    text = source.read_text()
    try:
        source.write_text(text.replace("power(most - output[i]) << 15)", "power(most - output[i]) << 14)"))
        assert not verify_stream(directory, samples).bit_exact
        source.write_text(text.replace("older = (size_t)stream->at", "older = (size_t)0"))
        assert not verify_stream(directory, samples).bit_exact
    finally:
        source.write_text(text)


@pytest.mark.parametrize("kind", KINDS)
def test_options_and_pointers_that_make_no_sense_are_refused(kind: str) -> None:
    library = stream_library(kind)
    stream = library.stream
    state = (ctypes.c_uint64 * (stream.state_bytes // 8 + 1))()
    arena = (ctypes.c_uint64 * (compiled_stream(kind).arena_bytes // 8 + 2))()
    samples = np.zeros((8, *stream.sample_shape), stream.sample_type)
    data = ctypes.c_void_p(samples.ctypes.data)
    start, push = library.c.streamed_stream_start, library.c.streamed_push
    threshold = -1 if kind == "machine" else 32769
    for bad in ((0, 1, 1, 1), (1, 0, 1, 1), (1, stream.settings.smoothing + 1, 1, 1), (1, 1, threshold, 1)):
        assert start(state, library.options(bad)) == -4
    assert start(None, None) == -1
    assert not any(state)
    assert start(state, None) == 0
    size = ctypes.c_size_t
    assert push(None, arena, data, size(1)) == push(state, None, data, size(1)) == push(state, arena, None, size(1)) == -1
    assert push(state, ctypes.byref(arena, 4), data, size(1)) == -2
    assert push(state, arena, None, size(0)) == push(state, arena, data, size(0)) == 0


def test_a_stream_costs_nothing_until_it_is_linked() -> None:
    for kind in KINDS:
        model = compiled_stream(kind)
        costs = stream_costs(model, load_board("nucleo-l4r5zi"))
        assert costs.state == model.stream.state_bytes  # type: ignore[union-attr]
        assert costs.decision_cycles > costs.row_cycles > 0
        assert 0 < costs.stack < 600
        assert costs.to_json(model.stream, load_board("nucleo-l4r5zi"))["load"] > 0  # type: ignore[arg-type]
        program = read(_linked(kind))
        assert costs.flash.total > program.code + program.constants
        assert program.static == 0
        assert not any("push" in function.name for function in program.functions if "features" not in function.name)


def _linked(kind: str) -> Any:
    from codegen.toolchain import ZigCompiler

    directory = project(kind)
    return ZigCompiler().link(
        sorted((directory / "src").glob("*.c")),
        include_dirs=[directory / "include", directory / "src"],
        core=CORES["cortex-m0plus"],
        optimize="size",
        roots=["streamed_run"],
        output=directory.parent / "alone.elf",
    )


def test_compilers_have_nothing_to_warn_of() -> None:
    gcc = required_tool("arm-none-eabi-gcc")
    for kind, cpu, level in itertools.product(KINDS, ("m4", "m0plus"), ("-O3", "-Os")):
        directory = project(kind)
        arguments = [level, *STRICT, f"-I{directory / 'include'}", f"-I{directory / 'src'}"]
        source, output = directory / "src" / "streamed_stream.c", directory.parent / "warned.o"
        done = zig("cc", "-target", "thumb-freestanding-eabi", f"-mcpu=cortex_{cpu}", *arguments, "-c", source, "-o", output)
        assert done.returncode == 0, done.stderr
        run_tool([gcc, f"-mcpu=cortex-{cpu}", "-mthumb", *arguments, "-c", source, "-o", output])


@given(
    st.lists(st.lists(st.integers(0, 32768), min_size=3, max_size=3), max_size=60),
    st.integers(0, 32768),
    st.integers(0, 5),
    st.sets(st.integers(0, 2), max_size=2),
)
def test_detections_are_apart_and_of_likely_classes(rows: list[list[int]], threshold: int, refractory: int, off: set[int]) -> None:
    smooth = np.array(rows, np.int64).reshape(-1, 3)
    certain = Classification(("a", "b", "c"), tuple(off)).certain(smooth, threshold)
    found = detections(certain, refractory)
    at = np.flatnonzero(found >= 0)
    assert (np.diff(at) >= max(refractory, 1)).all()
    for i in at:
        assert found[i] not in off
        assert smooth[i, found[i]] == smooth[i].max() >= threshold
    for before, i in itertools.pairwise(at.tolist()):  # what goes on is one event
        assert found[before] != found[i] or (certain[before + 1 : i] != found[before]).any()


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(0, 9), st.integers(0, 5))
def test_an_alarm_begins_once_and_again_after_the_score_fell(scores: list[int], threshold: int, refractory: int) -> None:
    task = streams()["machine"].task
    found = detections(task.certain(np.array(scores, np.int64).reshape(-1, 1), threshold), refractory)
    at = np.flatnonzero(found == 0).tolist()
    above = np.array(scores, np.int64) > threshold
    assert all(above[i] for i in at)
    assert all(i - before >= refractory and not above[before:i].all() for before, i in itertools.pairwise(at))
    if refractory == 0:
        assert at == [i for i in np.flatnonzero(above).tolist() if i == 0 or not above[i - 1]]


def test_a_project_keeps_its_stream_and_odd_pieces_are_odd() -> None:
    for kind, stream in streams().items():
        assert read_project(project(kind)).stream == stream
        lengths = odd_lengths(stream, 100 * stream.window_samples, 0)
        assert sum(lengths) == 100 * stream.window_samples
        assert min(lengths) == 1
        assert max(lengths) > stream.window_samples
    with pytest.raises(UserError, match="23 samples are less than a window of 24"):
        verify_stream(project("series"), recording("series", 0, 23))
    for shape in ((1, 1, 3), (1, 65_536, 3), (2, 24, 3)):
        with pytest.raises(UserError, match=r"windows of 2 to 65535 samples of a series, no window of shape \["):
            dataclasses.replace(streams()["series"], source=dataclasses.replace(SERIES, shape=shape))
    apart = dataclasses.replace(FRONT_END.settings, hop=FRONT_END.settings.frame + 1)
    for front_end in (FrontEnd(FRONT_END.settings, 1), FrontEnd(apart, 2)):
        assert sound_stream(GRAPHS["sound"], front_end) is None
        with pytest.raises(UserError, match="spectrograms of 2 to 65535 frames that leave no samples out, no spectrogram of"):
            dataclasses.replace(streams()["sound"], source=front_end)
    builder = GraphBuilder("likely", seed=1)
    x = builder.input(1, *FRONT_END.shape, grid=(FRONT_END.settings.scale, FRONT_END.settings.zero_point))
    ends_in_softmax = builder.graph(builder.softmax(builder.dense(builder.global_pool(x), 4)))
    assert sound_stream(ends_in_softmax, FRONT_END) is None
    with pytest.raises(UserError, match="softmax of its own"):
        streams()["sound"].check(ends_in_softmax)
    with pytest.raises(UserError, match="3 classes, the network's output is"):
        dataclasses.replace(streams()["sound"], task=streams()["series"].task).check(GRAPHS["sound"])
    with pytest.raises(UserError, match="reconstructions of 72 values, which the network does not make"):
        dataclasses.replace(streams()["series"], task=streams()["machine"].task).check(GRAPHS["series"])
    with pytest.raises(UserError, match="threshold is 40000"):
        dataclasses.replace(streams()["sound"], settings=StreamSettings(1, 1, 40000, 0))
    with pytest.raises(UserError, match="smoothing is 65"):
        StreamSettings(1, 65, 40000, 0)
