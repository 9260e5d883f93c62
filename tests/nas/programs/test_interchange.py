"""``nas export`` to files for other tools."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import graphs
import pytest
from click.testing import CliRunner, Result
from exported import computed, required_package

from codegen.exporters.tflite import export_tflite
from codegen.importers.tflite import import_tflite
from nas.cli import cli

Nas = Callable[..., Result]


@pytest.fixture
def nas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nas:
    """Runs the command line in a directory with a network ``small.tflite``."""
    required_package("onnx")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.tflite").write_bytes(export_tflite(graphs.separable()))
    return lambda *arguments: CliRunner().invoke(cli, ["export", "small.tflite", *arguments], prog_name="nas")


def test_the_ending_of_the_name_is_the_format(nas: Nas, tmp_path: Path) -> None:
    result = nas("--out", "again.tflite")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "again.tflite").read_bytes() == (tmp_path / "small.tflite").read_bytes()
    size = (tmp_path / "again.tflite").stat().st_size
    assert result.output.splitlines()[0] == f"9 operators, {size:,} bytes"
    assert "input   input0: int8 1x8x8x1, scale 0.04, zero point " in result.output
    assert "int8 1x10, scale 0.00390625, zero point -128\nwritten to again.tflite\n" in result.output
    result = nas("--out", "small.onnx")
    assert result.exit_code == 0, result.output
    assert "input   input0: float32 1x8x8x1, scale 0.04" in result.output


def test_a_given_format_needs_no_ending(nas: Nas, tmp_path: Path) -> None:
    about = json.loads(nas("--out", "plain", "--format", "tflite", "--json").output)
    graph = import_tflite(tmp_path / "small.tflite")
    (tmp_path / "plain").rename(tmp_path / "plain.tflite")
    assert computed(import_tflite(tmp_path / "plain.tflite")) == computed(graph)
    source = graph[graph.inputs[0]]
    expected = {"name": "input0", "shape": [1, 8, 8, 1], "dtype": "int8", "scale": source.scale, "zero_point": source.zero_point}
    assert about["inputs"] == [expected]
    assert (about["format"], about["operators"], about["features"]) == ("tflite", 9, False)
    assert about["bytes"] == (tmp_path / "plain.tflite").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "a.onnx", "--format", "tflite"], ["--out a.onnx", ".onnx", "--format is tflite"]),
        (["--out", "a.onnx", "--board", "rpi-pico"], ["--board is for a C project", ".onnx", "leave it out"]),
        (["--out", "a.tflite", "--budget", "8KB"], ["--budget is for a C project"]),
        (["--out", "a.tflite", "--tune"], ["--tune is for a C project"]),
        (["--out", "small.tflite"], ["--out small.tflite", "there is a file of that name"]),
        (["--out", "folder", "--format", "onnx"], ["--out folder", "there is a directory of that name"]),
        (["--out", "none/a.onnx"], ["--out none/a.onnx", "there is no folder"]),
        (["--out", "small.tflite/a.onnx"], ["--out small.tflite/a.onnx", "is not a directory"]),
        (["--out", "a", "--format", "pb"], ["--format", "'pb'", "onnx"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(nas: Nas, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    (tmp_path / "folder").mkdir()
    before = (tmp_path / "small.tflite").read_bytes()
    fails(nas(*arguments), *words)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "small.tflite"]
    assert (tmp_path / "small.tflite").read_bytes() == before


def test_what_a_format_needs_is_named_before_any_work(nas: Nas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    fails(nas("--out", "a.onnx"), "pip install 'mcu-nas[interchange]'")
    assert [p.name for p in tmp_path.iterdir()] == ["small.tflite"]


def test_a_float_border_is_left_out(nas: Nas, shared_dir: Path, tmp_path: Path) -> None:
    source = shared_dir / "models" / "mcunet_vww" / "model.tflite"
    result = CliRunner().invoke(cli, ["export", str(source), "--out", "core.tflite"], prog_name="nas")
    assert result.exit_code == 0, result.output
    graph = import_tflite(tmp_path / "core.tflite")
    whole = import_tflite(source)
    assert computed(replace(graph, inputs=(), outputs=()))[0] == computed(replace(whole, inputs=(), outputs=()))[0][1:-1]


def fails(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("nas: ")
    assert result.stderr.count("\n") == 1, result.stderr
    for word in words:
        assert word in result.stderr
