"""Streams of the Python API: the reference and the emulated program push by push, against the whole recording at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from raw_networks import compiled_with_raw_input
from stream_library import GRAPHS, project, streams

import nas
from codegen.boards import load_board
from codegen.project import write_project
from codegen.streaming import decisions


def recording(kind: str) -> np.ndarray:
    stream = streams()[kind]
    values = np.repeat(10 ** np.random.default_rng(3).uniform(-2, 3, (30, *stream.sample_shape)), 8, axis=0)
    return (values * np.random.default_rng(4).standard_normal(values.shape)).astype(np.float32)


@pytest.mark.parametrize("emulated", [False, True])
@pytest.mark.parametrize("kind", ["series", "machine"])
def test_pieces_give_the_decisions_of_the_whole(kind: str, emulated: bool) -> None:
    stream, samples = streams()[kind], recording(kind)
    expected = decisions(stream, GRAPHS[kind], samples)
    opened = nas.open_stream(project(kind), emulated=emulated)
    assert opened.names == stream.task.names
    top = expected.means.argmax(1)
    values = stream.task.real(expected.means[np.arange(len(expected)), top])
    pieces = np.split(samples, [0, 1, 9, opened.window, opened.window + 1, 100, 101, 190])
    for _ in range(2):  # and once more from the start
        found = [decision for piece in pieces for decision in opened.push(piece)]
        assert [d.at for d in found] == expected.at.tolist()
        assert [d.scores for d in found] == [tuple(row) for row in expected.scores.tolist()]
        assert [d.label for d in found] == [opened.names[i] for i in top]
        assert [d.value for d in found] == values.tolist()
        assert [d.detected for d in found] == [opened.names[i] if i >= 0 else None for i in expected.detected]
        opened.restart()
    assert len(expected) > 10


def test_sound_overlaps_from_piece_to_piece() -> None:
    stream = streams()["sound"]
    sound = np.random.default_rng(5).integers(-9000, 9000, 3 * stream.window_samples + 11).astype(np.int16)
    expected = decisions(stream, GRAPHS["sound"], sound)
    opened = nas.open_stream(project("sound"))
    found = [decision for piece in np.array_split(sound, 17) for decision in opened.push(piece)]
    assert [(d.at, d.scores) for d in found] == [
        (at, tuple(row)) for at, row in zip(expected.at.tolist(), expected.scores.tolist(), strict=True)
    ]


def test_a_recording_is_verified() -> None:
    result = nas.verify_stream(project("series"), recording("series"))
    assert result.bit_exact
    assert result.samples == len(recording("series"))
    assert len(result.expected) > 10


def test_what_does_not_fit_is_refused() -> None:
    opened = nas.open_stream(project("series"))
    with pytest.raises(nas.UserError, match=r"samples: of shape \(5,\); the stream takes \(n, "):
        opened.push(np.zeros(5, np.float32))
    with pytest.raises(nas.UserError, match="samples: of type float32; the stream takes int16"):
        nas.open_stream(project("sound")).push(np.zeros(5, np.float32))
    with pytest.raises(nas.UserError, match=r"^recording: of shape \(5,\); the stream takes \(n, "):
        nas.verify_stream(project("series"), np.zeros(5, np.float32))
    with pytest.raises(nas.UserError, match=r"^recording a.wav: the project in .* takes CSV files$"):
        nas.verify_stream(project("series"), "a.wav")
    with pytest.raises(nas.UserError, match="core cortex-m3: is for an emulated stream"):
        nas.open_stream(project("series"), core="cortex-m3")


def test_a_project_without_a_stream_is_named(tmp_path: Path) -> None:
    write_project(compiled_with_raw_input("flowers"), tmp_path / "flowers", board=load_board("nucleo-l4r5zi"), report={})
    for ask in (nas.open_stream, lambda path: nas.verify_stream(path, "a.csv")):
        with pytest.raises(nas.UserError, match=f"^{tmp_path / 'flowers'}: the project takes no stream; those of searches over"):
            ask(tmp_path / "flowers")
