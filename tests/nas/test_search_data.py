"""Searches over people's own data, end to end on real parts, with as little training as will do."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import example, nas, nas_here, read

from codegen.anomaly import detector_from_json
from nas.files import read_toml

Unpack = Callable[[str], Path]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, unpacked: Unpack) -> Path:
    """A directory with a copy of the recordings, and a run over them that ``examples/gestures.py`` has made."""
    folder = tmp_path_factory.mktemp("search")
    shutil.copytree(unpacked("har_csv_folder"), folder / "recordings")
    done = example("gestures", "--window", "64", "--trials", "2", "--epochs", "1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "cut from the rest by user" in done.stderr
    assert "winner: trial " in done.stdout
    assert "front (short trainings, predicted costs):\n  trial " in done.stdout
    assert "  rpi-pico: fits, " in done.stdout
    return folder


@pytest.mark.slow
def test_recordings_become_a_project(searched: Path) -> None:
    run = searched / "runs" / "recordings-1"
    report = read(run / "report.json")
    data = report["data"]
    assert (data["kind"], data["input_shape"], data["rate"], data["step"]) == ("series", [1, 64, 6], 50.0, 32)
    assert data["path"] == str(searched / "recordings")
    assert len(data["normalization"]["offset"]) == 6
    assert report["winner"]["test"]["n"] == data["test"]
    assert report["winner"]["test"]["int8"] > 1 / 6
    settings = read_toml(run / "search.toml")
    assert settings["search"]["data"] == str(searched / "recordings")
    assert settings["search"]["window"] == 64
    assert settings["search"]["metric"] == report["winner"]["test"]["metric"] == "accuracy"
    assert settings["quantization"]["augment"] is True, "motion is varied in fine-tuning, too"
    assert settings["data"] == {"hash": data["hash"], "split": data["split"]}

    arrays = [f"--{name}={run / 'verification' / file}.npy" for name, file in (("inputs", "inputs"), ("expect", "expected"))]
    verified = nas_here("verify", str(run / "winner"), "--json", *arrays, cwd=searched)
    assert verified.returncode == 0, verified.stderr
    figures = json.loads(verified.stdout)
    assert (figures["bit_exact"], figures["inputs"]) == (True, data["test"])
    project = read(run / "winner" / "report.json")["data"]
    assert project["normalization"] == data["normalization"]
    assert project["channels"] == ["acc_x_g", "acc_y_g", "acc_z_g", "gyro_x_rads", "gyro_y_rads", "gyro_z_rads"]
    assert project["classes"] == ["LAYING", "SITTING", "STANDING", "WALKING", "WALKING_DOWNSTAIRS", "WALKING_UPSTAIRS"]
    assert (run / "winner" / "include" / "recordings.h").is_file()


@pytest.mark.slow
def test_a_recording_is_pushed_sample_by_sample(searched: Path) -> None:
    run = searched / "runs" / "recordings-1"
    project = read(run / "winner" / "report.json")
    assert project["project"]["front_end"]["offset"] == project["data"]["normalization"]["offset"]
    assert project["project"]["stream"]["rate"] == 50
    path = max((searched / "recordings" / "test" / "WALKING").iterdir(), key=lambda path: path.stat().st_size)
    done = nas_here("verify", str(run), "--stream", str(path), "--json", cwd=searched)
    assert done.returncode == 0, done.stderr
    verified = json.loads(done.stdout)
    assert verified["bit_exact"]
    assert verified["samples"] == len(path.read_text().splitlines()) - 1
    assert verified["decisions"] == 1 + (verified["samples"] - 64) // 16
    head, *rows = path.read_text().splitlines()
    turned = [",".join(reversed(line.split(","))) for line in (head, *rows)]
    for name, lines, status, words in (
        ("turned.csv", turned, 0, "bit-exact: turned.csv"),
        ("fewer.csv", [line.rpartition(",")[0] for line in (head, *rows)], 2, "has no column 'gyro_z_rads'"),
        ("damaged.csv", [head, *rows[:70], rows[70].replace(".", "x")], 2, "hold a missing or damaged number"),
        ("short.csv", [head, *rows[:63]], 2, "63 samples are less than a window of 64"),
    ):
        (searched / name).write_text("\n".join(lines))
        done = nas_here("verify", str(run), "--stream", name, cwd=searched)
        assert done.returncode == status, done.stderr
        assert words in done.stdout + done.stderr
        assert done.stderr.count("\n") == (status != 0)


@pytest.mark.slow
def test_the_report_says_how_sure_the_figures_are_and_whom_the_network_fails(searched: Path) -> None:
    test = read(searched / "runs" / "recordings-1" / "report.json")["winner"]["test"]
    confusion = np.array(test["confusion"])
    assert confusion.sum() == test["n"]
    assert test["int8"] == np.trace(confusion) / test["n"] == test["int8_by_metric"]["accuracy"]
    low, high = test["interval"]
    assert low < test["int8"] < high
    groups = test["groups"]
    assert groups["kind"] == "user"
    assert groups["count"] == len(groups["lowest"]) == 1
    assert groups["lowest"][0]["score"] == groups["min"] <= groups["median"] <= groups["max"]


@pytest.mark.slow
def test_the_test_inputs_are_those_of_the_test_part(searched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from codegen.graph_file import load
    from nas.datasets import Reading, load_test
    from nas.inputs.program_inputs import raw_input_of
    from nas.learning.quantization import quantize_input

    run = searched / "runs" / "recordings-1"
    test = load_test(str(searched / "recordings"), Reading(window=64))
    inputs = np.load(run / "verification" / "inputs.npy")
    architecture = read(run / "report.json")["winner"]["trial"]["architecture"]
    graph = load(run / "finalists" / f"{architecture}.safetensors")
    front_end = raw_input_of(test, graph)
    assert front_end is not None
    assert np.array_equal(front_end(test.stored), inputs)
    difference = quantize_input(graph, test.x).astype(int) - inputs
    assert np.abs(difference).max() <= 1
    assert np.count_nonzero(difference) < 0.01 * difference.size  # numbers next to a tie


@pytest.mark.slow
def test_limits_are_on_normalisation_and_network(searched: Path) -> None:
    winner = read(searched / "runs" / "recordings-1" / "report.json")["winner"]
    predicted, built = winner["predicted"], winner["built"]
    assert built["layers"][0]["name"] == "features"
    assert built["layers"][0]["op"] == "Normalization"
    assert predicted["ram"]["arena"] == built["ram"]["arena"] == built["network"]["ram"]["arena"]
    assert 200 < built["flash"]["total"] - built["network"]["flash"]["total"] < 600
    for key in ("cycles", "flash"):
        added = built["flash"]["total"] - built["network"]["flash"]["total"] if key == "flash" else built["layers"][0]["cycles"]
        assert predicted[key]["value"] - predicted["network"][key]["value"] == pytest.approx(added, rel=0.05)


@pytest.mark.slow
def test_the_test_folder_through_the_program_has_the_accuracy_of_the_report(searched: Path) -> None:
    run = searched / "runs" / "recordings-1"
    done = nas_here("verify", str(run), "--json", "--raw", "recordings", cwd=searched)
    assert done.returncode == 0, done.stderr
    test, reported = json.loads(done.stdout)["test"], read(run / "report.json")["winner"]["test"]
    assert (test["n"], test["emulated"], test["mismatches"]) == (reported["n"], reported["n"], 0)
    assert test["score"] == reported["int8"]
    assert test["confusion"] == reported["confusion"]
    assert test["interval"] == reported["interval"]
    raw = ["--raw", str(run / "verification" / "raw.npy"), "--expect", str(run / "verification" / "expected.npy")]
    done = nas_here("verify", str(run), "--json", *raw, cwd=searched)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) | {"answers": 0} == read(run / "winner" / "report.json")["built"] | {"answers": 0}


@pytest.mark.slow
def test_a_trial_is_exported_and_data_that_changed_is_refused(searched: Path) -> None:
    done = nas_here("export", "runs/recordings-1:0", "--board", "nucleo-l4r5zi", "--out", "exported", cwd=searched)
    assert done.returncode == 0, done.stderr
    assert read(searched / "exported" / "report.json")["data"]["rate"] == 50
    stopped = searched / "stopped"
    shutil.copytree(searched / "runs" / "recordings-1", stopped)
    (stopped / "report.json").unlink()
    changed = next((searched / "recordings" / "train").rglob("*.csv"))
    before = changed.read_bytes()
    changed.write_bytes(before[: len(before) // 2])
    try:
        for arguments in (("resume", "stopped"), ("export", "stopped:0", "--out", "again")):
            done = nas(*arguments, cwd=searched)
            assert done.returncode == 2
            assert "the data is not what the search began with" in done.stderr
            assert done.stderr.count("\n") == 1
    finally:
        changed.write_bytes(before)
    done = nas("resume", "stopped", cwd=searched)
    assert done.returncode == 0, done.stderr
    assert read(stopped / "report.json")["winner"] == read(searched / "runs" / "recordings-1" / "report.json")["winner"]


@pytest.mark.slow
def test_normal_recordings_become_an_anomaly_detector(tmp_path: Path, data_dir: Path) -> None:
    arguments = ["--data", str(data_dir / "skab_valve"), "--out", "run", "--trials", "2", "--epochs", "1"]
    done = example("anomaly_detection", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "run/winner: equal to the reference to the bit\nan alarm above " in done.stdout
    run = tmp_path / "run"
    report = read(run / "report.json")
    winner = report["winner"]
    assert winner["validation"]["metric"] == winner["test"]["metric"] == "auroc"
    assert winner["validation"]["int8"] > 0.55  # of anomalies made of normal windows
    assert 0.5 < winner["test"]["interval"][0] < winner["test"]["int8"] < winner["test"]["interval"][1]
    assert 0 < winner["test"]["auprc"] <= 1
    alarm = winner["test"]["alarm"]
    assert alarm["false_alarms"] < 0.2
    assert alarm["detected"] > alarm["false_alarms"]
    outputs = np.load(run / "verification" / "expected.npy")
    assert outputs.shape == (report["data"]["test"], 1, 60, 8)  # reconstructions
    arrays = [f"--{name}={run / 'verification' / file}.npy" for name, file in (("inputs", "inputs"), ("expect", "expected"))]
    assert nas_here("verify", str(run / "winner"), *arrays, cwd=tmp_path).returncode == 0
    source = nas_here("predict", "run:1", "--board", "nucleo-g0b1re", cwd=tmp_path)
    assert source.returncode == 0, source.stderr
    project = read(run / "winner" / "report.json")["project"]["detector"]
    detector = detector_from_json(project)
    assert detector.real(np.array([detector.threshold]))[0] == pytest.approx(alarm["threshold"], abs=1e-12)
    assert "skab_valve_is_anomaly(&arena, copy)" in (run / "winner" / "README.md").read_text()
    raw = np.load(run / "verification" / "raw.npy")
    np.save(tmp_path / "some.npy", raw[:40])
    done = nas_here("verify", str(run), "--json", "--raw", "some.npy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    verified = json.loads(done.stdout)
    assert verified["anomaly"]["cycles"] > 480 * 10
    assert len(verified["answers"]) == 40
    for answer in verified["answers"]:
        assert answer["class"] == ("alarm" if answer["scores"]["anomaly"] > answer["scores"]["threshold"] else "no alarm")
        assert answer["scores"]["threshold"] == round(alarm["threshold"], 4)
    stream = winner["stream"]
    assert stream["operation"]["task"] == "anomaly detection"
    assert stream["operation"]["test"]["hours"] is None  # arrays have no rate
    assert stream["operation"]["test"]["events"] > 10  # recordings, put together again from their windows
    assert stream["settings"]["threshold"] == stream["operation"]["test"]["chosen"]["threshold"]
    assert any(
        "false and missed alarms of the winner on a stream" in use["purpose"] for use in read(run / "test_uses.json")["uses"]
    )
    assert "an alarm began" in (run / "winner" / "README.md").read_text()
    assert nas("report", "run", cwd=tmp_path).returncode == 0
    assert "False alarms and missed by threshold" in (run / "report.html").read_text()
    names = read(run / "winner" / "report.json")["data"]["channels"]
    loud = raw.reshape(-1, 8)[:600] * np.where(np.arange(600) < 300, 1, 3)[:, None]
    (tmp_path / "long.csv").write_text("\n".join([",".join(names), *(",".join(map(repr, row)) for row in loud.tolist())]))
    done = nas("verify", "run", "--json", "--stream", "long.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    verified = json.loads(done.stdout)
    assert verified["bit_exact"]
    assert verified["detections"][-1]["sample"] > 300
    assert all(one["class"] == "alarm" for one in verified["detections"])
    done = nas("verify", "run", "--stream", "long.csv", cwd=tmp_path)
    assert re.search(r"^alarms        .*\d+ \(-?\d+\.\d+\)   \(mean score in brackets; above", done.stdout, re.MULTILINE)
