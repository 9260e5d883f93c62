"""A search for networks with weights of four bits, end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import nas, nas_here, read

from codegen.graph_file import load
from nas.files import read_toml
from nas.study.options import check_choices
from nas.units import parse_size

CONFIG = """
format = 1

[search]
budget = "6KB"
flash = "16KB"
trials = 4
finalists = 1
baselines = false
workers = 1
weight_bits = 4

[screening]
epochs = 1

[finishing]
epochs = 2

[quantization]
epochs = 1
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a finished run."""
    folder = tmp_path_factory.mktemp("bits")
    (folder / "small.toml").write_text(CONFIG)
    done = nas("search", "--config", "small.toml", "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "weights of wide layers have 4 bits" in done.stdout
    return folder


@pytest.mark.slow
def test_the_winner_keeps_its_promise_with_packed_weights(searched: Path) -> None:
    report, winner = read(searched / "run" / "report.json"), searched / "run" / "winner"
    assert read_toml(searched / "run" / "search.toml")["search"]["weight_bits"] == report["weight_bits"] == 4
    graph = load(searched / "run" / "finalists" / f"{report['winner']['trial']['architecture']}.safetensors")
    assert any(t.dtype == "int4" for t in graph.tensors.values())
    assert "_unpack_int4(packed, " in next((winner / "src").glob("*_kernels.c")).read_text()
    built, predicted = report["winner"]["built"], report["winner"]["predicted"]
    assert built["bit_exact"]
    assert built["ram"]["total"] <= predicted["ram"]["total"] <= parse_size("6KB")
    assert predicted["flash"]["low"] <= built["flash"]["total"] <= predicted["flash"]["high"] <= parse_size("16KB")
    page = nas_here("report", "run", cwd=searched)
    assert page.returncode == 0, page.stderr
    assert "fine-tuned to 4 bits" in next((searched / "run").glob("*.html")).read_text()


@pytest.mark.slow
def test_other_commands_know_the_bits(searched: Path) -> None:
    report = read(searched / "run" / "report.json")
    number = report["winner"]["trial"]["number"]
    other = next(n for n in range(4) if n != number)
    for trial in (number, other):
        exported = nas_here("export", f"run:{trial}", "--out", f"project{trial}", "--force", cwd=searched)
        assert exported.returncode == 0, exported.stderr
    built = read(searched / f"project{number}" / "report.json")["built"]
    assert built["flash"]["total"] == report["winner"]["built"]["flash"]["total"]
    predicted = nas_here("predict", f"run:{number}", "--json", cwd=searched)
    assert predicted.returncode == 0, predicted.stderr
    assert read(searched / f"project{number}" / "report.json")["predicted"]["flash"]["low"] <= built["flash"]["total"]
    for ending in ("tflite", "onnx"):
        written = nas_here("export", f"run:{number}", "--out", f"network.{ending}", cwd=searched)
        assert written.returncode == 0, written.stderr


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_alike(searched: Path) -> None:
    run = searched / "run"
    before = {path: path.read_bytes() for path in (run / "winner" / "src").glob("*.c")}
    expected = np.load(run / "verification" / "expected.npy")
    (run / "report.json").unlink()
    for path in (run / "finalists").iterdir():
        path.unlink()
    resumed = nas_here("resume", "run", cwd=searched)
    assert resumed.returncode == 0, resumed.stderr
    assert {path: path.read_bytes() for path in (run / "winner" / "src").glob("*.c")} == before
    assert np.array_equal(np.load(run / "verification" / "expected.npy"), expected)


@pytest.mark.parametrize("bits", ["5", "two"])
def test_other_numbers_of_bits_are_refused(bits: str, tmp_path: Path) -> None:
    refused = nas_here("search", "--weight-bits", bits, cwd=tmp_path)
    assert refused.returncode == 2
    assert f"'--weight-bits': {bits}: give 8 or 4" in refused.stderr
    (tmp_path / "c.toml").write_text(f"format = 1\n[search]\nweight_bits = {bits!r}\n")
    refused = nas_here("search", "--config", "c.toml", cwd=tmp_path)
    assert refused.returncode == 2
    assert "give 8 or 4" in refused.stderr
    assert not list(tmp_path.glob("runs*"))
    with pytest.raises(Exception, match="give 8 or 4"):
        check_choices({"weight_bits": bits})
