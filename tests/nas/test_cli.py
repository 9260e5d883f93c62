"""The command line: help, and one clear line with exit status 2 for whatever is wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from harness_board import board_file, firmware, running

import codegen.boards as boards_package
from nas.cli import cli
from nas.cli.group import COMMANDS

Nas = Callable[..., Result]


@pytest.fixture
def nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nas:
    """Runs the command line in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli, list(arguments), prog_name="nas")


def fails(result: Result, *words: str, status: int = 2) -> None:
    assert result.exit_code == status, result.output
    assert result.stderr.startswith("nas: ")
    assert result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_help_of_every_command(nas: Nas) -> None:
    assert all(f"  {name} " in nas("--help").output for name in COMMANDS)
    assert nas().output == nas("--help").output
    for name in COMMANDS:
        result = nas(name, "--help")
        assert result.exit_code == 0
        assert "Example" in result.output


def test_commands_load_nothing_heavy_before_they_run() -> None:
    code = "import sys, nas.cli, importlib; [importlib.import_module(f'nas.cli.{c}') for c in nas.cli.group.COMMANDS];"
    code += "print([m for m in ('torch', 'tvm', 'ray', 'optuna', 'sklearn', 'numpy', 'unicorn', 'rich') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_exit_status_and_message_of_the_real_process(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "nas", "search", "--budget", "lots"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("nas: Invalid value for '--budget': 'lots' is not a size")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serach"], ["'serach'", "did you mean 'search'"]),
        (["search", "--budget", "0"], ["--budget", "'0'"]),
        (["search", "--budget", "-1KB"], ["--budget", "'-1KB'"]),
        (["search", "--flash", "12XB"], ["--flash", "'12XB'"]),
        (["search", "--latency", "5"], ["--latency", "'5'", "unit"]),
        (["search", "--macs", "many"], ["--macs", "'many'"]),
        (["search", "--trials", "0"], ["--trials"]),
        (["search", "--confidence", "95"], ["--confidence"]),
        (["search", "--sampler", "magic"], ["--sampler", "evolution"]),
        (["search", "--board", "nucleo-l4r5z"], ["--board nucleo-l4r5z", "nucleo-l4r5zi"]),
        (["search", "--board", "a", "--board", "b"], ["--board"]),
        (["search", "--bugdet", "3KB"], ["--bugdet", "--budget"]),
        (["search", "--config", "none.toml"], ["none.toml", "no such file"]),
        (["resume", "none"], ["none", "no such run directory"]),
        (["resume", "."], ["not a run directory"]),
        (["export", "none", "--out", "x"], ["none", "no such run"]),
        (["export", "."], ["--out"]),
        (["predict", "none.tflite"], ["none.tflite", "no such file"]),
        (["verify", "none"], ["none", "no such directory"]),
        (["verify", "."], ["report.json"]),
        (["verify", ".", "--inputs", "a.npy", "--raw", "b"], ["--inputs", "--raw"]),
        (["verify", ".", "--inputs", "none.npy"], ["--inputs none.npy", "no such file"]),
        (["calibrate", "--samples", "1"], ["--samples"]),
        (["resume", "none", "--quiet", "--verbose"], ["--quiet", "--verbose"]),
        (["completion", "tcsh"], ["'tcsh'", "bash"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(nas: Nas, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    fails(nas(*arguments), *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("format = 1\n[search]\nbugdet = 3\n", ["'bugdet'", "budget"]),
        ("format = 9\n", ["format is 9"]),
        ("format = 1\n[search\n", ["not valid TOML"]),
        ('format = 1\n[search]\nbudget = "lots"\n', ["--budget", "'lots'"]),
        ("format = 1\n[search]\nboard = 3\n", ["board cannot be 3", "text"]),
        ('format = 1\n[search]\nobjective = ["ram"]\n', ["objective cannot be ['ram']", "text"]),
        ("format = 1\n[screening]\nepochs = 'two'\n", ["[screening] epochs"]),
        ("format = 1\n[screening]\nepoch = 2\n", ["[screening]", "'epoch'"]),
        ("format = 1\n[screening]\nwarm_up = 1\n", ["[screening] warm_up = 1 is not below 1"]),
    ],
)
def test_a_bad_configuration_file(nas: Nas, tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "bad.toml").write_text(text)
    fails(nas("search", "--config", "bad.toml"), *words)
    assert [p.name for p in tmp_path.iterdir()] == ["bad.toml"]


def test_an_output_directory_with_something_in_it(nas: Nas, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    fails(nas("search", "--out", "."), "--out", "not empty")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_no_space_left() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "nas", "boards"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "nas: no space left on the device; make room and run it again\n")


def test_debug_shows_the_traceback(nas: Nas) -> None:
    result = nas("resume", "none", "--debug")
    assert "UserError" in repr(result.exception)


def test_boards(nas: Nas) -> None:
    assert "nucleo-l4r5zi" in nas("boards").output
    boards = json.loads(nas("boards", "--json").output)
    assert {"name", "core", "clock_hz", "ram_bytes", "flash_bytes"} <= set(boards[0])


def test_the_harness_is_written_and_a_port_without_a_board_refused(nas: Nas, tmp_path: Path) -> None:
    result = nas("calibrate", "--board", "nucleo-l4r5zi", "--firmware", "harness")
    assert result.exit_code == 0
    assert "flash harness.elf, or harness.bin at 0x08000000" in result.output
    assert (tmp_path / "harness" / "harness.bin").stat().st_size < 16 * 1024
    about = json.loads(nas("calibrate", "--board", "nucleo-l4r5zi", "--firmware", "again", "--json").output)
    assert about == {"program": "again/harness.elf", "image": "again/harness.bin", "address": "0x08000000"}
    shutil.rmtree(tmp_path / "again")
    fails(nas("calibrate", "--board", "nucleo-l4r5zi", "--firmware", "harness"), "harness", "not empty")
    fails(nas("calibrate", "--board", "rpi-pico", "--firmware", "pico"), "serial line of rpi-pico is not known", "--uart")
    fails(nas("calibrate", "--serial", "ttyNONE"), "--serial ttyNONE", "cannot be opened")
    fails(nas("calibrate", "--uart", "mine.c"), "--uart", "--firmware DIR")
    fails(nas("calibrate", "--serial", "ttyNONE", "--firmware", "both"), "--firmware", "--serial")
    assert [p.name for p in tmp_path.iterdir()] == ["harness"]


def test_calibrate_refuses_a_harness_of_another_board(nas: Nas, tmp_path: Path) -> None:
    with running(firmware(tmp_path, "cortex-m4")) as (port, _):
        fails(nas("calibrate", "--board", "nucleo-l4r5zi", "--serial", port), "built for board mps2-an386, --board nucleo-l4r5zi")
        own = str(board_file(tmp_path, "cortex-m0plus"))
        fails(nas("calibrate", "--board", own, "--serial", port), port, "built for core cortex-m4")


def test_boards_say_which_piece_of_ram_counts(nas: Nas) -> None:
    assert "of 5 pieces of RAM the largest, AXI SRAM" in nas("boards").output
    boards = {board["name"]: board for board in json.loads(nas("boards", "--json").output)}
    board = boards["nucleo-h743zi"]
    assert (board["ram_region"], board["ram_bytes"], board["available_ram"]) == ("AXI SRAM", 512 * 1024, 496 * 1024)
    assert {region["name"] for region in board["memory"]} >= {"AXI SRAM", "DTCM", "flash"}


def test_a_board_file_serves_wherever_a_board_is_asked_for(nas: Nas, shared_dir: Path, tmp_path: Path) -> None:
    catalogue = Path(boards_package.__file__).with_name("nucleo-l4r5zi.toml").read_text()
    own = catalogue.replace("nucleo-l4r5zi", "mine", 1).replace("120_000_000", "60_000_000", 1)
    (tmp_path / "mine.toml").write_text(own)
    network = str(shared_dir / "models" / "ad" / "model.tflite")
    mine = json.loads(nas("predict", network, "--board", "mine.toml", "--json").output)
    theirs = json.loads(nas("predict", network, "--board", "nucleo-l4r5zi", "--json").output)
    assert mine["board"] == "mine"
    assert mine["latency_ms"]["value"] == pytest.approx(2 * theirs["latency_ms"]["value"], rel=1e-5)
    assert nas("export", network, "--board", "./mine.toml", "--out", "c").exit_code == 0
    report = json.loads((tmp_path / "c" / "report.json").read_text())
    assert (report["board"], report["limits"]["ram"]) == ("mine", 640 * 1024 - 16 * 1024)
    assert json.loads(nas("verify", "c", "--json").output)["board"] == "mine"
    (tmp_path / "mine.toml").write_text(own.replace("bytes", "octets", 1))
    for command in (["predict", network], ["export", network, "--out", "d"], ["search"], ["calibrate"]):
        fails(nas(*command, "--board", "mine.toml"), "mine.toml", "number 1: 'bytes' is missing")
