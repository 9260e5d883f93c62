"""``nas data``: the same facts as text, as JSON and on a page; and what ``nas search`` refuses."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from browser import Browser
from click.testing import CliRunner, Result
from data_files import opened, random_images, random_recordings, tone, write_wav
from html_tags import Tags
from PIL import Image

from nas.cli import cli

Unpack = Callable[[str], Path]


def nas(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), prog_name="nas")


def test_text_and_json_tell_the_same(unpacked: Unpack) -> None:
    path = str(unpacked("har_csv_folder"))
    text, about = nas("data", path).output, json.loads(nas("data", path, "--json").output)
    assert about["examples"] == 1296
    assert {c["name"]: c["test"] for c in about["classes"]}["WALKING"] == 59
    assert about["groups"] == {"kind": "user", "count": 4}
    assert about["rate"] == 50
    assert len(about["normalization"]["scale"]) == len(about["channels"]) == 6
    for words in ("time series", "1x128x6", "50 Hz", "4 by user", "by user: 30%", "WALKING_UPSTAIRS", "1,296"):
        assert words in text


def test_a_page_of_images_shows_their_pixels(tmp_path: Path) -> None:
    random_images(tmp_path / "data", ["<script>alert(1)</script>"[:8], "a & b"], count=3)
    assert nas("data", str(tmp_path / "data"), "--html", str(tmp_path / "page.html")).exit_code == 0
    page = (tmp_path / "page.html").read_text()
    tags = Tags(page)
    assert tags.seen.count("figure") == tags.seen.count("img") == len(tags.sources)
    assert "script" not in tags.seen
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1])))) for source in tags.sources]
    stored = {image.tobytes() for image in opened(tmp_path / "data").data.values.reshape(-1, 8, 8)}
    assert {image.tobytes() for image in shown} <= stored


@pytest.mark.parametrize("name", ["har_csv_folder", "fsdd"])
def test_a_page_needs_nothing_else_and_suits_light_and_dark(unpacked: Unpack, tmp_path: Path, name: str) -> None:
    result = nas("data", str(unpacked(name)), "--html", str(tmp_path / "page.html"))
    assert result.exit_code == 0, result.output
    page = (tmp_path / "page.html").read_text()
    tags = Tags(page)
    classes = len(opened(unpacked(name)).data.classes)
    assert tags.seen.count("figure") == 4 * classes
    assert (
        tags.seen.count("polyline" if name == "har_csv_folder" else "polygon") == (24 if name == "har_csv_folder" else 4) * classes
    )
    assert not tags.sources
    assert "@import" not in page
    assert "url(" not in page
    assert "prefers-color-scheme: dark" in page
    for x, y in re.findall(r"([-\d.]+),([-\d.]+)", " ".join(re.findall(r'points="([^"]*)"', page))):
        assert -1 <= float(x) <= 221
        assert -1 <= float(y) <= 81


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1400])
def test_a_page_fits_its_window(browser: Browser, tmp_path: Path, width: int) -> None:
    random_images(tmp_path / "data", ["cat", "a class of a long name"])
    assert nas("data", str(tmp_path / "data"), "--html", str(tmp_path / "page.html")).exit_code == 0
    browser.open(tmp_path / "page.html", width=width)
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert browser.complaints == []


def test_bad_pages_and_paths_are_one_line(tmp_path: Path) -> None:
    random_images(tmp_path / "data", ["cat", "dog"])
    for arguments, words in (
        (["data", "none"], "none: no such file or folder"),
        (["data", str(tmp_path / "data"), "--html", str(tmp_path / "no" / "page.html")], "there is no folder"),
        (["data", str(tmp_path / "data"), "--format", "pictures"], "no such format"),
        (["search", "--data", "none"], "--data none: no such file or folder"),
        (["search", "--data", str(tmp_path / "data"), "--window", "0"], "--window"),
        (["search", "--data", str(tmp_path / "data"), "--window", "9"], "no recordings to cut"),
    ):
        result = nas(*arguments)
        assert result.exit_code == 2
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_what_cannot_be_searched_yet_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("low", "high"):
        for i in range(10):
            write_wav(tmp_path / "sounds" / name / f"{i}.wav", tone(400, 200 + len(name) * 100 + i))
    result = nas("search", "--data", str(tmp_path / "sounds"), "--out", "run")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "sounds of 50 ms are too short for spectrograms; '--window 4000' takes half a second" in result.stderr
    assert nas("data", str(tmp_path / "sounds")).exit_code == 0
    assert not (tmp_path / "run").exists()


def test_a_metric_that_the_data_has_no_use_for_says_so(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for data, metric, words in (
        ("digits", "auroc", "choose one of accuracy, balanced_accuracy, macro_f1 for digits"),
        (str(data_dir / "skab_valve"), "macro_f1", "trains on 'normal' alone, choose auroc"),
    ):
        result = nas("search", "--data", data, "--metric", metric, "--out", "run")
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert f"--metric {metric}: " in result.stderr
        assert words in result.stderr
    assert not (tmp_path / "run").exists()


def test_the_command_reads_text_without_loading_torch(tmp_path: Path) -> None:
    random_recordings(tmp_path, ["still", "moving"])
    code = "import sys; from nas.cli import cli; cli.main(['data', sys.argv[1]], standalone_mode=False)\n"
    code += "print([m for m in ('torch', 'tvm', 'ray', 'optuna') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
