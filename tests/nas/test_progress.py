from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import subprocess
import sys

import pytest
from command_line import ENVIRONMENT
from rich.console import Console

from nas.progress import LiveProgress, PlainProgress, Progress, TrialLine, make_progress

ON_A_TERMINAL = """
from nas.progress import TrialLine, make_progress
with make_progress() as progress:
    progress.phase("trials", 1)
    progress.trial(TrialLine("search", 0, 0.95, 2048, 9000, 1.25, "conv-16-5-1"))
"""
NETWORK = "conv-16-5-1 " + "inverted_residual-64-5-2-4 " * 6 + "flatten"


def feed(progress: Progress) -> None:
    with progress:
        progress.phase("trials", 5)
        progress.trial(TrialLine("search", 0, 0.9, 2048, 9000, 1.25, NETWORK))
        progress.trial(TrialLine("search", 1, 0.95, 4096, 12000, 2.5, NETWORK))
        progress.trial(TrialLine("random", 0, 0.99, 4096, 12000, 2.5, NETWORK))
        progress.trial(TrialLine("search", 3, 0.99, 1024, 8000, 0.5, NETWORK, stopped=2))
        progress.trial(TrialLine("search", 2, None, 1024, 8000, 0.5, NETWORK, error="its worker died 2 times"))


def test_plain_lines() -> None:
    stream = io.StringIO()
    feed(PlainProgress(stream))
    first, *lines = stream.getvalue().splitlines()
    assert first == "trials: 5"
    assert [line.split()[0] for line in lines] == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert "trial 1" in lines[1]
    assert "95.00%" in lines[1]
    assert "best 95.00% (trial 1)" in lines[2]  # a baseline is not the search's best
    assert "random 0" in lines[2]
    assert "99.00%" in lines[3]
    assert "stopped after 2 epochs" in lines[3]
    assert "failed" in lines[4]
    assert "its worker died" in lines[4]
    assert "left" in lines[0]
    assert "left" not in lines[4]
    assert "\x1b" not in stream.getvalue()


def test_where_only_the_time_is_limited_it_tells_what_is_left() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream)
    progress.phase("trials", None, 2, seconds=600)
    progress.trial(TrialLine("search", 2, 0.9, 2048, 9000, 1.25, NETWORK))
    progress.phase("trials", 4, seconds=0.001)
    progress.trial(TrialLine("search", 3, 0.8, 2048, 9000, 1.25, NETWORK))
    first, trial, second, late = stream.getvalue().splitlines()
    assert first == "trials: as many as begin within 10 min 0 s, 2 done before"
    assert trial.split()[0] == "3"
    assert trial.endswith("best 90.00% (trial 2), about 10 min 0 s left")
    assert second == "trials: 4, as many as begin within 1 ms"
    assert "1/4" in late
    live = LiveProgress()
    live.phase("trials", None, seconds=600)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(live._render())
    assert "trials 0, about 10 min 0 s left" in console.export_text()


def test_the_live_table_keeps_its_figures_on_a_narrow_terminal() -> None:
    progress = LiveProgress()
    feed(progress)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(progress._render())
    text = console.export_text()
    for words in (
        "90.00%",
        "4.0 KB",
        "11.7 KB",
        "2.500 ms",
        "random 0",
        "failed",
        "stopped after 2",
        "trials 5/5",
        "best 95.00% (trial 1)",
    ):
        assert words in text
    assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize(
    ("variables", "coloured", "moving"),
    [({}, True, True), ({"NO_COLOR": "1"}, False, True), ({"TERM": "dumb"}, False, False)],
)
def test_what_a_terminal_gets(variables: dict[str, str], coloured: bool, moving: bool) -> None:
    here, there = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"PYTHONPATH": ENVIRONMENT["PYTHONPATH"], "TERM": "xterm-256color", **variables}
    program = subprocess.Popen([sys.executable, "-c", ON_A_TERMINAL], stdout=there, env=environment)
    os.close(there)
    output = b""
    with contextlib.suppress(OSError):  # which is how Linux says that nobody is there any more
        while chunk := os.read(here, 4096):
            output += chunk
    os.close(here)
    assert program.wait() == 0
    assert b"95.00%" in output
    assert bool(re.search(rb"\x1b\[[0-9;]*3[0-9]", output)) is coloured
    assert (b"\x1b" in output) is moving


def test_quiet_and_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = make_progress("quiet")
    feed(quiet)
    quiet.message("the cost model is off")
    assert capsys.readouterr() == ("", "the cost model is off\n")
    feed(make_progress("verbose"))
    assert capsys.readouterr().out.count(NETWORK) == 5
    stream = io.StringIO()
    feed(make_progress(stream=stream))
    assert NETWORK not in stream.getvalue()
