"""The examples do what they say, on real data. Gestures and anomaly detection are run in ``tests/nas/test_search_data.py``, which
looks at what they make."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import EXAMPLES, example, read

Unpack = Callable[[str], Path]
WORDS = ("_silence_", "no", "yes")
EACH = 60


@pytest.mark.slow
def test_keywords_are_spotted(tmp_path: Path, unpacked: Unpack) -> None:
    source = unpacked("kws_speech_commands")
    for word in WORDS:
        (tmp_path / "speech_commands" / word).mkdir(parents=True)
        for path in sorted((source / word).iterdir())[:EACH]:
            shutil.copy(path, tmp_path / "speech_commands" / word)
    for path in source.glob("*_list.txt"):
        shutil.copy(path, tmp_path / "speech_commands")
    done = example("keyword_spotting", "--trials", "2", "--epochs", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    heard = done.stdout.split("what the built program hears:\n")[1].splitlines()
    assert len(heard) == len(WORDS)
    for line, word in zip(heard, WORDS, strict=True):
        file, answer = line.split(": ")
        assert Path(file).parent.name == word
        assert answer in WORDS
    report = read(tmp_path / "runs" / "speech_commands-1" / "report.json")
    built = report["winner"]["built"]
    assert built["bit_exact"]
    assert built["ram"]["total"] <= 32 * 1024
    assert built["layers"][0]["name"] == "features"
    assert report["data"]["classes"] == list(WORDS)


@pytest.mark.slow
def test_a_network_of_ones_own_is_exported(tmp_path: Path) -> None:
    done = example("own_network", "--board", "nucleo-f446re", "--epochs", "3", "--out", "own", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "297 test images: equal to the reference to the bit" in done.stdout
    report = read(tmp_path / "own" / "report.json")
    assert report["agreement"]["sqnr_db"] > 20
    assert report["agreement"]["same_answer"] > 0.95
    assert report["limits"]["ram"] == 4096
    assert (report["built"]["bit_exact"], report["built"]["board"]) == (True, "nucleo-f446re")


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_help_says_what_there_is_to_choose(name: str, tmp_path: Path) -> None:
    done = example(name, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {"--board", "--budget", "--epochs", "--out"} <= set(done.stdout.replace("]", " ").split())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("keyword_spotting", "get Speech Commands: mkdir"),
        ("gestures", "record some: a folder per class"),
        ("anomaly_detection", "put CSV"),
    ],
)
def test_data_that_is_not_there_is_asked_for_in_a_line(name: str, words: str, tmp_path: Path) -> None:
    done = example(name, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
    assert not any(tmp_path.iterdir())
