"""A search over data that is too small for one part to validate on, end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import nas, nas_here, read

from nas.files import read_toml

CONFIG = """
format = 1

[search]
budget = "8KB"
flash = "32KB"
trials = 3
finalists = 1
baselines = false
workers = 1

[screening]
epochs = 2

[finishing]
epochs = 2

[quantization]
epochs = 1
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    """A directory with a finished run."""
    folder = tmp_path_factory.mktemp("folds")
    (folder / "small.toml").write_text(CONFIG)
    data = str(data_dir / "ucr_small" / "ItalyPowerDemand.npz")
    done = nas("search", "--config", "small.toml", "--data", data, "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "67 to train on, each of 5 folds once to validate on" in done.stdout
    assert "refit: what was built learnt the validation data, too" in done.stdout
    return folder


@pytest.mark.slow
def test_every_example_judges_and_the_winner_has_learnt_all(searched: Path) -> None:
    report, search = read(searched / "run" / "report.json"), read_toml(searched / "run" / "search.toml")["search"]
    assert (search["folds"], search["pruner"]) == (5, "none")
    assert (report["data"]["folds"], report["refit"]) == (5, True)
    validation = report["winner"]["validation"]
    assert validation["n"] == report["data"]["train"] + report["data"]["validation"] == 67
    for accuracy in (validation["float"], validation["int8"], validation["screening"]):
        assert 0.5 < accuracy <= 1
    assert (searched / "run" / "finalists" / f"{report['winner']['trial']['architecture']}.judge.safetensors").is_file()
    page = nas_here("report", "run", cwd=searched)
    assert page.returncode == 0, page.stderr
    assert "each network was trained 5 times" in next((searched / "run").glob("*.html")).read_text()


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_alike(searched: Path) -> None:
    run = searched / "run"
    before = {path: path.read_bytes() for path in (run / "winner" / "src").glob("*.c")}
    expected = np.load(run / "verification" / "expected.npy")
    assert before
    (run / "report.json").unlink()
    for path in (run / "finalists").iterdir():
        path.unlink()
    done = nas("resume", "run", cwd=searched)
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert np.array_equal(np.load(run / "verification" / "expected.npy"), expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--folds", "5", "--distill"), "--folds 5: a teacher has learnt what other folds validate on"),
        (("--folds", "21"), "21 is not in the range"),
    ],
)
def test_what_folds_cannot_do_is_refused(searched: Path, data_dir: Path, options: tuple[str, ...], words: str) -> None:
    data = str(data_dir / "ucr_small" / "ItalyPowerDemand.npz")
    done = nas_here("search", "--data", data, "--out", "refused", *options, cwd=searched)
    assert done.returncode == 2
    assert words in done.stderr
    assert not (searched / "refused").exists()
