"""Runs to look at, one whose trials have ended and one that has ended, and a browser to look with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from browser import Browser, find_chromium
from short_recipes import SHORT

import nas as package
from codegen.boards import load_board
from cost_models import Limits, load_cost_model
from nas.run_directory import RunDirectory
from nas.samplers import EvolutionSampler, RandomFeasibleSampler
from nas.study.feasibility import Feasibility
from nas.study.study_source import StudySource
from nas.study.tasks import Screened
from nas.study.trials import open_storage
from search_spaces import ImageSpace

SETTINGS = """
format = 1

[search]
data = "digits"
board = "nucleo-l4r5zi"
budget = 3072
flash = 24576
trials = 12
sampler = "evolution"
confidence = 0.95
workers = 1
seed = 5
optimize = "balanced"
finalists = 2
baselines = true
distill = true
"""


@pytest.fixture(scope="session")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose trials have ended, all but training real: accuracy grows with work. Nothing was built yet."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    run = RunDirectory.create(tmp_path_factory.mktemp("tried") / "run", SETTINGS)
    board, space = load_board("nucleo-l4r5zi"), ImageSpace((8, 8, 1), 10)
    feasibility = Feasibility(space, load_cost_model(board.core), board, Limits(ram=3072, flash=24576), 0.95)
    storage = open_storage(run)
    for label, sampler in (
        ("search", EvolutionSampler(space, feasibility, seed=5, population=4, tournament=2)),
        ("random", RandomFeasibleSampler(space, feasibility, seed=6)),
    ):
        study = optuna.create_study(storage=storage, sampler=sampler, study_name=label, direction="maximize")
        source = StudySource(label, study, feasibility, lambda: 12)
        while (request := source.next()) is not None:
            macs = feasibility.predict(request.architecture).macs
            source.complete(request.number, Screened(macs / (macs + 5_000), (), 1.0, b""))
    return run.path


@pytest.fixture
def unfinished(tried: Path, tmp_path: Path) -> RunDirectory:
    """A copy of :func:`tried` to do with as one likes."""
    shutil.copytree(tried, tmp_path / "run")
    return RunDirectory.open(tmp_path / "run")


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the real thing with hardly any training: about a minute."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "short.toml").write_text(SETTINGS + SHORT)
    environment = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}
    arguments = ["search", "--config", str(folder / "short.toml"), "--out", str(folder / "run"), "--debug"]
    done = subprocess.run([sys.executable, "-m", "nas", *arguments], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.fixture
def finished(searched: Path, tmp_path: Path) -> RunDirectory:
    """A copy of :func:`searched` to do with as one likes."""
    shutil.copytree(searched, tmp_path / "run")
    return RunDirectory.open(tmp_path / "run")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless Chromium. Where there is none the test is skipped, except under continuous integration, which requires it."""
    program = find_chromium()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is missing")
        pytest.skip("no chromium here")
    with Browser(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened
