"""One search for two boards of different cores, one of them a person's own, on real parts with as little training as will do."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from click.testing import CliRunner, Result
from command_line import nas, read
from html_tags import Tags
from short_recipes import SHORT

import codegen.boards as boards_package
from codegen.boards import load_board
from codegen.errors import UserError
from cost_models import load_cost_model, save
from nas.api import load_run, predict
from nas.cli import cli
from nas.datasets import load_train
from nas.executor import Outcome, SerialExecutor
from nas.files import read_toml
from nas.progress import QuietProgress
from nas.report import report_page
from nas.run_directory import RunDirectory
from nas.study.finalists import Candidate, FinalistStage
from nas.study.options import DEFAULTS, load_boards, settings_from_options
from nas.study.preparation import feasibilities
from nas.study.running import reopen
from nas.study.settings import OPTIONS, SearchSettings, read_settings

M4, OWN = "nucleo-l4r5zi", "mine"
CONFIG = (
    """
format = 1

[search]
board = ["nucleo-l4r5zi", "own/mine.toml"]
budget = "3KB"
latency = "1.5ms"
trials = 4
finalists = 1
seed = 3
start = "random"
workers = 2
baselines = false
"""
    + SHORT
)


@dataclass(frozen=True)
class Searched:
    """``path`` is the run, ``printed`` what the search gave as JSON; the board file that it was given is gone."""

    path: Path
    printed: dict[str, Any]

    @property
    def report(self) -> dict[str, Any]:
        """The content of ``report.json``."""
        content: dict[str, Any] = read(self.path / "report.json")
        return content


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    folder = tmp_path_factory.mktemp("boards")
    (folder / "two.toml").write_text(CONFIG)
    (folder / "own").mkdir()
    pico = Path(boards_package.__file__).with_name("rpi-pico.toml").read_text()
    (folder / "own" / "mine.toml").write_text(pico.replace('"rpi-pico"', f'"{OWN}"', 1).replace("2_097_152", "1_048_576"))
    done = nas("search", "--config", str(folder / "two.toml"), "--out", "run", "--json", "--quiet", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    shutil.rmtree(folder / "own")
    return Searched(folder / "run", json.loads(done.stdout))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="nas")


def comparable(report: dict[str, Any]) -> dict[str, Any]:
    """Without times."""
    studies = {
        name: {key: value for key, value in study.items() if key != "training_seconds"} for name, study in report["studies"].items()
    }
    return {"boards": report["boards"], "studies": studies, "uses": report["test_uses"]}


@pytest.mark.slow
def test_every_board_has_its_front_finalists_and_winner(searched: Searched) -> None:
    report = searched.report
    assert searched.printed == {"run": "run", **report}
    assert set(report["boards"]) == {M4, OWN}
    assert not {"winner", "baselines", "finalists", "board", "limits"} & set(report)
    assert (report["studies"]["search"]["sampler"], report["studies"]["search"]["completed"]) == ("PredictorSampler", 4)
    built = set()
    for board, core in ((M4, "cortex-m4"), (OWN, "cortex-m0plus")):
        about, place = report["boards"][board], searched.path / board
        assert (about["board"], about["core"]) == (board, core)
        assert (about["limits"]["ram"], about["limits"]["latency_ms"]) == (3072, 1.5)
        project = read(place / "winner" / "report.json")
        assert (project["board"], project["core"], project["limits"]) == (board, core, about["limits"])
        assert project["built"] == about["winner"]["built"]
        assert project["built"]["bit_exact"]
        assert project["built"]["inputs"] == 360
        assert project["built"]["ram"]["total"] <= 3072
        assert project["built"]["latency_ms"] <= 1.5
        front = {trial["number"] for trial in read(place / "front.json")["trials"]}
        assert front
        built |= {path.stem for path in (place / "finalists").iterdir()}
    for board, name in ((M4, M4), (OWN, str(searched.path / "boards" / "mine.toml"))):
        assert report["boards"][board]["limits"]["flash"] == load_board(name).available_flash  # its own, where no limit is given
    assert report["boards"][OWN]["limits"]["flash"] < report["boards"][M4]["limits"]["flash"]
    kept = {path.name.split(".")[0] for path in (searched.path / "finalists").iterdir()}
    assert kept == built
    tested = [use["architecture"] for use in report["test_uses"] if "emulator" not in use["purpose"]]
    assert len(tested) == len(set(tested))


@pytest.mark.slow
def test_commands_ask_which_board_is_meant(searched: Searched, tmp_path: Path) -> None:
    path, file = str(searched.path), str(tmp_path / "own.tflite")
    assert run("export", path, "--out", file).exit_code == 2
    assert run("export", path, "--out", file, "--board", OWN).exit_code == 0
    assert "--board is for a C project" in run("export", f"{path}:0", "--out", f"{file}.tflite", "--board", OWN).stderr
    for arguments in (["verify", path], ["predict", path, "--board", "nrf52840-dk"], ["explain", path, "--board", "rpi-pico"]):
        result = run(*arguments)
        assert result.exit_code == 2
        assert result.stderr == f"nas: {path}: this search is for {M4}, {OWN}; say with --board for which of them\n"
    assert "--board" in run("verify", f"{path}/{OWN}/winner", "--board", M4).stderr
    vectors = searched.path / OWN / "verification"
    arrays = [f"--inputs={vectors / 'inputs.npy'}", f"--expect={vectors / 'expected.npy'}"]
    verified = run("verify", path, "--board", OWN, "--json", *arrays)
    assert verified.exit_code == 0, verified.stderr
    assert json.loads(verified.stdout) == searched.report["boards"][OWN]["winner"]["built"]
    predicted = json.loads(run("predict", path, "--board", M4, "--json").stdout)
    promised = searched.report["boards"][M4]["winner"]["predicted"]
    assert {key: predicted[key] for key in ("ram", "flash", "macs")} == {key: promised[key] for key in ("ram", "flash", "macs")}


@pytest.mark.slow
def test_a_run_in_python_is_asked_for_a_board(searched: Searched) -> None:
    found = load_run(searched.path)
    assert found.boards == (M4, OWN)
    for board in (M4, OWN):
        there, about = found.on(board), searched.report["boards"][board]
        assert there.winner.project == searched.path / board / "winner"
        assert there.winner.built.to_json() == about["winner"]["built"]
        front = read(searched.path / board / "front.json")["trials"]
        assert [trial.number for trial in there.front] == [trial["number"] for trial in front]
        assert all(trial in there.trials for trial in there.front)
        predicted = predict(there, board=RunDirectory.open(searched.path).board_option(board))
        assert predicted.ram.total == about["winner"]["predicted"]["ram"]["total"]
    for wrong, words in ((lambda: found.winner, r"run.on\('nucleo-l4r5zi'\)"), (lambda: found.on("rpi-pico"), "is a search for")):
        with pytest.raises(UserError, match=words):
            wrong()


@pytest.mark.slow
def test_a_trial_is_explained_on_every_board(searched: Searched) -> None:
    about = json.loads(run("explain", str(searched.path), "--json").stdout)
    assert list(about["boards"]) == [M4, OWN]
    for board, explained in about["boards"].items():
        winner = searched.report["boards"][board]["winner"]
        assert explained["trial"] == f"trial {winner['trial']['number']}"
        assert explained["figures"]["ram"]["limit"] == 3072
        assert explained["layers"] == winner["predicted"]["layers"]
    tight = run("explain", f"{searched.path}:0", "--budget", "300")
    assert tight.exit_code == 1
    assert f"trial 0 does not fit {M4}\n" in tight.stdout
    assert f"trial 0 does not fit {OWN}\n" in tight.stdout


@pytest.mark.slow
def test_one_page_shows_every_board(searched: Searched) -> None:
    run_directory = RunDirectory.open(searched.path)
    page = report_page(run_directory)
    tags = Tags(page)
    identities = [line.split('"')[0] for line in page.split(' id="')[1:]]
    assert len(identities) == len(set(identities))
    for board in (M4, OWN):
        assert {board, f"{board}-winner", f"{board}-front", f"{board}-memory"} <= set(identities)
        built = searched.report["boards"][board]["winner"]["built"]
        assert f"{built['cycles']:,.0f}" in tags.text
        assert f"nas verify {searched.path / board / 'winner'}" in tags.text
    assert identities.count("reproduce") == identities.count("choices") == 1
    alone = report_page(run_directory, OWN)
    assert 'id="mine-winner"' not in alone
    assert 'id="winner"' in alone
    assert M4 not in Tags(alone).text.split("How to reproduce it")[0]


@pytest.mark.slow
def test_every_front_of_the_page_is_its_own(searched: Searched, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(report_page(RunDirectory.open(searched.path)))
    shown = "(b) => [...document.querySelectorAll(`#${b}-front g[data-cost]:not(.other)`)].map(g => g.dataset.cost)"
    for width in (400, 1400):
        browser.open(tmp_path / "page.html", width=width)
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        before = browser.evaluate(f"({shown})('{M4}')")
        browser.evaluate(f"document.querySelector('#{OWN}-front input[value=macs]').click()")
        assert browser.evaluate(f"({shown})('{OWN}')") == ["macs"]
        assert browser.evaluate(f"({shown})('{M4}')") == before
        told = [browser.evaluate(f"document.getElementById('{board}-picked').textContent") for board in (M4, OWN)]
        browser.evaluate(f"document.querySelector('#{OWN}-front svg.marks').focus()")
        browser.press("ArrowRight")
        after = [browser.evaluate(f"document.getElementById('{board}-picked').textContent") for board in (M4, OWN)]
        assert after[0] == told[0] == told[1] != after[1]
    assert browser.complaints == []


@pytest.mark.slow
def test_a_board_without_a_winner_leaves_the_others_theirs(searched: Searched, tmp_path: Path) -> None:
    """The report as it is where every finalist of one board broke a limit as built."""
    path = tmp_path / "run"
    shutil.copytree(searched.path, path)
    report, reason = searched.report, "no winner: every finalist's built program breaks a limit (ram)"
    del report["boards"][OWN]
    report["without_winner"][OWN] = reason
    (path / "report.json").write_text(json.dumps(report))
    ended = run("resume", str(path))
    assert ended.exit_code == 1
    assert ended.stderr == f"nas: {OWN}: {reason}\n"
    assert f"{M4} (cortex-m4)\nwinner: trial" in ended.stdout
    refused = run("verify", str(path), "--board", OWN)
    assert (refused.exit_code, refused.stderr) == (2, f"nas: {path}: {OWN}: {reason}\n")
    assert run("explain", str(path), "--board", OWN).stdout.startswith("trial ")
    page = Tags(report_page(RunDirectory.open(path))).text
    assert f"N{reason[1:]}." in page
    (path / "report.json").unlink()
    page = Tags(report_page(RunDirectory.open(path))).text
    assert "The search has not ended, so there is no winner yet." in page


class Training(SerialExecutor):
    """Notes what is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def submit(self, function: Any, *arguments: Any) -> int:
        self.asked.append(function.__name__)
        return super().submit(function, *arguments)

    def wait(self) -> Outcome:
        outcome = super().wait()
        assert outcome.error is None
        return outcome


@pytest.mark.slow
def test_what_was_trained_for_one_board_is_only_built_for_the_other(searched: Searched, tmp_path: Path) -> None:
    shutil.copytree(searched.path, tmp_path / "run")
    search, training = reopen(RunDirectory.open(tmp_path / "run")), Training()
    preparation, settings = search.preparation, search.settings
    winner = searched.report["boards"][M4]["winner"]["trial"]
    figures = tmp_path / "run" / OWN / "finalists" / f"{winner['architecture']}.json"
    figures.unlink(missing_ok=True)
    architecture = preparation.space.from_params(winner["params"])
    candidate = Candidate("search", winner["number"], architecture, None)
    stage = FinalistStage(search.run, settings, preparation, training, preparation.splits, QuietProgress(open("/dev/null", "w")))  # noqa: SIM115
    stage.finish({M4: [candidate], OWN: [candidate]})
    assert training.asked == ["build"]
    own, other = stage.done[OWN][architecture.id], stage.done[M4][architecture.id]
    assert (own.int8_accuracy, own.float_accuracy, own.params) == (other.int8_accuracy, other.float_accuracy, other.params)
    assert (own.built["core"], other.built["core"]) == ("cortex-m0plus", "cortex-m4")
    assert read(figures)["curve"] == read(tmp_path / "run" / M4 / "finalists" / figures.name)["curve"]


@pytest.mark.slow
def test_the_run_s_own_configuration_reproduces_it(searched: Searched, tmp_path: Path) -> None:
    """From another directory, after the board file that was given is gone."""
    settings = read_toml(searched.path / "search.toml")["search"]
    assert settings["board"] == [M4, f"boards/{OWN}.toml"]
    assert "flash" not in settings
    shutil.copytree(searched.path, tmp_path / "moved")
    done = nas("search", "--config", "moved/search.toml", "--out", "again", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{OWN} (cortex-m0plus)" in done.stdout
    assert f"--board again/boards/{OWN}.toml --out DIR" in done.stdout
    again = tmp_path / "again"
    assert comparable(read(again / "report.json")) == comparable(searched.report)
    for board in (M4, OWN):
        weights = Path(board) / "winner" / "src" / "digits_weights.c"
        assert (again / weights).read_bytes() == (searched.path / weights).read_bytes()
    assert run("resume", str(again), "--quiet").output.startswith(f"{M4} (cortex-m4)\n")


def test_boards_that_cannot_be_told_apart(tmp_path: Path) -> None:
    catalogue = Path(boards_package.__file__).with_name("rpi-pico.toml").read_text()
    (tmp_path / "same.toml").write_text(catalogue)
    (tmp_path / "bad.toml").write_text(catalogue.replace('"rpi-pico"', '"winner"', 1))
    for names, words in (
        (("rpi-pico", str(tmp_path / "same.toml")), "two boards called rpi-pico"),
        ((M4, M4), f"two boards called {M4}"),
        ((M4, str(tmp_path / "bad.toml")), "'winner' is no name for a folder of a run"),
    ):
        with pytest.raises(UserError, match=words):
            load_boards(names)
    assert [board.name for board in load_boards((str(tmp_path / "bad.toml"),))] == ["winner"]
    result = run("search", "--board", M4, "--board", "rpi-pico", "--latency", "10us", "--out", str(tmp_path / "run"))
    assert result.exit_code == 2
    assert "--latency: no network fits" in result.stderr
    assert not (tmp_path / "run").exists()


def test_each_core_has_its_own_cost_model(tmp_path: Path) -> None:
    for core in ("cortex-m4", "cortex-m0plus", "cortex-m3"):
        save(replace(load_cost_model(core), kernel_library="0" * 63 + core[-1]), tmp_path / f"{core}.json")

    def settings(*models: str) -> SearchSettings:
        given = {"board": [M4, "rpi-pico"], "model": [str(tmp_path / f"{model}.json") for model in models]}
        return settings_from_options(dict.fromkeys(OPTIONS) | dict(DEFAULTS) | given, {}, "test")

    def libraries(chosen: SearchSettings) -> list[str]:
        return [fits.cost_model.kernel_library[-1] for fits in feasibilities(chosen, digits)]

    digits = load_train("digits")
    kept, files = settings("cortex-m0plus", "cortex-m4").kept()
    folder = tmp_path / "run"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "search.toml").write_text(kept.to_toml())
    assert libraries(read_settings(read_toml(folder / "search.toml"), "search.toml", folder)) == ["4", "s"]
    shipped = load_cost_model("cortex-m4").kernel_library
    assert libraries(settings("cortex-m0plus")) == [shipped[-1], "s"]
    with pytest.raises(
        UserError, match=r"cortex-m3\.json: is for cortex-m3, but nucleo-l4r5zi has a cortex-m4, .* has a cortex-m0plus"
    ):
        libraries(settings("cortex-m4", "cortex-m3"))
    with pytest.raises(UserError, match=r"is for cortex-m4, as .*cortex-m4\.json is; give one for each core"):
        libraries(settings("cortex-m4", "cortex-m4"))
    result = run("search", "--board", M4, "--board", "rpi-pico", "--optimize", "speed", "--out", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "core cortex-m0plus: no cost model for --optimize speed comes with this version" in result.stderr
