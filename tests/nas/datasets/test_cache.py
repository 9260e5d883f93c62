"""Decoded data in the cache: nothing is decoded twice, damage is mended, other content is other data."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from data_files import opened, random_images, random_recordings

from codegen.errors import UserError
from nas.datasets import Reading, collection, load_train
from nas.datasets.readers.images import ImageReader


def forget() -> None:
    """What a new process knows."""
    collection._open.cache_clear()


def test_what_was_decoded_once_is_not_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random_images(tmp_path / "data", ["cat", "dog"])
    first = opened(tmp_path / "data")
    forget()
    monkeypatch.setattr(ImageReader, "decode", lambda *_: pytest.fail("decoded again"))
    again = opened(tmp_path / "data")
    assert np.array_equal(first.data.values, again.data.values)
    assert first.data.names == again.data.names
    (tmp_path / "data").rename(tmp_path / "moved")
    forget()
    assert opened(tmp_path / "moved").data.hash == first.data.hash


def test_windows_of_another_length_need_no_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nas.datasets.readers.recordings import RecordingReader

    random_recordings(tmp_path, ["still", "moving"])
    opened(tmp_path)
    monkeypatch.setattr(RecordingReader, "decode", lambda *_: pytest.fail("decoded again"))
    assert opened(tmp_path, window=20, step=10).input_shape == (1, 20, 3)


@pytest.mark.parametrize("name", ["values.bin", "about.json", "starts.npy", "labels.npy"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, cache: Path, name: str) -> None:
    random_images(tmp_path, ["cat", "dog"])
    first = opened(tmp_path)
    values = np.array(first.data.values)
    (entry,) = (cache / "data").iterdir()
    content = (entry / name).read_bytes()
    (entry / name).write_bytes(content[: len(content) // 2])
    forget()
    assert np.array_equal(opened(tmp_path).data.values, values)
    assert (entry / name).read_bytes() == content
    assert list((cache / "data").iterdir()) == [entry]


def test_other_content_is_other_data(tmp_path: Path, cache: Path) -> None:
    random_images(tmp_path, ["cat", "dog"])
    first = opened(tmp_path)
    assert opened(tmp_path, size="4x4").data.hash != first.data.hash
    (tmp_path / "README.md").write_text("does not matter")
    forget()
    assert opened(tmp_path).data.hash == first.data.hash
    (tmp_path / "cat" / "000.png").write_bytes((tmp_path / "cat" / "001.png").read_bytes())
    forget()
    assert opened(tmp_path).data.hash != first.data.hash
    forget()
    with pytest.raises(UserError, match="is not what the search began with"):
        load_train(str(tmp_path), Reading(hash=first.data.hash))


def _open(path: str) -> str:
    return opened(Path(path)).data.hash


def test_several_processes_decode_at_once(tmp_path: Path, cache: Path) -> None:
    random_images(tmp_path, ["cat", "dog"], count=40)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        hashes = set(pool.map(_open, [str(tmp_path)] * 4, chunksize=1))
    assert len(hashes) == 1
    assert [entry.name for entry in (cache / "data").iterdir()] == list(hashes)
