"""Recordings through a project: brought to the form of its data, answered with class and scores, refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from data_files import tone, write_csv, write_image, write_wav
from projects import export
from raw_networks import RAW_INPUTS, compiled_with_raw_input
from raw_networks import network as raw_network
from sound_networks import FRONT_END, NAME, compiled_with_features, network

from codegen.boards import load_board
from codegen.project import write_project
from codegen.reference import run
from nas.cli import cli
from nas.datasets.readers.audio import read_wav
from nas.datasets.windows import clip_window
from nas.inputs.raw_files import read_folder
from nas.inputs.recordings import read_files, stacked

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
    found = stacked(read_files(project, [tmp_path / name for name in ("short.wav", "long.wav", "fast.wav")], "WAV"))
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
    stored = run(graph, {graph.inputs[0]: FRONT_END(stacked(read_files(project, paths, "WAV")))})[graph.outputs[0]].reshape(3, 4)
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
    write_csv(tmp_path / "a.csv", ["x"], [[1]])
    for directory, name, words in ((project, "a.csv", "takes no series or tables"), (deaf, ".", "takes no recordings")):
        done = CliRunner().invoke(cli, ["verify", str(directory), f"--raw={tmp_path / name}"])
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert words in done.stderr
    columns = CliRunner().invoke(cli, ["verify", str(project), "--json", f"--raw={tmp_path / 'b.bin'}"])
    assert columns.exit_code == 0, columns.stderr  # plain bytes are the network's input
    assert "answers" not in json.loads(columns.stdout)


CHANNELS = ["acc_x", "acc_y", "pressure"]
ABOUT = {
    "motion": {"channels": CHANNELS, "classes": ["rest", "walk", "run"], "rate": 50.0},
    "flowers": {"channels": ["a", "b", "c", "d"], "classes": ["setosa", "virginica", "other"]},
    "photos": {"classes": ["cat", "dog", "bird"]},
}


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of projects that take windows of three channels, vectors and coloured images."""
    folder = tmp_path_factory.mktemp("projects")
    for name, about in ABOUT.items():
        report = {"data": about, "test": {"metric": "balanced_accuracy"}}
        write_project(compiled_with_raw_input(name), folder / name, board=load_board("nucleo-l4r5zi"), report=report)
    return folder


def motion(lines: int, seed: int = 0) -> list[list[float]]:
    """Lines of the three channels, like what the network of them learnt from."""
    rng = np.random.default_rng(seed)
    front_end = RAW_INPUTS["motion"]
    made: list[list[float]] = (rng.normal(size=(lines, 3)) / front_end.gain + front_end.offset).astype(np.float32).tolist()
    return made


def reference(name: str, raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Integer outputs ``(n, 3)`` of the network for raw numbers."""
    graph = raw_network(name)
    outputs: np.ndarray[Any, Any] = run(graph, {graph.inputs[0]: RAW_INPUTS[name](raw)})[graph.outputs[0]]
    return outputs.reshape(len(raw), -1)


def test_recordings_are_cut_as_the_data_was(projects: Path, tmp_path: Path) -> None:
    values = np.array(motion(40))
    timed = [[i / 50, "walk", *row[::-1]] for i, row in enumerate(values.tolist())]
    write_csv(tmp_path / "timed.csv", ["time_s", "label", *CHANNELS[::-1]], timed)  # channels are found by name
    found = read_files(projects / "motion", [tmp_path / "timed.csv"], "CSV")
    assert [example.begin for example in found] == [0, 8, 16, 24]
    assert [example.label for example in found] == ["walk"] * 4
    assert np.array_equal(found[1].raw, values[8:24].astype(np.float32).ravel())
    shutil.copytree(projects / "motion", tmp_path / "stepped")
    about = json.loads((tmp_path / "stepped" / "report.json").read_text())
    about["data"]["step"] = 6
    (tmp_path / "stepped" / "report.json").write_text(json.dumps(about))
    stepped = read_files(tmp_path / "stepped", [tmp_path / "timed.csv"], "CSV")
    assert [example.begin for example in stepped] == [0, 6, 12, 18, 24]
    timed[20][3] = "?"
    write_csv(tmp_path / "gap.csv", ["time_s", "label", *CHANNELS[::-1]], timed)
    assert [e.begin for e in read_files(projects / "motion", [tmp_path / "gap.csv"], "CSV")] == [0, 21]
    slow = [[f"{i / 25:.2f}", *row] for i, row in enumerate(values.tolist())]
    write_csv(tmp_path / "slow.csv", ["time_s", *CHANNELS], slow)
    assert len(read_files(projects / "motion", [tmp_path / "slow.csv"], "CSV")) == 9  # 80 samples of 50 Hz
    flowers = np.random.default_rng(0).uniform(0, 7, (5, 4)).round(2)
    write_csv(tmp_path / "flowers.csv", ["a", "b", "c", "d", "species"], [[*row, "setosa"] for row in flowers.tolist()])
    found = read_files(projects / "flowers", [tmp_path / "flowers.csv"], "CSV")
    assert np.array_equal(stacked(found), flowers.astype(np.float32))
    pixels = np.random.default_rng(1).integers(0, 256, (12, 20), np.uint8)
    write_image(tmp_path / "grey.png", pixels)
    (image,) = read_files(projects / "photos", [tmp_path / "grey.png"], "PNG or JPEG")
    centre = pixels[:, 4:16].reshape(6, 2, 6, 2).mean((1, 3))
    assert np.abs(image.raw.reshape(6, 6, 3) - centre[..., None]).max() <= 1


def test_a_folder_s_accuracy_is_that_of_the_program(projects: Path, tmp_path: Path) -> None:
    rng, y, raw = np.random.default_rng(5), [], []
    for label in ("train/rest", "test/rest", "test/walk", "test/run"):
        for i in range(3):
            lines = motion(24, int(rng.integers(1000)))
            write_csv(tmp_path / "set" / label / f"{i}.csv", CHANNELS, lines)
            if label.startswith("test"):
                y += [ABOUT["motion"]["classes"].index(label[5:])] * 2
                raw += [lines[:16], lines[8:24]]
    (tmp_path / "set" / "test" / "run" / "broken.csv").write_text("acc_x,acc_y\n1,2\n")
    done = CliRunner().invoke(cli, ["verify", str(projects / "motion"), "--json", f"--raw={tmp_path / 'set'}"])
    assert done.exit_code == 0, done.stderr
    test = json.loads(done.stdout)["test"]
    order = np.argsort(y, kind="stable")  # folders come by name
    assert (test["n"], test["files"], test["emulated"], test["mismatches"], test["metric"]) == (18, 9, 18, 0, "balanced_accuracy")
    said = reference("motion", np.array(raw, np.float32)).argmax(1)
    confusion = np.zeros((3, 3), int)
    np.add.at(confusion, (np.array(y)[order], said[order]), 1)
    assert test["confusion"] == confusion.tolist()
    assert test["accuracy"] == np.trace(confusion) / 18
    assert [left["file"] for left in test["left_out"]] == ["test/run/broken.csv"]
    assert "no column 'pressure'" in test["left_out"][0]["reason"]
    done = CliRunner().invoke(cli, ["verify", str(projects / "motion"), f"--raw={tmp_path / 'set'}"])
    assert "of 18 examples of 9 files are right, the test part of its folders" in done.stdout
    assert "all of them ran in the emulator, features and network; none differs from the Python reference" in done.stdout
    (tmp_path / "set" / "testing_list.txt").write_text("none.csv\n")
    assert read_folder(projects / "motion", tmp_path / "set" / "test").words == "all of its files"


def test_answers_of_windows_and_images_are_the_reference_s(projects: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", CHANNELS, motion(24))
    done = CliRunner().invoke(cli, ["verify", str(projects / "motion"), "--json", f"--raw={tmp_path / 'a.csv'}"])
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    said = reference("motion", stacked(read_files(projects / "motion", [tmp_path / "a.csv"], "CSV")))
    assert [answer["begin"] for answer in found["answers"]] == [0, 8]
    assert [answer["class"] for answer in found["answers"]] == [ABOUT["motion"]["classes"][i] for i in said.argmax(1)]
    assert found["cycles"] > found["network"]["cycles"]
    done = CliRunner().invoke(cli, ["verify", str(projects / "motion"), f"--raw={tmp_path / 'a.csv'}"])
    assert done.stdout.splitlines()[1].startswith(f"{tmp_path / 'a.csv'} from 0.16 s: ")
    np.save(tmp_path / "raw.npy", np.array(motion(16), np.float32))
    done = CliRunner().invoke(cli, ["verify", str(projects / "motion"), f"--raw={tmp_path / 'raw.npy'}"])
    assert done.exit_code == 0, done.stderr
    assert "bit-exact: 1 inputs" in done.stdout


def test_recordings_that_do_not_suit_are_one_clear_line(projects: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "short.csv", CHANNELS, motion(15))
    write_csv(tmp_path / "other.csv", ["acc_x", "acc_y", "z"], motion(20))
    (tmp_path / "empty.csv").touch()
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "hollow").mkdir()
    np.save(tmp_path / "double.npy", np.zeros((2, 48)))
    write_csv(tmp_path / "named" / "swim" / "a.csv", CHANNELS, motion(20))
    for name, files, words in (
        ("motion", ["short.csv"], "short.csv: its longest uninterrupted part has 15 samples, a window takes 16"),
        ("motion", ["other.csv"], "other.csv: has no column 'pressure'; there are 'acc_x', 'acc_y', 'z'"),
        ("motion", ["empty.csv"], "empty.csv: empty file"),
        ("motion", ["none.csv"], "none.csv: cannot be read (No such file or directory); a CSV file is needed"),
        ("motion", ["text.png"], "takes no images"),
        ("motion", ["short.csv", "text.png"], "text.png: give CSV files only, or none"),
        ("motion", ["double.npy"], "the array is float64, samples are float32"),
        ("motion", ["hollow"], "no CSV file in a class folder can be read"),
        ("motion", ["hollow", "short.csv"], "hollow: give one folder and nothing else"),
        ("motion", ["named"], "'swim' is no class of the project, which are 'rest', 'walk', 'run'"),
        ("photos", ["text.png"], "text.png: not a PNG or JPEG image, or damaged; a PNG or JPEG image is needed"),
    ):
        done = CliRunner().invoke(cli, ["verify", str(projects / name), *(f"--raw={tmp_path / file}" for file in files)])
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1), (files, done.output)
        assert words in done.stderr
