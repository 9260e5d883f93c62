"""Windows: where they begin, what they hold, how long they are if nobody says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_files import opened, random_recordings, tone, write_csv, write_wav
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.errors import UserError
from nas.datasets.decoded import TEST, Decoded, Facts
from nas.datasets.reading import Reading
from nas.datasets.windows import cut


def recordings(lengths: list[int], kind: str = "series", rate: float | None = None) -> Decoded:
    """Recordings whose samples are numbered through."""
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    facts = Facts("audio" if kind == "audio" else "series", rate=rate, windows=True)
    values = np.arange(starts[-1], dtype=np.int16)[:, None]
    n = len(lengths)
    zeros = np.zeros(n, np.int64)
    return Decoded(facts, "", ("a",), values, starts, zeros, zeros.astype(np.uint8), None, (), ("",) * n, (), ())


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 40), st.integers(1, 50))
def test_windows_are_the_slices_of_their_recordings(lengths: list[int], window: int, step: int) -> None:
    data = recordings(lengths)
    expected = [data.example(i)[s : s + window] for i, n in enumerate(lengths) for s in range(0, n - window + 1, step)]
    if not expected:
        with pytest.raises(UserError, match=f"--window {window}: no recording"):
            cut(data, Reading(window=window, step=step), "data")
        return
    windows = cut(data, Reading(window=window, step=step), "data")
    assert np.array_equal(windows.gather(data, np.arange(len(windows.of))), np.array(expected))
    assert windows.short == sum(n < window for n in lengths)


def test_a_length_that_nobody_chose() -> None:
    assert cut(recordings([60] * 10), Reading(), "data").length == 60
    assert cut(recordings([900, 700, 1200]), Reading(), "data").length == 128
    assert cut(recordings([3, 40, 50, 60, 70]), Reading(), "data").length == 40


def test_clips_are_filled_up_and_of_long_ones_the_loudest_piece_is_taken(tmp_path: Path) -> None:
    for name, frequency in (("low", 200), ("high", 900)):
        for i in range(10):
            write_wav(tmp_path / name / f"{i}.wav", tone(4000, frequency + i))
    write_wav(tmp_path / "low" / "short.wav", tone(1000))
    write_wav(tmp_path / "low" / "late.wav", np.concatenate([np.zeros(3000), tone(4000), np.zeros(200)]))
    found = opened(tmp_path)
    assert found.input_shape == (1, 4000, 1)
    clips = {name: found.windows.gather(found.data, np.array([i]))[0, :, 0] for i, name in enumerate(found.data.names)}
    assert np.array_equal(clips["low/short.wav"][1000:], np.zeros(3000))
    assert np.abs(clips["low/late.wav"] - np.rint(tone(4000) * 32768)).max() <= 1
    assert "of 1 longer ones the loudest piece; 1 shorter ones end in silence" in found.windows.words


def test_long_sounds_are_cut_into_windows(tmp_path: Path) -> None:
    for name, frequency in (("idle", 200), ("busy", 900)):
        for i in range(3):
            write_wav(tmp_path / name / f"{i}.wav", tone(40_000, frequency + i))
    found = opened(tmp_path)
    assert found.input_shape == (1, 8000, 1)
    assert len(found.y) == 6 * 9
    assert found.groups is not None
    assert found.groups.kind == "recording"
    assert len({found.windows.of[i] for i in np.flatnonzero(found.parts == TEST)}) == 2
    assert (found.parts == TEST).sum() == 2 * 9


def test_one_long_table_with_a_time_and_a_label_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [[f"{i / 10:.1f}", *rng.normal(size=2).round(3).tolist(), ("sit", "walk")[i // 200 % 2]] for i in range(2000)]
    write_csv(tmp_path / "log.csv", ["timestamp_s", "x", "y", "activity"], rows)
    found = opened(tmp_path / "log.csv", window=50, step=25)
    assert (found.format, found.data.facts.kind, found.data.facts.rate) == ("table", "series", 10.0)
    assert found.data.facts.channels == ("x", "y")
    assert found.data.lengths.tolist() == [200] * 10
    assert [found.data.classes[i] for i in found.data.labels] == ["sit", "walk"] * 5
    assert len(found.y) == 10 * 7


def test_constant_channels_do_not_blow_up(tmp_path: Path) -> None:
    random_recordings(tmp_path, ["still", "moving"])
    for path in tmp_path.rglob("*.csv"):
        header, *rows = path.read_text().splitlines()
        path.write_text("\n".join([header + ",battery", *(row + ",3.7" for row in rows)]))
    found = opened(tmp_path)
    assert found.normalization.scale[3] == 1
    assert np.abs(found.dataset(test=False).x[..., 3]).max() < 1e-6
