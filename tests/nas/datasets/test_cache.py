"""Decoded data in the cache: nothing is decoded twice, damage is mended, other content is other data."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from data_files import opened, random_images, random_recordings

from codegen.errors import UserError
from nas.datasets import Reading, collection, load_train, manifest
from nas.datasets.listing import list_files
from nas.datasets.readers.images import ImageReader


def forget() -> None:
    """What a new process knows."""
    collection._open.cache_clear()


def entries(cache: Path) -> list[Path]:
    """Everything in the cache but the lists of what was seen."""
    return [entry for entry in (cache / "data").iterdir() if not entry.name.endswith(".manifest.json")]


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


def test_files_that_nobody_touched_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random_images(tmp_path, ["cat", "dog"])
    monkeypatch.setattr(manifest, "SETTLED", 0.0)
    files = list_files(tmp_path).files
    first = manifest.digests(tmp_path, files)
    (tmp_path / "cat" / "000.png").rename(tmp_path / "cat" / "new.png")
    target = tmp_path / "dog" / "003.png"
    before = target.stat()
    content = bytearray(target.read_bytes())
    content[-1] ^= 1
    target.write_bytes(content)
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if it had not been changed
    files = list_files(tmp_path).files
    read: list[str] = []
    opened_by = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: (read.append(self.name), opened_by(self, *a, **k))[1])
    again = manifest.digests(tmp_path, files)
    assert sorted(name for name in read if name.endswith(".png")) == ["003.png", "new.png"]
    assert again["cat/new.png"] == first["cat/000.png"]
    assert again["dog/003.png"] != first["dog/003.png"]
    assert {name: again[name] for name in first if name in again and name != "dog/003.png"}.items() <= first.items()


@pytest.mark.parametrize("name", ["values.bin", "about.json", "starts.npy", "labels.npy"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, cache: Path, name: str) -> None:
    random_images(tmp_path, ["cat", "dog"])
    first = opened(tmp_path)
    values = np.array(first.data.values)
    (entry,) = entries(cache)
    content = (entry / name).read_bytes()
    (entry / name).write_bytes(content[: len(content) // 2])
    forget()
    assert np.array_equal(opened(tmp_path).data.values, values)
    assert (entry / name).read_bytes() == content
    assert entries(cache) == [entry]


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


DECODE = """
import sys
from nas.datasets import Reading
from nas.datasets.collection import open_collection
print(open_collection(sys.argv[1], Reading()).data.hash)
"""


def test_several_processes_decode_at_once(tmp_path: Path, cache: Path) -> None:
    random_images(tmp_path, ["cat", "dog"], count=40)
    command = [sys.executable, "-c", DECODE, str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    hashes = {process.communicate(timeout=300)[0].strip() for process in running}
    assert len(hashes) == 1
    assert [entry.name for entry in entries(cache)] == list(hashes)
