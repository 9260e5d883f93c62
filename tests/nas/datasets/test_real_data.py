"""The readers on real data: counts as its authors state them, values as other programs read them, parts that share no person."""

from __future__ import annotations

import re
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_files import opened, reasons

from nas.datasets import Reading, load_test, load_train, split_validation
from nas.datasets.collection import Collection
from nas.datasets.decoded import TEST, TRAIN, VALIDATION
from nas.datasets.description import proposed_parts

Unpack = Callable[[str], Path]


def counts(collection: Collection) -> list[int]:
    return np.bincount(collection.parts, minlength=3).tolist()


def people(collection: Collection, part: int) -> set[str]:
    groups = collection.groups
    assert groups is not None
    parts, _ = proposed_parts(collection)
    return {groups.names[i] for i in groups.of[parts == part]}


@pytest.mark.parametrize(
    ("name", "kind", "shape", "parts", "classes"),
    [
        ("har_smartphone_hapt", "series", (1, 128, 6), [7415, 0, 2996], 6),
        ("fashion_mnist_15k", "image", (28, 28, 1), [15000, 0, 3000], 10),
        ("ecg_mitbih", "series", (1, 128, 1), [50994, 0, 49685], 4),
        ("skab_valve", "series", (1, 60, 8), [2095, 0, 2195], 2),
        ("ucr_small/GunPoint.npz", "series", (1, 150, 1), [50, 0, 150], 2),
        ("ucr_small/JapaneseVowels.npz", "series", (1, 25, 12), [270, 0, 370], 9),
    ],
)
def test_arrays(data_dir: Path, name: str, kind: str, shape: tuple[int, ...], parts: list[int], classes: int) -> None:
    found = opened(data_dir / name)
    assert (found.format, found.data.facts.kind, found.input_shape) == ("npz", kind, shape)
    assert (counts(found), len(found.data.classes)) == (parts, classes)
    assert not found.data.skipped


def test_arrays_are_what_numpy_loads_and_normalized_by_their_train_part(data_dir: Path) -> None:
    stored = np.load(data_dir / "har_smartphone_hapt" / "hapt_har6.npz")
    path = str(data_dir / "har_smartphone_hapt")
    train, test = load_train(path), load_test(path)
    assert train.stored.dtype == np.int16
    assert np.array_equal(train.stored[:, 0], stored["x_train"])
    assert np.array_equal(test.stored[:, 0], stored["x_test"])
    assert np.array_equal(test.y, stored["y_test"])
    assert (train.rate, train.channels) == (50.0, tuple(stored["channel_names"]))
    assert np.abs(train.x.mean((0, 1, 2))).max() < 1e-3
    assert np.abs(train.x.std((0, 1, 2)) - 1).max() < 1e-3
    assert train.normalization is not None
    assert test.normalization is not None
    assert np.array_equal(train.normalization.scale, test.normalization.scale)
    assert np.allclose(train.normalization.offset, stored["x_train"].mean((0, 1)), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(("name", "kind"), [("har_smartphone_hapt", "subject"), ("ecg_mitbih", "record"), ("skab_valve", "file")])
def test_groups_of_arrays_are_not_torn_apart(data_dir: Path, name: str, kind: str) -> None:
    found = opened(data_dir / name)
    assert found.groups is not None
    assert found.groups.kind == kind
    assert people(found, TRAIN)
    assert people(found, VALIDATION)
    assert not people(found, TRAIN) & people(found, VALIDATION)
    data = load_train(str(data_dir / name))
    if data.task == "classification":
        train, validation = split_validation(data, 0.2, 3)
        assert train.groups is not None
        assert validation.groups is not None
        assert not set(train.groups.of) & set(validation.groups.of)
        assert set(train.y) == set(validation.y) == set(range(len(data.classes)))


def test_heartbeats_are_called_very_unbalanced(data_dir: Path) -> None:
    from nas.datasets.description import describe

    about = describe(opened(data_dir / "ecg_mitbih"))
    assert [c["test"] for c in about["classes"]] == [44240, 1837, 3220, 388]
    assert any("very unbalanced" in problem for problem in about["problems"])


def test_a_train_part_of_normal_data_means_anomaly_detection(data_dir: Path) -> None:
    assert opened(data_dir / "skab_valve").task == "anomaly detection"


def test_raw_experiments_take_their_labels_from_the_column(unpacked: Unpack) -> None:
    found = opened(unpacked("skab_valve"))
    assert (found.format, found.data.classes, found.data.facts.rate) == ("recordings", ("0", "1"), 1.0)
    assert len(found.data.facts.channels) == 8
    assert not {"anomaly", "changepoint", "datetime"} & set(found.data.facts.channels)
    assert reasons(found) == {"has no column of labels": ["anomaly-free/anomaly-free.csv"]}
    assert any("'anomaly'" in note for note in found.data.notes)
    lines = labelled = 0
    for path in unpacked("skab_valve").rglob("*.csv"):
        rows = path.read_text().splitlines()
        if rows[0].endswith("anomaly;changepoint"):
            lines += len(rows) - 1
            labelled += sum(row.split(";")[-2] == "1.0" for row in rows[1:])
    assert found.data.lengths.sum() == lines
    assert found.data.lengths[found.data.labels == 1].sum() == labelled == 13067


def test_csv_recordings_give_the_windows_of_the_published_arrays(unpacked: Unpack, data_dir: Path) -> None:
    found = opened(unpacked("har_csv_folder"))
    assert (found.format, found.input_shape, found.data.facts.rate) == ("recordings", (1, 128, 6), 50.0)
    assert len(found.data) == 118
    assert found.data.lengths.sum() == 94658
    stored = np.load(data_dir / "har_smartphone_hapt" / "hapt_har6.npz")
    scale = stored["channel_scale"]
    for part, name, subjects in ((TRAIN, "train", (1, 3, 5)), (TEST, "test", (2,))):
        own = np.isin(stored[f"subject_{name}"], subjects)
        published = {}
        for window, label in zip(stored[f"x_{name}"][own], stored[f"y_{name}"][own], strict=True):
            published[(window[:8] * scale).round(5).astype(np.float32).tobytes()] = (window * scale, stored["class_names"][label])
        indices = np.flatnonzero(found.parts == part)
        assert len(indices) == own.sum()
        for index, window in zip(indices, found.windows.gather(found.data, indices), strict=True):
            values, label = published[window[:8].tobytes()]
            assert np.abs(window - values).max() < 6e-6
            assert found.data.classes[found.y[index]] == label


def test_spoken_digits(unpacked: Unpack) -> None:
    folder = unpacked("fsdd")
    found = opened(folder)
    assert (found.data.facts.kind, found.data.facts.rate, found.data.classes) == ("audio", 8000.0, tuple("0123456789"))
    assert counts(found) == [2700, 0, 300]
    assert found.data.group_names == ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
    listed = set((folder / "testing_list.txt").read_text().split())
    assert {found.data.names[i] for i in np.flatnonzero(found.parts == TEST)} == listed
    for index in range(0, 3000, 100):
        with wave.open(str(folder / found.data.names[index])) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        assert np.array_equal(found.data.example(index)[:, 0], samples)
        assert found.data.classes[found.data.labels[index]] == found.data.names[index].split("_")[0][-1]


def test_without_a_list_speakers_are_kept_apart(unpacked: Unpack, tmp_path: Path) -> None:
    for digit in "0123456789":
        (tmp_path / digit).symlink_to(unpacked("fsdd") / digit)
    found = opened(tmp_path)
    assert counts(found) == [2500, 0, 500]
    parts = [people(found, part) for part in (TRAIN, VALIDATION, TEST)]
    assert sum(map(len, parts)) == 6
    assert parts[2]
    assert "1 of 6 name parts" in found.split


def test_speech_commands_keep_their_lists_and_speakers(unpacked: Unpack) -> None:
    found = opened(unpacked("kws_speech_commands"))
    assert counts(found) == [1680, 240, 480]
    assert found.input_shape == (1, 16000, 1)
    speakers = [{s for s in people(found, part) if re.fullmatch("[0-9a-f]{8}", s)} for part in (TRAIN, VALIDATION, TEST)]
    assert not speakers[0] & speakers[1]
    assert not speakers[0] & speakers[2]
    assert not speakers[1] & speakers[2]
    train = load_train(str(unpacked("kws_speech_commands")))
    assert train.validation is not None
    assert [len(part) for part in split_validation(train, 0.2, 5)] == [1680, 240]


@pytest.mark.slow
def test_png_folders_hold_the_pixels_of_the_published_arrays(unpacked: Unpack, data_dir: Path) -> None:
    found = opened(unpacked("cifar10_png_folder"))
    assert counts(found) == [600, 0, 200]
    assert found.data.values.dtype == np.uint8
    stored = np.load(data_dir / "cifar10" / "cifar10_20k5k.npz")
    for part, name in ((TRAIN, "train"), (TEST, "test")):
        labels = {
            image.tobytes(): stored["class_names"][y] for image, y in zip(stored[f"x_{name}"], stored[f"y_{name}"], strict=True)
        }
        for index in np.flatnonzero(found.parts == part):
            image = found.windows.gather(found.data, np.array([index]))[0]
            assert labels[image.tobytes()] == found.data.classes[found.y[index]]


def test_ts_and_tsv_give_what_the_arrays_give(data_dir: Path, tmp_path: Path) -> None:
    stored = np.load(data_dir / "ucr_small" / "BasicMotions.npz")
    names = stored["class_names"]
    for part in ("train", "test"):
        lines = ["# motion", "@problemName BasicMotions", "@timestamps false", f"@classLabel true {' '.join(names)}", "@data"]
        for x, y in zip(stored[f"x_{part}"], stored[f"y_{part}"], strict=True):
            lines.append(":".join(",".join(map(repr, channel.tolist())) for channel in x.T) + f":{names[y]}")
        (tmp_path / f"BasicMotions_{part.upper()}.ts").write_text("\n".join(lines))
    for path in (tmp_path, tmp_path / "BasicMotions_TRAIN.ts"):
        found = opened(path)
        assert (found.format, found.data.classes, counts(found)) == ("ucr", tuple(names), [40, 0, 40])
        assert np.array_equal(load_test(str(path), Reading()).stored[:, 0], stored["x_test"])
    stored = np.load(data_dir / "ucr_small" / "GunPoint.npz")
    for part in ("train", "test"):
        rows = [
            f"{y + 1}\t" + "\t".join(map(repr, x[:, 0].tolist()))
            for x, y in zip(stored[f"x_{part}"], stored[f"y_{part}"], strict=True)
        ]
        (tmp_path / f"GunPoint_{part.upper()}.tsv").write_text("\n".join(rows))
    train = load_train(str(tmp_path / "GunPoint_TRAIN.tsv"))
    assert np.array_equal(train.stored[:, 0], stored["x_train"])
    assert np.array_equal(train.y, stored["y_train"])


def test_a_table_with_a_label_column(tmp_path: Path) -> None:
    from sklearn.datasets import load_iris

    iris = load_iris()
    rows = [",".join(map(str, x)) + f",{iris.target_names[y]}" for x, y in zip(iris.data, iris.target, strict=True)]
    for text in ("\n".join(rows), "\n".join(["sepal length,sepal width,petal length,petal width,species", *rows])):
        (tmp_path / "iris.csv").write_text(text)
        found = opened(tmp_path / "iris.csv")
        assert (found.format, found.data.facts.kind, found.input_shape) == ("table", "vector", (1, 1, 4))
        assert found.data.classes == ("setosa", "versicolor", "virginica")
        assert np.allclose(found.data.values, iris.data)
        assert np.array_equal(found.data.labels, iris.target)
        from nas.datasets import collection

        collection._open.cache_clear()
