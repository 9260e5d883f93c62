"""From a folder of recordings to a program that hears, end to end on real parts, with as little training as will do."""

from __future__ import annotations

import json
import re
import shutil
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import nas, nas_here, read
from exported import required_package
from other_runtimes import lite_micro
from scipy.io import wavfile

from nas.datasets import load_test
from nas.programs.sources import find_source, shapes

CONFIG = """
format = 1

[search]
budget = "8KB"
flash = "24KB"
latency = "20ms"
trials = 3
finalists = 1
baselines = false
workers = 1

[screening]
epochs = 1

[finishing]
epochs = 3

[quantization]
epochs = 1
"""
Unpack = Callable[[str], Path]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, unpacked: Unpack) -> Path:
    """A directory with some of the recordings of three digits, and a run over them."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "small.toml").write_text(CONFIG)
    for digit in ("0", "1", "2"):
        (folder / "spoken" / digit).mkdir(parents=True)
        for path in sorted((unpacked("fsdd") / digit).iterdir()):
            if int(path.stem.split("_")[2]) < 12:
                shutil.copy(path, folder / "spoken" / digit)
    done = nas("search", "--config", "small.toml", "--data", "spoken", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "without the features:" in done.stdout
    assert re.search(r"pushed as a stream \(.*\): [\d.]+% of \d+ events missed, [\d.]+ false accepts an hour", done.stdout)
    return folder


@pytest.mark.slow
def test_limits_are_on_features_and_network(searched: Path) -> None:
    report = read(searched / "runs" / "spoken-1" / "report.json")
    winner = report["winner"]
    predicted, built = winner["predicted"], winner["built"]
    assert built["bit_exact"]
    assert built["inputs"] == report["data"]["test"] == winner["test"]["n"]
    assert built["ram"]["total"] <= 8192
    assert built["flash"]["total"] <= 24 * 1024
    assert built["latency_ms"] <= 20
    for figures in (predicted, built):
        network = figures["network"]
        assert figures["ram"]["state"] == 516
        assert figures["ram"]["total"] >= network["ram"]["total"] + 516
        assert figures["macs"] == network["macs"]
    assert predicted["ram"]["arena"] == built["ram"]["arena"]
    assert predicted["network"]["ram"]["arena"] == built["network"]["ram"]["arena"]
    assert 0 <= predicted["ram"]["stack"] - built["ram"]["stack"] <= 96
    assert predicted["flash"]["low"] <= built["flash"]["total"] <= predicted["flash"]["high"]
    assert predicted["cycles"]["low"] <= built["cycles"] <= predicted["cycles"]["high"]
    assert built["layers"][0]["name"] == "features"
    assert built["flash"]["total"] - built["network"]["flash"]["total"] > 2000
    assert built["cycles"] - built["network"]["cycles"] == pytest.approx(built["layers"][0]["cycles"], rel=0.01)
    assert report["cost_model"]["figures"]["arena"]["outside"] == 0
    assert report["data"]["normalization"] is None


@pytest.mark.slow
def test_the_test_part_goes_through_the_program_as_sound(searched: Path) -> None:
    run = searched / "runs" / "spoken-1"
    test = load_test(str(searched / "spoken"))
    inputs = np.load(run / "verification" / "inputs.npy")
    assert inputs.dtype == np.int16
    assert np.array_equal(inputs, test.stored[:, 0, : inputs.shape[1], 0])
    expected = np.load(run / "verification" / "expected.npy").reshape(len(test), -1)
    assert float(np.mean(expected.argmax(1) == test.y)) == read(run / "report.json")["winner"]["test"]["int8"]
    arrays = [f"--{name}={run / 'verification' / file}.npy" for name, file in (("inputs", "inputs"), ("expect", "expected"))]
    done = nas_here("verify", str(run / "winner"), "--json", *arrays, cwd=searched)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == read(run / "winner" / "report.json")["built"]


@pytest.mark.slow
def test_recordings_get_the_scores_of_the_reference(searched: Path) -> None:
    from codegen.graph_file import load

    run = searched / "runs" / "spoken-1"
    test = load_test(str(searched / "spoken"))
    expected = np.load(run / "verification" / "expected.npy").reshape(len(test), -1)
    names = [str(path) for path in sorted((searched / "spoken").rglob("*.wav"))]
    graph = load(run / "winner" / "model.safetensors")
    grid = graph[graph.outputs[0]]
    scores = {tuple(np.round((row.astype(float) - grid.zero_point) * grid.scale, 4).tolist()) for row in expected}
    done = nas_here("verify", str(run), "--json", *(f"--raw={name}" for name in names), cwd=searched)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)["answers"]
    assert [answer["file"] for answer in answers] == names
    found = {tuple(answer["scores"].values()) for answer in answers}
    assert scores <= found
    for answer in answers:
        assert answer["class"] == max(answer["scores"], key=answer["scores"].__getitem__)
        assert list(answer["scores"]) == ["0", "1", "2"]
    done = nas_here("verify", str(run), "--raw", names[0], cwd=searched)
    assert done.stdout.startswith(f"{names[0]}: {answers[0]['class']}   ({answers[0]['class']} ")
    (searched / "no.wav").write_bytes(b"RIFF")
    for bad, words in (("no.wav", "not a WAV file; a WAV file is needed"), ("none.wav", "none.wav: cannot be read")):
        done = nas_here("verify", str(run), "--raw", bad, cwd=searched)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert words in done.stderr


@pytest.mark.slow
def test_a_long_recording_is_pushed_and_the_curve_is_stated(searched: Path) -> None:
    run = searched / "runs" / "spoken-1"
    project = read(run / "winner" / "report.json")
    settings, stream = project["project"]["stream"]["settings"], project["stream"]
    winner = read(run / "report.json")["winner"]
    assert winner["stream"] == {"settings": settings, "operation": stream["operation"]}
    operation = stream["operation"]
    assert operation["test"]["events"] == winner["test"]["n"]  # every recording is one
    assert operation["test"]["hours"] > 0
    assert 0 <= operation["test"]["chosen"]["false_rejects"] <= 1
    assert settings["threshold"] == operation["test"]["chosen"]["threshold"] == operation["validation"]["threshold"]
    assert any("on a stream" in use["purpose"] for use in read(run / "test_uses.json")["uses"])
    built = stream["built"]
    assert built["ram"]["state"] > project["built"]["ram"]["state"]  # the window's columns too
    assert built["cycles_per_second"] > 0
    assert f"#define SPOKEN_STREAM_BYTES {built['ram']['state']}\n" in (run / "winner" / "include" / "spoken_stream.h").read_text()
    assert "| threshold | false accepts an hour | false rejects |" in (run / "winner" / "README.md").read_text()
    assert nas_here("report", str(run), cwd=searched).returncode == 0
    page = (run / "report.html").read_text()
    assert "False accepts and false rejects by threshold" in page
    assert 'aria-label="False rejects by false accepts an hour"' in page
    long = b"".join(path.read_bytes()[44:] for path in sorted((searched / "spoken").rglob("*_jackson_*.wav")))
    with wave.open(str(searched / "long.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(long)
    done = nas_here("verify", str(run), "--stream", "long.wav", "--json", cwd=searched)
    assert done.returncode == 0, done.stderr
    verified = json.loads(done.stdout)
    assert verified["bit_exact"]
    assert verified["samples"] == len(long) // 2
    assert verified["decisions"] > 50
    assert verified["state_bytes"] == built["ram"]["state"]
    assert verified["cycles_per_second"] == pytest.approx(built["cycles_per_second"], rel=0.05)
    done = nas_here("verify", str(run), "--stream", "long.wav", cwd=searched)
    assert done.stdout.startswith("bit-exact: long.wav, ")
    (searched / "series.csv").write_text("a,b\n1,2\n")
    for arguments, words in (
        (("--stream", "series.csv"), "takes WAV files"),
        (("--stream", "gone.wav"), "gone.wav: cannot be read"),
        (("--stream", "long.wav", "--raw", "long.wav"), "--stream: give no --inputs"),
    ):
        done = nas_here("verify", str(run), *arguments, cwd=searched)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert words in done.stderr


@pytest.mark.slow
def test_trials_are_predicted_and_exported_with_their_features(searched: Path) -> None:
    winner = read(searched / "runs" / "spoken-1" / "report.json")["winner"]["trial"]["number"]
    other = f"runs/spoken-1:{next(number for number in range(3) if number != winner)}"
    done = nas_here("predict", other, "--board", "nucleo-g0b1re", "--json", cwd=searched)
    assert done.returncode == 0, done.stderr
    predicted = json.loads(done.stdout)
    assert predicted["ram"]["total"] > predicted["network"]["ram"]["total"]
    done = nas_here("export", other, "--board", "nucleo-g0b1re", "--out", "exported", cwd=searched)
    assert done.returncode == 0, done.stderr
    built = read(searched / "exported" / "report.json")["built"]
    assert built["bit_exact"]
    assert built["ram"]["arena"] == predicted["ram"]["arena"]
    assert built["ram"]["state"] == predicted["ram"]["state"]
    assert (searched / "exported" / "include" / "spoken_samples.h").is_file()
    exported = read(searched / "exported" / "report.json")
    assert exported["project"]["stream"]["settings"]["classes"] == ["0", "1", "2"]
    assert "operation" not in exported["stream"]  # the test part was not looked at


@pytest.mark.slow
def test_for_other_tools_the_network_leaves_alone(searched: Path) -> None:
    done = nas_here("export", "runs/spoken-1", "--out", "spoken.tflite", cwd=searched)
    assert done.returncode == 0, done.stderr
    assert "the network alone: its input is a spectrogram; what makes that of a sound is in the C project\n" in done.stdout
    required_package("tflite_micro")
    run = searched / "runs" / "spoken-1"
    network = shapes(find_source(str(run)))
    assert network.front_end is not None
    (source,), (result,) = network.graph.inputs, network.graph.outputs
    spectrograms = network.front_end(np.load(run / "verification" / "inputs.npy"))
    output = lite_micro((searched / "spoken.tflite").read_bytes(), network.graph, {source: spectrograms})[result]
    assert np.array_equal(output, np.load(run / "verification" / "expected.npy"))


@pytest.mark.slow
def test_normal_sounds_become_an_anomaly_detector(tmp_path: Path, unpacked: Unpack) -> None:
    """Of four people's zeros, as they are and (to be detected) under a tone; others of theirs were trained on."""
    for path in sorted((unpacked("fsdd") / "0").iterdir()):
        _, speaker, take = path.stem.split("_")
        if speaker in ("george", "jackson", "lucas", "theo"):
            folder = tmp_path / "zeros" / ("test" if int(take) < 10 else "train") / "normal"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder)
            if int(take) < 10:
                rate, sound = wavfile.read(path)
                hum = 0.5 * np.abs(sound).max() * np.sin(2 * np.pi * 2500 * np.arange(len(sound)) / rate)
                (tmp_path / "zeros" / "test" / "hum").mkdir(exist_ok=True)
                wavfile.write(tmp_path / "zeros" / "test" / "hum" / path.name, rate, (sound * 0.5 + hum).astype(np.int16))
    config = (
        CONFIG.replace('flash = "24KB"', 'flash = "128KB"').replace("trials = 3", "trials = 2").replace("epochs = 3", "epochs = 8")
    )
    (tmp_path / "small.toml").write_text(config)
    done = nas("search", "--config", "small.toml", "--data", "zeros", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    winner = read(tmp_path / "run" / "report.json")["winner"]
    test, built = winner["test"], winner["built"]
    assert test["metric"] == "auroc"
    assert test["interval"][0] > 0.5
    assert built["layers"][0]["op"] == "Spectrogram"
    assert built["anomaly"]["cycles"] > 0
    done = nas_here("verify", "run", "--json", "--raw", "zeros", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    through = json.loads(done.stdout)["test"]
    assert (through["n"], through["emulated"], through["mismatches"]) == (80, 80, 0)
    assert through["score"] == test["int8"]
    assert through["interval"] == test["interval"]
    for rate in ("detected", "false_alarms"):
        assert through["alarm"][rate] == test["alarm"][rate]
    text = (tmp_path / "run" / "winner" / "README.md").read_text()
    assert "(void)zeros_features(samples, ZEROS_SAMPLES, zeros_scratch(&arena), zeros_columns(&arena));" in text
    operation = winner["stream"]["operation"]
    assert operation["test"]["events"] == 40  # clips of one window, each a recording of its own
    assert operation["test"]["chosen"]["false_rejects"] < 1
    assert operation["test"]["hours"] > 0
    long = max((tmp_path / "zeros" / "test" / "hum").iterdir(), key=lambda path: path.stat().st_size)
    rate, sound = wavfile.read(long)
    wavfile.write(tmp_path / "long.wav", rate, np.tile(sound, 4))
    done = nas("verify", "run", "--stream", "long.wav", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("bit-exact: long.wav, ")
    assert "\nalarms        " in done.stdout
