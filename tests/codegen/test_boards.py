"""The board catalogue and users' own board files."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.boards import board_names, load_board
from codegen.errors import UserError

OWN = """
format = 1
name = "mine"
description = "A board of my own"
core = "cortex-m4"
clock_hz = 100_000_000
ram_bytes = 65_536
flash_bytes = 262_144
reserved_ram_bytes = 4_096
reserved_flash_bytes = 8_192
source = "its datasheet"
[stall]
per_cycle = 0.1
per_flash_byte = 0.5
uncertainty = 0.2
source = "measured"
"""


def test_default_board_figures() -> None:
    board = load_board("nucleo-l4r5zi")
    assert (board.core, board.clock_hz, board.ram_bytes, board.flash_bytes) == ("cortex-m4", 120_000_000, 640 * 1024, 2048 * 1024)
    assert board.available_ram < board.ram_bytes


@pytest.mark.parametrize("name", board_names())
def test_every_catalogue_file_loads_under_its_own_name(name: str) -> None:
    assert load_board(name).name == name


@pytest.mark.parametrize(
    ("cycles", "flash_bytes", "published_ms"),
    [(9.26e6, 1.33e6, 99.8), (36.3e6, 6.25e6, 390), (29.6e6, 3.75e6, 301), (0.717e6, 0.264e6, 8.60)],
)
def test_stall_terms_reproduce_published_times(cycles: float, flash_bytes: float, published_ms: float) -> None:
    """CMSIS-NN on the five MLPerf Tiny networks: emulated cycles, weight bytes read (two pixels share a load), published time."""
    assert load_board("nucleo-l4r5zi").latency_ms(cycles, flash_bytes) == pytest.approx(published_ms, rel=0.03)


@pytest.mark.parametrize(
    ("cycles", "flash_bytes", "published_ms"),
    [(8.120e6, 2.05e6, 76.09), (31.314e6, 7.07e6, 316.16), (25.729e6, 6.06e6, 232.02), (0.656e6, 0.27e6, 6.27)],
)
def test_stall_term_of_a_cortex_m33_reproduces_published_times(cycles: float, flash_bytes: float, published_ms: float) -> None:
    """CMSIS-NN on four MLPerf Tiny networks: estimated cycles of the emulated core, bytes read from flash, published time."""
    assert load_board("nrf5340-dk").latency_ms(cycles, flash_bytes) == pytest.approx(published_ms, rel=0.06)


def test_own_board_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(OWN)
    board = load_board(str(path))
    assert board.latency_ms(1e6, 1e5) == pytest.approx(11.5)


def test_near_miss_is_suggested() -> None:
    with pytest.raises(UserError, match="did you mean nucleo-l4r5zi"):
        load_board("nucleo-l4r5z")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("clock_hz = 100_000_000", "", "'clock_hz' is missing"),
        ("clock_hz = 100_000_000", "clock_hz = 0", "more than 0"),
        ("ram_bytes = 65_536", 'ram_bytes = "64KB"', "'ram_bytes' must be a whole number"),
        ("reserved_ram_bytes = 4_096", "reserved_ram_bytes = 65_536", "leaves nothing"),
        ("format = 1", "format = 2", "reads format = 1"),
        ("uncertainty = 0.2", "uncertainty = -1", "'uncertainty' must be"),
        ("[stall]", "volts = 3\n[stall]", "unknown key 'volts'"),
        ("[stall]", "[stall", "not valid TOML"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(OWN.replace(old, new, 1))
    with pytest.raises(UserError, match=message) as caught:
        load_board(str(path))
    assert "\n" not in str(caught.value)
    assert "mine.toml" in str(caught.value)
