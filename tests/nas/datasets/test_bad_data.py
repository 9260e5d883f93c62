"""Bad input: a clear report of what was left out or changed; never a crash, never silently wrong labels."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from data_files import opened, random_images, random_recordings, reasons, tone, tones, write_csv, write_image, write_wav
from PIL import Image

from codegen.errors import UserError
from nas.datasets import load_train
from nas.datasets.decoded import TEST
from nas.datasets.description import describe


def test_an_empty_class_is_left_out_and_said_so(tmp_path: Path) -> None:
    random_images(tmp_path, ["cat", "dog"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "read me.txt").write_text("not an image")
    found = opened(tmp_path)
    assert found.data.classes == ("cat", "dog")
    assert "class folder 'empty' holds no images; it is left out" in found.data.notes
    assert "class folder 'notes' holds no images; it is left out" in found.data.notes


def test_a_class_that_the_train_part_lacks_is_no_class_to_search(tmp_path: Path) -> None:
    random_images(tmp_path / "train", ["cat", "dog"])
    random_images(tmp_path / "test", ["cat", "dog", "fox"], seed=1)
    (tmp_path / "train" / "fox").mkdir()
    found = opened(tmp_path)
    assert "class folder 'train/fox' holds no images; it is left out" not in found.data.notes
    assert "the train part has no example of fox" in describe(found)["problems"]
    with pytest.raises(UserError, match="no example of fox"):
        load_train(str(tmp_path))


def test_one_class_only(tmp_path: Path) -> None:
    random_images(tmp_path / "data", ["cat"])
    assert any("one class only (cat)" in problem for problem in describe(opened(tmp_path / "data"))["problems"])
    with pytest.raises(UserError, match=r"one class only \(cat\)"):
        load_train(str(tmp_path / "data"))
    with pytest.raises(UserError, match=f"one class only .data.; .*give {tmp_path}/data$"):
        load_train(str(tmp_path))


def test_a_class_too_small_to_be_tested_is_refused_before_a_search(tmp_path: Path) -> None:
    random_images(tmp_path, ["cat", "dog"], count=20)
    random_images(tmp_path, ["fox"], count=1, seed=1)
    assert "there is no test part" in describe(opened(tmp_path))["problems"]
    with pytest.raises(UserError, match=r"fox has 1 example\(s\), too few to set any aside for testing"):
        load_train(str(tmp_path))


def test_a_file_of_more_than_memory_is_left_out(tmp_path: Path) -> None:
    tones(tmp_path)
    with (tmp_path / "low" / "huge.wav").open("wb") as file:
        file.truncate(2**30 + 1)
    assert reasons(opened(tmp_path)) == {"cannot be read (File too large)": ["low/huge.wav"]}


def test_lines_without_a_label_are_counted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        rows = [[i / 50, len(name) + i, "" if i >= 90 else ("walk", "run")[i // 45]] for i in range(100)]
        write_csv(tmp_path / f"{name}.csv", ["time_s", "x", "label"], [[*row[:2], f"{row[2]}"] for row in rows])
        (tmp_path / f"{name}.csv").write_text((tmp_path / f"{name}.csv").read_text() + f"2.5,{ord(name)},walk\n")
    found = opened(tmp_path)
    assert found.data.classes == ("run", "walk")
    assert "20 lines without a label are left out" in found.data.notes
    assert found.data.lengths.tolist() == [45, 45, 1] * 2


def test_columns_of_one_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for i in range(3):
            write_csv(tmp_path / name / f"{i}.csv", ["time_s", "x", "x"], [[j / 50, j, 10 * ord(name) + i] for j in range(60)])
    found = opened(tmp_path)
    assert (found.data.facts.channels, len(found.data)) == (("x", "x"), 6)


def test_unreadable_and_damaged_images(tmp_path: Path) -> None:
    random_images(tmp_path, ["cat", "dog"])
    whole = (tmp_path / "cat" / "000.png").read_bytes()
    (tmp_path / "cat" / "zero.png").touch()
    (tmp_path / "cat" / "text.png").write_text("no image")
    (tmp_path / "cat" / "torn.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "dog" / "memory.png").symlink_to("/proc/self/mem")
    (tmp_path / "dog" / "gone.png").symlink_to("nowhere.png")
    huge = bytearray(whole)
    huge[16:24] = (200_000).to_bytes(4, "big") * 2
    (tmp_path / "dog" / "huge.jpg").write_bytes(huge)
    found = opened(tmp_path)
    left_out = {name for names in reasons(found).values() for name in names}
    expected = {"cat/zero.png", "cat/text.png", "cat/torn.png", "dog/gone.png", "dog/huge.jpg"}
    assert left_out - {"dog/memory.png"} == expected
    assert reasons(found)["empty file"] == ["cat/zero.png"]
    assert reasons(found)["a broken symbolic link"] == ["dog/gone.png"]
    if sys.platform == "linux":
        assert "dog/memory.png" in left_out
    assert len(found.data) == 12


def test_unreadable_and_damaged_sounds(tmp_path: Path) -> None:
    tones(tmp_path)
    whole = (tmp_path / "low" / "0.wav").read_bytes()
    (tmp_path / "low" / "zero.wav").touch()
    (tmp_path / "low" / "text.wav").write_text("no sound")
    (tmp_path / "low" / "torn.wav").write_bytes(whole[:500])
    (tmp_path / "low" / "header.wav").write_bytes(whole[:26])
    write_wav(tmp_path / "low" / "silent.wav", np.zeros(0))
    coded = bytearray(whole)
    coded[20:22] = (17).to_bytes(2, "little")  # ADPCM
    (tmp_path / "high" / "coded.wav").write_bytes(coded)
    found = opened(tmp_path)
    assert reasons(found) == {
        "empty file": ["low/zero.wav"],
        "not a WAV file": ["low/text.wav"],
        "cut short": ["low/torn.wav"],
        "damaged: no format chunk": ["low/header.wav"],
        "holds no samples": ["low/silent.wav"],
        "its coding is neither PCM nor float": ["high/coded.wav"],
    }
    assert len(found.data) == 12


@pytest.mark.parametrize("form", ["uint8", "int16", "int24", "int32", "float32"])
@pytest.mark.parametrize("channels", [1, 2])
def test_all_widths_and_stereo_give_the_same_sound(tmp_path: Path, form: str, channels: int) -> None:
    signal = tone(800)
    stereo = np.stack([signal + 0.1, signal - 0.1], 1)
    tones(tmp_path)
    write_wav(tmp_path / "low" / "other.wav", stereo if channels == 2 else signal, form=form)
    found = opened(tmp_path)
    sound = found.data.example(found.data.names.index("low/other.wav"))[:, 0]
    assert np.abs(sound - signal * 32768).max() <= (129 if form == "uint8" else 1)
    assert any("mixed down" in note for note in found.data.notes) == (channels == 2)
    assert any("rounded to 16 bits" in note for note in found.data.notes) == (form != "int16")


def test_mixed_rates_are_resampled_and_said_so(tmp_path: Path) -> None:
    tones(tmp_path)
    write_wav(tmp_path / "low" / "fast.wav", tone(1600, 440, 16000), rate=16000)
    found = opened(tmp_path)
    assert found.data.facts.rate == 8000
    assert "1 files of 16000 Hz are resampled to 8000 Hz" in found.data.notes
    sound = found.data.example(found.data.names.index("low/fast.wav"))[:, 0]
    assert len(sound) == 800
    assert np.abs(sound - tone(800) * 32768)[50:-50].max() < 50


def test_wrong_columns_and_missing_numbers(tmp_path: Path) -> None:
    random_recordings(tmp_path, ["still", "moving"])
    lines = (tmp_path / "still" / "0.csv").read_text().splitlines()
    lines[100] = lines[100].rsplit(",", 1)[0]
    lines[200] = lines[200].rsplit(",", 1)[0] + ",nan"
    lines[201] = lines[201].rsplit(",", 1)[0] + ",what"
    (tmp_path / "still" / "0.csv").write_text("\n".join(lines))
    write_csv(tmp_path / "still" / "other.csv", ["time_s", "acc_x"], [[i / 50, i] for i in range(300)])
    write_csv(tmp_path / "moving" / "turned.csv", ["time_s", "acc_z", "acc_y", "acc_x"], [[i / 50, 3, 2, 1] for i in range(300)])
    (tmp_path / "moving" / "zero.csv").touch()
    (tmp_path / "moving" / "header.csv").write_text("time_s,acc_x,acc_y,acc_z\n")
    (tmp_path / "moving" / "binary.csv").write_bytes(b"\0\1\2" * 50)
    found = opened(tmp_path, window=32)
    assert reasons(found) == {
        "empty file": ["moving/zero.csv"],
        "holds a header and nothing else": ["moving/header.csv"],
        "not a text file": ["moving/binary.csv"],
        "has not the columns of the other files (acc_x, acc_y, acc_z)": ["still/other.csv"],
    }
    assert any(note.startswith("3 lines hold a missing or damaged number") for note in found.data.notes)
    pieces = [i for i, name in enumerate(found.data.names) if name == "still/0.csv"]
    assert found.data.lengths[pieces].tolist() == [99, 99, 99]
    turned = found.data.example(found.data.names.index("moving/turned.csv"))
    assert turned[0].tolist() == [1, 2, 3]
    assert np.isfinite(found.data.values).all()


def test_time_that_jumps_and_other_rates(tmp_path: Path) -> None:
    random_recordings(tmp_path, ["still", "moving"])
    jump = [[i / 50 + (10 if i >= 150 else 0), 1, 2, i] for i in range(300)]
    write_csv(tmp_path / "still" / "jump.csv", ["time_s", "acc_x", "acc_y", "acc_z"], jump)
    write_csv(tmp_path / "still" / "fast.csv", ["time_s", "acc_x", "acc_y", "acc_z"], [[i / 100, 1, 2, 3] for i in range(300)])
    found = opened(tmp_path)
    assert found.data.facts.rate == 50
    assert "time jumps in 1 places; no window spans them" in found.data.notes
    assert "1 recordings of 100 Hz are resampled to 50 Hz" in found.data.notes
    lengths = {name: found.data.lengths[[n == name for n in found.data.names]].tolist() for name in set(found.data.names)}
    assert lengths["still/jump.csv"] == [150, 150]
    assert lengths["still/fast.csv"] == [150]


@pytest.mark.parametrize(("separator", "comma"), [(",", False), (";", False), (";", True), ("\t", True), ("|", False)])
def test_separators_and_decimal_commas(tmp_path: Path, separator: str, comma: bool) -> None:
    random_recordings(tmp_path / "plain", ["still", "moving"])
    for path in sorted((tmp_path / "plain").rglob("*.csv")):
        other = tmp_path / "other" / path.relative_to(tmp_path / "plain")
        other.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text().replace(",", separator)
        other.write_bytes(("\ufeff" + (text.replace(".", ",") if comma else text)).replace("\n", "\r\n").encode())
    plain, other = opened(tmp_path / "plain"), opened(tmp_path / "other")
    assert np.array_equal(plain.data.values, other.data.values)
    assert other.data.facts.channels == ("acc_x", "acc_y", "acc_z")
    assert other.data.facts.rate == 50


def test_labels_with_spaces_and_unicode(tmp_path: Path) -> None:
    names = ["turn on", "Küche", "日本", "naïve <b>&"]
    random_images(tmp_path / "train", names)
    # another system writes the same letters in pieces
    random_images(tmp_path / "test", [unicodedata.normalize("NFD", name) for name in names], count=2, seed=1)
    found = opened(tmp_path)
    assert set(found.data.classes) == set(names)
    assert [c["test"] for c in describe(found)["classes"]] == [2] * 4
    assert {found.data.names[i].split("/")[1] == found.data.classes[found.y[i]] for i in range(len(found.y))} == {True}


def test_classes_that_differ_in_case_only_are_pointed_out(tmp_path: Path) -> None:
    random_images(tmp_path, ["Yes", "yes", "no"], count=12)
    assert "classes differ in case or spaces only: 'Yes', 'yes'" in describe(opened(tmp_path))["problems"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    random_images(tmp_path, ["cat", "dog"])
    os.rename(tmp_path / "dog" / "000.png", os.fsencode(tmp_path / "dog") + b"/\xff.png")
    found = opened(tmp_path)
    assert list(reasons(found)) == ["its name is not UTF-8"]
    assert len(found.data) == 11


def test_links_in_a_loop(tmp_path: Path) -> None:
    random_images(tmp_path, ["cat", "dog"])
    (tmp_path / "cat" / "again").symlink_to(tmp_path)
    (tmp_path / "wolf").symlink_to(tmp_path / "dog")
    (tmp_path / "cat" / "self.png").symlink_to("self.png")
    found = opened(tmp_path)
    assert len(found.data) == 12
    assert found.data.classes in (("cat", "dog"), ("cat", "wolf"))
    linked = [reason for reason in reasons(found) if reason.startswith("a link to")]
    assert len(linked) == 2


def test_copies_do_not_leak_and_contradictions_teach_nothing(tmp_path: Path) -> None:
    random_images(tmp_path, ["cat", "dog"], count=20)
    for i in range(3):
        (tmp_path / "cat" / f"copy{i}.png").write_bytes((tmp_path / "cat" / "000.png").read_bytes())
    (tmp_path / "dog" / "cat.png").write_bytes((tmp_path / "cat" / "001.png").read_bytes())
    found = opened(tmp_path)
    assert len(reasons(found)["a copy of another file of its class"]) == 3
    assert sorted(reasons(found)["the same content lies in several classes"]) == ["cat/001.png", "dog/cat.png"]
    assert len(found.data) == 39


def test_a_test_file_that_is_trained_on_is_pointed_out(tmp_path: Path) -> None:
    random_images(tmp_path / "train", ["cat", "dog"])
    random_images(tmp_path / "test", ["cat", "dog"], seed=1)
    for name in ("cat", "dog"):
        (tmp_path / "test" / name / "copy.png").write_bytes((tmp_path / "train" / name / "001.png").read_bytes())
    assert "2 files of the test part have the content of a file that is trained on" in opened(tmp_path).data.notes


def test_lists_that_fit_nothing(tmp_path: Path) -> None:
    tones(tmp_path)
    (tmp_path / "testing_list.txt").write_text("low/17.wav\n")
    with pytest.raises(UserError, match=r"testing_list.txt: names none of the files; its lines should be like high/0.wav"):
        opened(tmp_path)
    (tmp_path / "testing_list.txt").write_text("./low/1.wav\r\nhigh\\1.wav\r\nlow/99.wav\r\n")
    found = opened(tmp_path)
    assert sorted(found.data.names[i] for i in np.flatnonzero(found.parts == TEST)) == ["high/1.wav", "low/1.wav"]
    assert "1 lines of testing_list.txt name no file" in found.data.notes


def test_images_of_other_sizes_and_colours(tmp_path: Path) -> None:
    random_images(tmp_path, ["cat", "dog"])
    rng = np.random.default_rng(1)
    write_image(tmp_path / "cat" / "wide.png", rng.integers(0, 256, (8, 24), np.uint8))
    write_image(tmp_path / "dog" / "colour.jpg", rng.integers(0, 256, (8, 8, 3), np.uint8))
    Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).convert("P").save(tmp_path / "dog" / "palette.png")
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(tmp_path / "dog" / "deep.png")
    found = opened(tmp_path)
    assert found.input_shape == (8, 8, 3)
    assert "1 images of other sizes are cut to the proportions of 8x8 and resized" in found.data.notes
    deep = found.data.example(found.data.names.index("dog/deep.png"))
    assert np.unique(deep).tolist() == [40_000 >> 8]
    assert not found.data.skipped
    assert opened(tmp_path, size="6x4").input_shape == (6, 4, 3)


def test_photos_turned_by_their_camera_are_upright(tmp_path: Path) -> None:
    random_images(tmp_path, ["cat", "dog"], size=(6, 4))
    upright = np.zeros((6, 4), np.uint8)
    upright[0] = 255
    turned = Image.fromarray(np.rot90(upright).copy())
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    turned.save(tmp_path / "dog" / "turned.png", exif=exif)
    found = opened(tmp_path)
    image = found.data.example(found.data.names.index("dog/turned.png"))[..., 0]
    assert np.array_equal(image, upright)


def test_missing_values_in_arrays_are_left_out(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((40, 8))
    x[3, 2], x[7, 1] = np.nan, np.inf
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(40) % 2)
    found = opened(tmp_path / "data.npz")
    assert reasons(found) == {"holds NaN or infinity": ["x[3]", "x[7]"]}
    assert len(found.data) == 38


def test_a_table_with_gaps(tmp_path: Path) -> None:
    rows: list[list[object]] = [[i * 0.5, i * 1.25, "a" if i % 2 else "b"] for i in range(40)]
    rows[3][1] = ""
    rows[4] = rows[4][:2]
    rows[5][2] = " "
    write_csv(tmp_path / "table.csv", ["width", "height", "label"], rows)
    found = opened(tmp_path / "table.csv")
    assert reasons(found) == {
        "a missing or damaged number, or a wrong count of columns": ["line 4 of the data", "line 5 of the data"],
        "no label": ["line 6 of the data"],
    }
    assert found.data.classes == ("a", "b")


def test_series_of_unequal_length_and_missing_values(tmp_path: Path) -> None:
    lines = [f"{i},{i + 1},{i + 2}:{i % 2}" for i in range(20)]
    lines[4] = "5:0"
    lines[5] = "1,?,3:1"
    (tmp_path / "a.ts").write_text("@problemName a\n@classLabel true 0 1\n@data\n" + "\n".join(lines))
    found = opened(tmp_path / "a.ts")
    assert found.data.example(4)[:, 0].tolist() == [5, 5, 5]
    assert any("1 series are shorter" in note for note in found.data.notes)
    assert reasons(found) == {"holds a missing value": ["a.ts line 9"]}
