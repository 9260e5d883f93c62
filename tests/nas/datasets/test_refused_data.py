"""What cannot be read or used is refused: one clear line that says where and what is wrong, and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import opened, random_images, random_recordings, tones, write_csv

from codegen.errors import UserError
from nas.datasets import Reading, listing
from nas.datasets.decoded import Writer
from nas.datasets.listing import list_files
from nas.datasets.readers import find_reader

Make = Callable[[Path], object]
"""Puts what is refused into a folder, or says where it is."""


def arrays(**named: Any) -> Make:
    """An archive of arrays."""

    def make(folder: Path) -> Path:
        np.savez(folder / "data.npz", **named)
        return folder / "data.npz"

    return make


def changed_arrays(change: Callable[[bytes], bytes]) -> Make:
    """An archive of arrays whose bytes are not what they were."""

    def make(folder: Path) -> Path:
        path = folder / "data.npz"
        np.savez_compressed(path, x=np.random.default_rng(0).random((50, 8)), y=np.arange(50) % 2)
        path.write_bytes(change(path.read_bytes()))
        return path

    return make


def series(text: str) -> Make:
    """A .ts file."""

    def make(folder: Path) -> Path:
        (folder / "a.ts").write_text(text)
        return folder / "a.ts"

    return make


def unlabelled(folder: Path) -> Path:
    """A table without a column of labels."""
    write_csv(folder / "bare.csv", ["width", "height"], [[i * 0.5, i * 1.25] for i in range(40)])
    return folder / "bare.csv"


def images(folder: Path) -> None:
    random_images(folder, ["a", "b"])


@pytest.mark.parametrize(
    ("make", "reading", "words"),
    [
        (lambda p: p / "none", {}, "none: no such file or folder"),
        (lambda p: Path("/dev/null"), {}, "/dev/null: neither a file nor a folder"),
        (lambda p: None, {}, "the folder is empty"),
        (lambda p: (p / "a.txt").write_text("a"), {}, "nothing in it is an image"),
        (lambda p: (p / "a.tar.xz").write_text("a"), {}, "archives are not read; unpack a.tar.xz"),
        (lambda p: (images(p), tones(p)), {}, "'images'.*'audio'; choose with --format|'audio'.*'images'; choose"),
        (images, {"format": "picture"}, "--format picture: no such format; one of images"),
        (images, {"format": "audio"}, "no .wav or .wave file for --format audio"),
        (images, {"size": "big"}, "--size big: write height x width"),
        (images, {"window": 8}, "--window 8: .* holds no recordings to cut"),
        (images, {"kind": "smell"}, "--kind smell: no such kind"),
        (lambda p: random_recordings(p, ["a", "b"]), {"window": 1000}, "--window 1000: no recording .* the longest has 300"),
        (
            lambda p: [np.savez(p / f"{n}.npz", x=np.zeros(3)) for n in "ab"],
            {},
            "holds 2 .npz files; give the path of one: a.npz, b.npz",
        ),
        (unlabelled, {}, "/bare.csv: no column of labels"),
        (series("@problemName a\n@timeStamps true\n@classLabel true 1 2\n@data\n(0,1):1\n"), {}, "time stamps are not read"),
        (series("@problemName a\n@classLabel false\n@data\n1,2,3\n"), {}, "has no classes"),
        (series("@problemName a\n@classLabel true 1 2\n@data\n"), {}, "no series in it"),
        (series(""), {}, "empty file"),
        (arrays(x_train=np.zeros((4, 8))), {}, "/data.npz: needs arrays x_train and y_train"),
        (arrays(x=np.zeros((4, 8)), y=np.zeros(3, int)), {}, r"/data.npz: y has the shape \(3,\), should be \(4,\)"),
        (
            arrays(x=np.zeros((2, 8)), y=np.array([0, 5]), class_names=np.array(["a", "b"])),
            {},
            "/data.npz: y holds 5, class_names has 2 names",
        ),
        (arrays(x=np.zeros((2, 8)), y=np.array([0, -1]), class_names=np.array(["a", "b"])), {}, "/data.npz: y holds -1"),
        (arrays(x=np.array(["a", "b"]), y=np.zeros(2, int)), {}, "/data.npz: x holds <U1, should hold numbers"),
        (arrays(x=np.zeros((2, 3, 4, 5, 6)), y=np.zeros(2, int)), {}, "/data.npz: x has the shape .*, which is no vector"),
        (arrays(x=np.zeros((0, 3)), y=np.zeros(0, int)), {}, "/data.npz: x is empty"),
        (arrays(x=np.full((2, 3), np.nan), y=np.arange(2)), {}, "/data.npz: none of its examples can be read"),
        (arrays(x=np.array([{}, []], object), y=np.arange(2)), {}, "/data.npz: damaged, or holds objects"),
        (changed_arrays(lambda whole: whole[:-100]), {}, "/data.npz: damaged, or holds objects"),
        (changed_arrays(lambda whole: whole[:200] + b"0123456789" + whole[210:]), {}, "/data.npz: damaged, or holds objects"),
        (changed_arrays(lambda whole: b"no archive"), {}, "/data.npz: damaged, or holds objects"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, make: Make, reading: dict[str, object], words: str) -> None:
    path = make(tmp_path)
    with pytest.raises(UserError, match=words) as raised:
        opened(path if isinstance(path, Path) else tmp_path, **reading)
    assert "\n" not in str(raised.value)


def test_too_many_files_are_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random_images(tmp_path, ["cat", "dog"])
    monkeypatch.setattr(listing, "MOST_FILES", 10)
    with pytest.raises(UserError, match=f"{tmp_path}: holds more than 10 files"):
        opened(tmp_path)


@pytest.mark.parametrize("make", [random_images, random_recordings, lambda folder, _: tones(folder)])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, cache: Path, make: Callable[[Path, list[str]], None]) -> None:
    data = tmp_path / "data"
    make(data, ["low", "high"])
    reader = find_reader(list_files(data), Reading())
    reader.digest()
    changed = next(data.rglob("high/*"))
    changed.write_bytes(changed.read_bytes() + b"\n")
    (tmp_path / "entry").mkdir()
    writer = Writer(tmp_path / "entry")
    with pytest.raises(UserError, match=f"{changed}: changed while it was read"):
        reader.decode(writer)
    writer.close()


def test_nothing_is_left_in_the_cache_by_a_failure(tmp_path: Path, cache: Path) -> None:
    for i in range(3):
        (tmp_path / "cat").mkdir(exist_ok=True)
        (tmp_path / "cat" / f"{i}.png").write_text(f"no image {i}")
    with pytest.raises(UserError, match="no readable PNG or JPEG image"):
        opened(tmp_path)
    assert not [entry for entry in (cache / "data").iterdir() if entry.is_dir()]
