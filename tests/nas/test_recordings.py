"""Recordings through a project: brought to its rate and length, answered with class and scores, refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from data_files import tone, write_wav
from projects import export
from sound_networks import FRONT_END, NAME, compiled_with_features, network

from codegen.boards import load_board
from codegen.project import write_project
from codegen.reference import run
from nas.cli import cli
from nas.datasets.readers.audio import read_wav
from nas.datasets.windows import clip_window
from nas.recordings import read_sounds

CLASSES = ["off", "on", "stop", "go"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that learnt from clips of 2,000 samples, of which it hears the first 1,536."""
    target = tmp_path_factory.mktemp("project") / NAME
    report = {"data": {"input_shape": [1, 2000, 1], "classes": CLASSES}}
    write_project(compiled_with_features(), target, board=load_board("nucleo-l4r5zi"), report=report)
    return target


def test_recordings_are_read_as_the_data_was(project: Path, tmp_path: Path) -> None:
    short, long = tone(900, 300), np.concatenate([tone(3000, 500) / 8, tone(2000, 700), tone(3000, 500) / 8])
    write_wav(tmp_path / "short.wav", short)
    write_wav(tmp_path / "long.wav", long)
    write_wav(tmp_path / "fast.wav", np.stack([tone(4000, 300, 16000)] * 2, axis=1), rate=16000, form="int24")
    found = read_sounds(project, [tmp_path / name for name in ("short.wav", "long.wav", "fast.wav")])
    assert found.shape == (3, 1536)
    assert np.array_equal(found[0, :900], np.rint(short * 32768))
    assert not found[0, 900:].any()
    assert np.array_equal(found[1], np.rint(long[3000:4536] * 32768))  # of the loudest 2,000 the first
    assert np.corrcoef(found[2, 50:1500], tone(2000, 300)[50:1500])[0, 1] > 0.99
    assert np.array_equal(clip_window(read_wav(tmp_path / "short.wav", 8000), 1536), found[0])


def test_the_answer_is_the_reference_s(project: Path, tmp_path: Path) -> None:
    paths = []
    for i, frequency in enumerate((200, 500, 1500)):
        paths.append(tmp_path / f"{i}.wav")
        write_wav(paths[-1], tone(2000, frequency))
    done = CliRunner().invoke(cli, ["verify", str(project), "--json", *(f"--raw={path}" for path in paths)])
    assert done.exit_code == 0, done.stderr
    graph = network()
    stored = run(graph, {graph.inputs[0]: FRONT_END(read_sounds(project, paths))})[graph.outputs[0]].reshape(3, 4)
    grid = graph[graph.outputs[0]]
    for answer, path, row in zip(json.loads(done.stdout)["answers"], paths, stored, strict=True):
        assert answer["file"] == str(path)
        assert answer["class"] == CLASSES[int(row.argmax())]
        assert list(answer["scores"]) == CLASSES
        assert np.allclose(list(answer["scores"].values()), (row.astype(float) - grid.zero_point) * grid.scale, atol=1e-4)
    assert len({tuple(row) for row in stored.tolist()}) == 3  # else any input would do


def test_what_is_no_recording_is_one_clear_line(project: Path, tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", tone(2000))
    (tmp_path / "b.bin").write_bytes(bytes(FRONT_END.column_bytes))
    (tmp_path / "empty.wav").touch()
    deaf = export("dense", tmp_path)
    for directory, files, words in (
        (project, ("a.wav", "b.bin"), "b.bin: give WAV files only, or none"),
        (project, ("none.wav",), "none.wav: cannot be read"),
        (project, ("empty.wav",), "empty.wav: empty file; a WAV file is needed"),
        (deaf, ("a.wav",), "takes no sound"),
    ):
        done = CliRunner().invoke(cli, ["verify", str(directory), *(f"--raw={tmp_path / name}" for name in files)])
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert words in done.stderr
    columns = CliRunner().invoke(cli, ["verify", str(project), "--json", f"--raw={tmp_path / 'b.bin'}"])
    assert columns.exit_code == 0, columns.stderr  # plain bytes are the network's input
    assert "answers" not in json.loads(columns.stdout)
