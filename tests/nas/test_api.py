"""The Python API: its reference is true, it is light, it names what is wrong, and it is the command line's in other words."""

from __future__ import annotations

import doctest
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from command_line import ENVIRONMENT

import nas
from nas.cli import cli
from nas.files import read_toml

DOCS = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The folder in which the reference's examples were run, and their names."""
    folder, before = tmp_path_factory.mktemp("api"), Path.cwd()
    test = doctest.DocTestParser().get_doctest(DOCS.read_text(encoding="utf-8"), {}, DOCS.name, str(DOCS), 0)
    printed: list[str] = []
    os.chdir(folder)
    try:
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        failed, tried = runner.run(test, out=printed.append, clear_globs=False)
        assert tried > 20
        assert not failed, "".join(printed)
        yield folder, test.globs
    finally:
        os.chdir(before)


@pytest.mark.slow
def test_the_reference_is_true_and_whole(documented: tuple[Path, dict[str, Any]]) -> None:
    text = DOCS.read_text(encoding="utf-8")
    functions = [name for name in nas.__all__ if inspect.isfunction(getattr(nas, name))]
    assert len(functions) == 11
    for name in functions:
        assert f"| `nas.{name}(" in text
        assert f"nas.{name}(" in text.split("## Search")[1]
    assert {path.name for path in documented[0].iterdir()} == {"digits", "digits-nrf", "own-c", "own.tflite"}


@pytest.mark.slow
def test_objects_say_what_the_files_say(documented: tuple[Path, dict[str, Any]]) -> None:
    run: nas.Run = documented[1]["run"]
    report = json.loads((run.path / "report.json").read_text())
    assert run.figures == report
    winner, figures = run.winner, report["winner"]
    assert (winner.trial, winner.accuracy, winner.float_accuracy) == (
        figures["trial"]["number"],
        figures["test"]["int8"],
        figures["test"]["float"],
    )
    assert winner.built.to_json() == figures["built"]
    predicted = winner.predicted.to_json(winner.predicted.limits)
    assert predicted == {key: value for key, value in figures["predicted"].items() if key != "layers"}
    assert winner.predicted.fits
    assert run.baselines == {}
    assert [t.number for t in run.front] == [t["number"] for t in json.loads((run.path / "front.json").read_text())["trials"]]
    assert str(run).startswith(f"winner: trial {winner.trial}, accuracy {winner.accuracy:.2%} on 360 test examples in int8")
    for shown in (repr(winner), repr(run.trials), repr(winner.built), repr(winner.predicted)):
        assert "layers" not in shown
        assert "outputs" not in shown
    assert run.write_report().read_text().startswith("<!doctype html>")
    own = json.loads(Path("own-c/report.json").read_text())
    assert own["agreement"]["sqnr_db"] > 20
    assert own["limits"]["ram"] == 4096


@pytest.mark.slow
def test_the_command_line_says_the_same(documented: tuple[Path, dict[str, Any]]) -> None:
    def command(*arguments: str) -> str:
        result = CliRunner().invoke(cli, list(arguments), prog_name="nas")
        assert result.exit_code == 0, result.output
        return result.stdout

    run: nas.Run = documented[1]["run"]
    trial = next(trial for trial in run.trials if trial.number != run.winner.trial)
    predicted = nas.predict(trial, board="nrf5340-dk", budget="4KB", optimize="balanced", confidence=0.8)
    arguments = ["predict", trial.source, "--board", "nrf5340-dk", "--budget", "4KB", "--confidence", "0.8", "--json"]
    assert json.loads(command(*arguments)) == predicted.to_json(predicted.limits)
    assert json.loads(command("verify", "digits", "--json")) == nas.verify(run).to_json()
    command("export", "digits", "--board", "nrf52840-dk", "--out", "digits-cli")
    files = sorted(path.relative_to("digits-nrf") for path in Path("digits-nrf").rglob("*") if path.is_file())
    assert len(files) > 10
    nas.export_file(run, out="digits.tflite")
    command("export", "digits", "--out", "cli.tflite")
    assert Path("cli.tflite").read_bytes() == Path("digits.tflite").read_bytes()
    for file in files:
        assert ("digits-cli" / file).read_bytes() == ("digits-nrf" / file).read_bytes()


@pytest.mark.slow
def test_a_project_is_verified_on_arrays_and_files(documented: tuple[Path, dict[str, Any]]) -> None:
    run: nas.Run = documented[1]["run"]
    inputs, expect = (run.path / "verification" / f"{name}.npy" for name in ("inputs", "expected"))
    assert nas.verify(run, inputs=inputs, expect=expect).to_json() == run.winner.built.to_json()
    some, wrong = np.load(inputs)[:4], np.load(expect)[:4]
    wrong.flat[3] ^= 1
    measured = nas.verify(run, inputs=some, expect=wrong)
    assert (measured.bit_exact, measured.mismatches, measured.inputs) == (False, 1, 4)
    with pytest.raises(nas.UserError, match="inputs: "):
        nas.verify(run, inputs=np.zeros((2, 3), np.int8))
    with pytest.raises(nas.UserError, match=r"^inputs none.npy: no such file$"):
        nas.verify(run, inputs="none.npy")
    with pytest.raises(nas.UserError, match="takes no sound"):
        nas.answers(run, ["a.wav"])


def test_what_breaks_a_limit_is_written_by_force_alone(tmp_path: Path) -> None:
    import torch
    from torch import nn

    network, inputs, out = nn.Linear(4, 2), torch.rand(20, 4), tmp_path / "small"
    with pytest.raises(nas.UserError, match=r"needs .* of RAM, .* above the limit; force=True") as error:
        nas.export(network, inputs, out=out, budget=50)
    assert "\n" not in str(error.value)
    assert not any(tmp_path.iterdir())
    forced = nas.export(network, inputs, out=out, budget=50, force=True, name="7 segments!")
    assert forced.predicted is not None
    assert not forced.predicted.fits
    assert (out / "include" / "model_7_segments.h").is_file()
    assert f"written to {out}" in str(forced)
    with pytest.raises(nas.UserError, match="calibration_data: a torch module needs some hundred"):
        nas.export(network, out=tmp_path / "other")
    source = next((out / "src").glob("*model_7_segments.c"))
    source.write_text(source.read_text().replace("return 0;", "((volatile int8_t *)arena)[-4] = 1; return 0;"))
    with pytest.raises(nas.UserError, match=f"^{out}: .*stray write"):
        nas.verify(forced)


@pytest.mark.slow
def test_a_module_of_four_bits_takes_less_flash_as_predicted(tmp_path: Path) -> None:
    import torch
    from torch import nn

    network = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 4))
    inputs = torch.randn(50, 64)
    eight = nas.export(network, inputs, out=tmp_path / "eight")
    four = nas.export(network, inputs, out=tmp_path / "four", weight_bits=4)
    assert four.built.bit_exact
    predicted = nas.predict(network, inputs, weight_bits=4)
    assert predicted.ram.total >= four.built.ram.total
    assert predicted.flash.low <= four.built.flash.total <= predicted.flash.high < eight.built.flash.total - 7000
    about = nas.export_file(network, inputs, out=tmp_path / "four.tflite", weight_bits=4)
    assert nas.predict(about["path"]).flash.value > predicted.flash.high


def test_importing_loads_nothing() -> None:
    code = (
        "import sys, nas; assert set(nas.__all__) <= set(dir(nas));"
        "print([m for m in ('torch', 'tvm', 'ray', 'optuna', 'sklearn', 'numpy', 'click', 'nas.api') if m in sys.modules]);"
        "nas.search, nas.export, nas.boards();"
        "print([m for m in ('torch', 'tvm', 'ray', 'optuna', 'sklearn', 'click') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n[]\n"
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        nas.serach  # type: ignore[attr-defined]  # noqa: B018


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "budget": (lambda: nas.search(budget="lots"), "budget: 'lots' is not a size"),
    "flash": (lambda: nas.search(flash=0), "flash: '0' is less than one byte"),
    "latency": (lambda: nas.search(latency="5"), "latency: '5' is not a time"),
    "negative": (lambda: nas.search(latency=-0.1), "latency -0.1: give a positive number of seconds"),
    "macs": (lambda: nas.predict("x.tflite", macs="many"), "macs: 'many' is not a number"),
    "trials": (lambda: nas.search(trials=0), "trials 0: give 1 or more"),
    "fraction": (lambda: nas.search(trials=1.5), "trials 1.5: is not a whole number"),  # type: ignore[arg-type]
    "bool": (lambda: nas.search(seed=True), "seed True: is not a whole number"),
    "baselines": (lambda: nas.search(baselines="no"), "baselines 'no': is neither True nor False"),  # type: ignore[arg-type]
    "finalists": (lambda: nas.search(finalists=101), "finalists 101: give 1 to 100"),
    "confidence": (lambda: nas.search(confidence=95), "confidence 95: give 0.5 to 0.999"),
    "sampler": (lambda: nas.search(sampler="magic"), "sampler magic: choose one of predictor, evolution"),
    "metric": (lambda: nas.search(metric="f1"), "metric f1: choose one of accuracy"),  # type: ignore[arg-type]
    "optimize": (lambda: nas.export("x", out="y", optimize="fast"), "optimize fast: choose one of"),  # type: ignore[arg-type]
    "board": (lambda: nas.search(board="nucleo-l4r5z"), "board nucleo-l4r5z: no such board; did you mean nucleo-l4r5zi"),
    "data": (lambda: nas.search("none"), "data none: no such file or folder"),
    "window": (lambda: nas.search(window=0), "window 0: give 1 or more"),
    "recipe": (lambda: nas.search(screening={"epoch": 1}), r"\[screening\] has no key 'epoch'"),
    "recipe value": (lambda: nas.search(finishing={"epochs": 0.5}), r"\[finishing\] epochs must be of type int"),
    "config": (lambda: nas.search(config="none.toml"), "none.toml: no such file"),
    "out": (lambda: nas.search(out="."), "out .: the directory is not empty"),
    "ray": (lambda: nas.search(ray_address="127.0.0.1:1"), "ray_address 127.0.0.1:1: no Ray cluster there"),
    "run": (lambda: nas.load_run("none"), "none: no such run directory"),
    "resume": (lambda: nas.resume("."), "not a run directory"),
    "source": (lambda: nas.export("none", out="x"), "none: no such run"),
    "directory": (lambda: nas.export("none", out="x.onnx"), "out x.onnx: is to be a directory; nas.export_file writes .onnx"),
    "file": (lambda: nas.export_file("none", out="x.h5"), "out x.h5: the name must end in .tflite or .onnx"),
    "kind": (lambda: nas.predict(3), "int is no network"),  # type: ignore[arg-type]
    "objective": (lambda: nas.search(objective=["accuracy", "ram"]), "objective \\['accuracy', 'ram'\\]: give a text"),  # type: ignore[arg-type]
    "calibration": (lambda: nas.export("none", [], out="x"), "calibration_data: is for torch modules"),
    "bits": (lambda: nas.predict("x.tflite", weight_bits=3), "weight_bits 3: give 8 or 4"),  # type: ignore[arg-type]
    "bits of a file": (lambda: nas.export_file("x.tflite", out="y.tflite", weight_bits=4), "weight_bits 4: is for torch modules"),
    "project": (lambda: nas.verify("."), "holds no exported project"),
    "recordings": (lambda: nas.answers(".", []), "recordings: give at least one"),
    "folder": (lambda: nas.answers(".", ["a.wav", Path()]), "^recordings .: give recordings .* of one form, no folders"),
    "bytes": (lambda: nas.answers(".", ["a.wav", "b.bin"]), "^recordings b.bin: give recordings .* of one form, no folders"),
    "forms": (lambda: nas.answers(".", ["a.wav", "b.csv"]), "^recordings b.csv: give WAV files only"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_named_and_leave_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").write_text("mine")
    monkeypatch.chdir(tmp_path)
    call, words = BAD[name]
    with pytest.raises(nas.UserError, match=words) as error:
        call()
    assert "\n" not in str(error.value)
    assert "--" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_every_option_of_the_command_line_is_an_argument() -> None:
    """The same names and, unless a configuration file speaks, the same values."""
    from nas.cli.search import command
    from nas.study.options import DEFAULTS
    from nas.study.settings import OPTIONS

    arguments = inspect.signature(nas.search).parameters
    options = {option.name for option in command.params}
    assert set(OPTIONS) <= options <= {*arguments, "debug", "json", "as_json", "quiet", "verbose"}
    defaults = {option.name: option.default for option in command.params if option.name in DEFAULTS and option.name != "board"}
    assert defaults == {name: value for name, value in DEFAULTS.items() if name != "board"}
    for function in (nas.export, nas.predict):
        own = inspect.signature(function).parameters
        assert own["board"].default == DEFAULTS["board"]
        assert own["optimize"].default == DEFAULTS["optimize"]


@pytest.mark.slow
def test_the_run_reproduces_itself(documented: tuple[Path, dict[str, Any]]) -> None:
    settings = read_toml(documented[0] / "digits" / "search.toml")
    search = settings["search"]
    assert (search["budget"], search["flash"], search["trials"], search["seed"]) == (3072, 24576, 3, 0)
    assert (search["board"], search["sampler"], search["baselines"]) == ("nucleo-l4r5zi", "predictor", False)
    assert settings["screening"]["epochs"] == settings["finishing"]["epochs"] == settings["quantization"]["epochs"] == 1
    assert settings["finishing"]["augment"] is True
