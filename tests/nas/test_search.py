"""The main job end to end on real parts, with as little training as will do."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from command_line import ENVIRONMENT, nas, nas_here, read
from exported import required_package
from other_runtimes import lite_micro, onnx_runtime

from codegen.graph_file import load
from cost_models import load_cost_model, save
from cost_models.regression import Linear
from nas.api import load_run
from nas.cli import cli
from nas.learning.quantization import quantize_input

CONFIG = """
format = 1

[search]
budget = "3KB"
flash = "12KB"
trials = 5
finalists = 2
distill = true
refit = true
seed = 3

[screening]
epochs = 2

[finishing]
epochs = 3

[quantization]
epochs = 2
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A directory with the run ``runs/digits-1`` in it, and what the search printed."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "small.toml").write_text(CONFIG)
    done = nas("search", "--config", "small.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.mark.slow
def test_the_run_directory_is_complete(searched: tuple[Path, str]) -> None:
    folder, output = searched
    run = folder / "runs" / "digits-1"
    assert [p.name for p in (folder / "runs").iterdir()] == ["digits-1"]
    names = {p.name for p in run.iterdir()}
    assert {"search.toml", "study.journal", "trials", "front.json", "winner", "report.json", "verification"} <= names
    assert sorted(p.name for p in (run / "trials").iterdir()) == [f"{n}.safetensors" for n in range(5)]
    report = read(run / "report.json")
    assert report["limits"] == {"ram": 3072, "flash": 12288, "latency_ms": None, "macs": None}
    assert report["data"]["train"] + report["data"]["validation"] == 1437
    assert [report["studies"][name]["completed"] for name in ("search", "random")] == [5, 5]
    assert report["studies"]["search"]["rejected"]["candidates"] > 0
    assert set(report["baselines"]) == {"random", "largest", "hand_designed"}
    assert report["without_baseline"] == {}
    drawn = report["baselines"]["hand_designed"]
    assert drawn["design"]["name"] == "plain ResNet-8"
    assert drawn["effort"] == 1
    assert drawn["built"]["bit_exact"]
    assert (drawn["built"]["ram"]["total"] <= 3072, drawn["built"]["flash"]["total"] <= 12288) == (True, True)
    assert load_run(run).baselines["hand_designed"].design == ("plain ResNet-8", drawn["design"]["width"])
    assert f"hand-designed (plain ResNet-8, width {drawn['design']['width']:.3g})" in output
    purposes = [use["purpose"] for use in report["test_uses"]]
    assert "accuracy of the baseline hand_designed" in purposes
    assert report["refit"]
    assert len(list((run / "finalists").glob("*.judge.safetensors"))) == len(report["finalists"])
    teacher = report["teacher"]
    assert 0 < teacher["validation"]["float"] <= 1
    assert all(use["examples"] == 360 for use in report["test_uses"])
    assert all(use["architecture"] != teacher["architecture"] for use in report["test_uses"])
    assert report["test_uses"][0]["architecture"] == report["winner"]["trial"]["architecture"]
    for words in (
        "trial 0",
        "best ",
        "left",
        "predicted",
        "built",
        "limit",
        "rejected before training",
        "teacher: accuracy",
        "refit: what was built",
        "nas verify",
    ):
        assert words in output


@pytest.mark.slow
def test_the_winner_keeps_what_was_promised(searched: tuple[Path, str]) -> None:
    run = searched[0] / "runs" / "digits-1"
    report = read(run / "winner" / "report.json")
    predicted, built = report["predicted"], report["built"]
    assert built["bit_exact"]
    assert built["inputs"] == 360
    assert built["ram"]["total"] <= 3072
    assert built["flash"]["total"] <= 12288
    assert predicted["ram"]["arena"] == built["ram"]["arena"]
    assert 0 <= predicted["ram"]["stack"] - built["ram"]["stack"] <= 96
    assert report["test"]["n"] == 360
    assert report["test"]["int8"] > 0.5
    others = [finalist for finalist in read(run / "report.json")["finalists"] if not finalist["broken"]]
    assert read(run / "report.json")["winner"]["validation"]["int8"] <= max(f["validation"]["int8"] for f in others)


@pytest.mark.slow
def test_verify_agrees_with_the_report(searched: tuple[Path, str]) -> None:
    folder, _ = searched
    arrays = "runs/digits-1/verification"
    done = nas(
        "verify",
        "runs/digits-1/winner",
        "--inputs",
        f"{arrays}/inputs.npy",
        "--expect",
        f"{arrays}/expected.npy",
        "--json",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == read(folder / "runs/digits-1/winner/report.json")["built"]
    expected = np.load(folder / arrays / "expected.npy")
    expected.flat[17] ^= 1
    np.save(folder / "wrong.npy", expected)
    done = nas_here(
        "verify",
        "runs/digits-1/winner",
        "--inputs",
        f"{arrays}/inputs.npy",
        "--expect",
        str(folder / "wrong.npy"),
        "--json",
        cwd=folder,
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["mismatches"] == 1


@pytest.mark.slow
def test_int8_accuracy_of_the_report_is_that_of_the_outputs(searched: tuple[Path, str]) -> None:
    from nas.datasets import load_test

    run = searched[0] / "runs" / "digits-1"
    outputs = np.load(run / "verification" / "expected.npy").reshape(360, -1)
    accuracy = float(np.mean(outputs.argmax(1) == load_test("digits").y))
    assert read(run / "report.json")["winner"]["test"]["int8"] == accuracy


@pytest.mark.slow
def test_the_front_is_of_feasible_trials_that_none_beats(searched: tuple[Path, str]) -> None:
    trials = read(searched[0] / "runs" / "digits-1" / "front.json")["trials"]
    assert trials
    for a in trials:
        assert a["ram"] <= 3072
        for b in trials:
            costs = ("ram", "flash", "latency_ms", "macs")
            assert (
                a is b
                or b["accuracy"] < a["accuracy"]
                or any(b[cost] > a[cost] for cost in costs)
                or a["accuracy"] == b["accuracy"]
            )


@pytest.mark.slow
def test_export_and_predict_of_a_run_and_of_trials(searched: tuple[Path, str]) -> None:
    folder, _ = searched
    run = "runs/digits-1"
    winner = read(folder / run / "report.json")["winner"]["trial"]["number"]
    other = next(n for n in range(5) if n != winner)
    for source, out in ((run, "a"), (f"{run}:{winner}", "b"), (f"{run}:{other}", "c")):
        done = nas_here("export", source, "--board", "nucleo-l4r5zi", "--out", out, cwd=folder)
        assert done.returncode == 0, done.stderr
    assert (folder / "a/src/digits_weights.c").read_bytes() == (folder / "b/src/digits_weights.c").read_bytes()
    assert (folder / "a/src/digits_weights.c").read_bytes() == (folder / run / "winner/src/digits_weights.c").read_bytes()
    assert (folder / "a/src/digits_weights.c").read_bytes() != (folder / "c/src/digits_weights.c").read_bytes()
    done = nas_here("export", run, "--out", "d", "--budget", "100", cwd=folder)
    assert done.returncode == 1
    assert re.search(r"needs .* of RAM, .* above the limit", done.stderr)
    assert not (folder / "d").exists()
    assert nas_here("export", run, "--out", "d", "--budget", "100", "--force", cwd=folder).returncode == 0
    for source in (run, f"{run}:{other}"):
        predicted = json.loads(nas_here("predict", source, "--budget", "3KB", "--json", cwd=folder).stdout)
        assert predicted["fits"] == {"ram": True, "flash": None, "latency": None}
    assert nas_here("predict", run, "--budget", "100", cwd=folder).returncode == 1
    missing = nas_here("export", f"{run}:77", "--out", "e", cwd=folder)
    assert (missing.returncode, missing.stderr) == (2, f"nas: {run}:77: no such trial; the search made 5, numbered from 0\n")


@pytest.mark.slow
def test_the_winner_leaves_for_other_tools(searched: tuple[Path, str]) -> None:
    """TensorFlow Lite Micro computes the bytes that the built program gave for the test part; ONNX Runtime finds its classes."""
    for package in ("tflite_micro", "onnx", "onnxruntime"):
        required_package(package)
    run = searched[0] / "runs" / "digits-1"
    for name in ("winner.tflite", "winner.onnx"):
        done = nas_here("export", "runs/digits-1", "--out", name, cwd=searched[0])
        assert done.returncode == 0, done.stderr
    graph = load(run / "winner" / "model.safetensors")
    (source,), (result,) = graph.inputs, graph.outputs
    inputs, expected = (np.load(run / "verification" / f"{name}.npy") for name in ("inputs", "expected"))
    if inputs.dtype == np.float32:
        inputs = quantize_input(graph, inputs)
    exact = lite_micro((searched[0] / "winner.tflite").read_bytes(), graph, {source: inputs})[result]
    assert np.array_equal(exact, expected)
    near = onnx_runtime((searched[0] / "winner.onnx").read_bytes(), graph, {source: inputs})[result]
    assert np.abs(near.astype(int) - expected).mean() < 1
    assert (near.argmax(1) == expected.argmax(1)).mean() >= 0.97


@pytest.mark.slow
def test_a_finished_run_has_nothing_to_resume(searched: tuple[Path, str]) -> None:
    folder, output = searched
    done = nas("resume", "runs/digits-1", cwd=folder)
    assert done.returncode == 0
    assert "this search has ended" in done.stdout
    assert done.stdout.split("winner:")[1] == output.split("winner:")[1]


def comparable(run: Path) -> dict[str, Any]:
    """The report without times."""
    report = read(run / "report.json")
    for study in report["studies"].values():
        del study["training_seconds"]
    return {key: report[key] for key in ("winner", "baselines", "finalists", "studies", "limits")}


COMMAND_LINE = ["-m", "nas", "search", "--config", "small.toml", "--out", "run"], ["-m", "nas", "resume", "run"]
PYTHON = (
    ["-c", "import nas; nas.search(config='small.toml', out='run')"],
    ["-c", "import nas; print(nas.resume('run', progress=True).winner)"],
)


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "programs"), [("trials", COMMAND_LINE), ("finalists", PYTHON)])
def test_a_driver_killed_in_the_middle(
    searched: tuple[Path, str], tmp_path: Path, moment: str, programs: tuple[list[str], list[str]]
) -> None:
    """``kill -9``, a line torn, ``nas resume``: the end is that of the undisturbed run, from Python that of the command line's."""
    (tmp_path / "small.toml").write_text(CONFIG)
    begin, resume = ([sys.executable, *program] for program in programs)
    driver = subprocess.Popen(begin, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    run = tmp_path / "run"
    wanted = run / "trials" / "1.safetensors" if moment == "trials" else run / "finalists"
    deadline = time.monotonic() + 300
    while not (any(wanted.glob("*.json")) if moment == "finalists" else wanted.exists()):
        assert time.monotonic() < deadline
        assert driver.poll() is None
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert not (run / "report.json").exists()
    taught = (run / "teacher.json").read_bytes() if moment == "finalists" else None
    with (run / "study.journal").open("ab") as journal:
        journal.write(b'{"op_code":8,"worker_id":"x","tri')
    done = subprocess.run(resume, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "torn" in done.stdout + done.stderr
    undisturbed = searched[0] / "runs" / "digits-1"
    assert comparable(run) == comparable(undisturbed)
    assert taught in (None, (run / "teacher.json").read_bytes())  # it was not trained again
    for file in ("search.toml", "winner/src/digits_weights.c", "winner/src/digits.c", "verification/expected.npy"):
        assert (run / file).read_bytes() == (undisturbed / file).read_bytes()


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(CONFIG)
    command = [sys.executable, "-m", "nas", "search", "--config", "small.toml", "--out", "run"]
    pipe = subprocess.PIPE
    driver = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which is ignored where tests run in the background
    )
    assert driver.stdout is not None
    for line in driver.stdout:
        if "1/10" in line:
            break
    os.killpg(driver.pid, signal.SIGINT)  # as a terminal does
    _, errors = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert errors.strip() == "stopped; 'nas resume run' goes on"


@pytest.mark.parametrize(
    ("option", "value", "unit"),
    [
        ("--budget", "300", "bytes"),
        ("--flash", "1KB", "of flash"),
        ("--latency", "1us", "µs an inference"),
        ("--macs", "10", "MACs"),
    ],
)
def test_limits_that_nothing_meets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str, unit: str) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["search", option, value])
    assert result.exit_code == 2
    assert re.fullmatch(rf"nas: {option}: no network fits .*smallest network of the space needs .*{unit}.*\n", result.stderr)
    assert list(tmp_path.iterdir()) == []


def save_low_model(path: Path, factor: float) -> None:
    """A cost model that says so many times the cycles of the layers."""
    model = load_cost_model("cortex-m4")
    kernels = {}
    for name, costs in model.parts.kernels.items():
        loops = Linear({feature: factor * value for feature, value in costs.cycles.loops.coefficients.items()})
        kernels[name] = dataclasses.replace(costs, cycles=dataclasses.replace(costs.cycles, loops=loops))
    parts = dataclasses.replace(model.parts, kernels=kernels)
    save(dataclasses.replace(model, parts=parts, kernel_library="0" * 64), path)


@pytest.mark.slow
def test_a_search_without_a_winner_says_what_is_to_blame(tmp_path: Path) -> None:
    """By a model that says a third, networks fit that take longer as built, every one of them."""
    save_low_model(tmp_path / "low.json", 0.3)
    (tmp_path / "small.toml").write_text(CONFIG.replace("trials = 5", "trials = 3"))
    options = ("--model", "low.json", "--latency", "0.045ms", "--no-baselines", "--out", "run")
    done = nas("search", "--config", "small.toml", *options, cwd=tmp_path)
    assert done.returncode == 1
    assert "nas: no winner: every finalist's built program breaks a limit (latency)" in done.stderr.splitlines()[-1]
    verdict = re.search(r"trial \d does not fit nucleo-l4r5zi\nlatency (.*) ms > 0.045 ms, most in (\w+) \(\w+\)", done.stdout)
    assert verdict is not None, done.stdout
    assert float(verdict[1]) > 0.045
    assert not (tmp_path / "run" / "winner").exists()
    explained = nas_here("explain", "run", cwd=tmp_path)
    assert explained.returncode == 1
    assert explained.stdout.startswith(verdict[0])
    assert nas_here("report", "run", cwd=tmp_path).returncode == 0


@pytest.mark.slow
def test_a_cost_model_that_is_off_is_noticed_and_refitted(tmp_path: Path) -> None:
    """The best trial takes more cycles than a model says that is 20 % too low; the next one that fits by what was built wins."""
    save_low_model(tmp_path / "low.json", 0.8)
    (tmp_path / "small.toml").write_text(CONFIG.replace("finalists = 2", "finalists = 1").replace("trials = 5", "trials = 8"))
    done = nas(
        *("search", "--config", "small.toml", "--model", "low.json", "--latency", "0.44ms", "--no-baselines", "--out", "run"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    report = read(tmp_path / "run" / "report.json")
    assert "calibrated on other kernels (000000000000" in done.stderr
    assert report["cost_model"]["figures"]["cycles"]["drifted"]
    assert report["cost_model"]["refitted"] == "cost_model_refitted.json"
    assert report["winner"]["built"]["latency_ms"] <= 0.44
    assert any("latency" in finalist["broken"] for finalist in report["finalists"])
    predict = ("predict", "run", "--json", "--model")
    built = report["winner"]["built"]["cycles"]
    assert json.loads(nas_here(*predict, "low.json", cwd=tmp_path).stdout)["cycles"]["high"] < built
    refitted = json.loads(nas_here(*predict, "run/cost_model_refitted.json", cwd=tmp_path).stdout)["cycles"]
    assert refitted["low"] <= built <= refitted["high"]
    (tmp_path / "low.json").unlink()
    assert nas("resume", "run", cwd=tmp_path).returncode == 0
    other = nas_here("predict", "run", "--model", "run/cost_model.json", "--board", "nucleo-g0b1re", cwd=tmp_path)
    assert (other.returncode, other.stderr.count("\n")) == (2, 1)
    assert "is for cortex-m4, but nucleo-g0b1re has a cortex-m0plus" in other.stderr
