"""The board catalogue and users' own board files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codegen.boards import Board, board_names, load_board
from codegen.errors import UserError

OWN = """
format = 2
name = "mine"
description = "A board of my own"
core = "cortex-m4"
clock_hz = 100_000_000
source = "its datasheet"
[[memory]]
name = "SRAM"
kind = "ram"
address = 0x2000_0000
bytes = 65_536
reserved_bytes = 4_096
[[memory]]
name = "CCM"
kind = "ram"
address = 0x1000_0000
bytes = 63_488
[[memory]]
name = "boot flash"
kind = "flash"
address = 0x0800_0000
bytes = 16_384
[memory.stall]
per_cycle = 0
per_flash_byte = 0
uncertainty = 0.2
source = "measured"
[[memory]]
name = "QSPI flash"
kind = "flash"
address = 0x9000_0000
bytes = 262_144
reserved_bytes = 8_192
[memory.stall]
per_cycle = 0.1
per_flash_byte = 0.5
uncertainty = 0.2
source = "measured"
"""


def test_default_board_figures() -> None:
    board = load_board("nucleo-l4r5zi")
    assert (board.core, board.clock_hz, board.ram.bytes, board.flash.bytes) == ("cortex-m4", 120_000_000, 640 * 1024, 2048 * 1024)
    assert board.available_ram < board.ram.bytes


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


def test_an_arena_gets_one_piece_of_a_split_ram() -> None:
    """Sizes and addresses: the memory maps of RM0433 (STM32H743) and RM0385 (STM32F746)."""
    h743, f746 = load_board("nucleo-h743zi"), load_board("nucleo-f746zg")
    assert (h743.ram.name, h743.ram.address, h743.ram.bytes) == ("AXI SRAM", 0x2400_0000, 512 * 1024)
    assert sum(region.bytes for region in h743.regions("ram")) == 1056 * 1024
    assert (f746.ram.address, f746.ram.bytes) == (0x2001_0000, 256 * 1024)
    assert f746.available_ram == f746.ram.bytes - f746.ram.reserved_bytes


@pytest.mark.parametrize("name", board_names())
def test_a_board_survives_the_way_through_a_report(name: str) -> None:
    board = load_board(name)
    assert Board.from_json(json.loads(json.dumps(board.to_json()))) == board


def test_own_board_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(OWN)
    board = load_board(str(path))
    assert (board.ram.name, board.available_ram) == ("CCM", 63_488)  # the larger one has less to offer
    assert (board.flash.name, board.available_flash) == ("QSPI flash", 262_144 - 8_192)
    assert board.latency_ms(1e6, 1e5) == pytest.approx(11.5)


def test_near_miss_is_suggested() -> None:
    with pytest.raises(UserError, match="did you mean nucleo-l4r5zi"):
        load_board("nucleo-l4r5z")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("clock_hz = 100_000_000", "", "'clock_hz' is missing"),
        ("clock_hz = 100_000_000", "clock_hz = 0", "more than 0"),
        ('name = "mine"', 'name = "my own"', "'name' must be made of letters"),
        ("cortex-m4", "Cortex-M4", "'core' is 'Cortex-M4', must be one of cortex-m0plus"),
        ("bytes = 65_536", 'bytes = "64KB"', r"\[\[memory\]\] number 1: 'bytes' must be a whole number"),
        ("bytes = 65_536", "bytes = 0", "number 1: 'bytes' must be more than 0"),
        ("0x9000_0000", "0xffff_0000", "number 4: 'bytes' must be more than 0 and end within 32 bits"),
        ("reserved_bytes = 4_096", "reserved_bytes = 65_537", "number 1: 'reserved_bytes' is more than 'bytes'"),
        ('kind = "ram"', 'kind = "rom"', "number 1: 'kind' is 'rom', must be 'ram' or 'flash'"),
        ('kind = "ram"', 'kind = "flash"', r"number 1: \[memory.stall\] is missing"),
        ('name = "SRAM"', "", "number 1: 'name' is missing"),
        ("0x1000_0000", "0x2000_8000", "regions 'SRAM' and 'CCM' overlap at 0x20008000"),
        ("bytes = 65_536", "bytes = 65_536\nvolts = 3", "number 1: unknown key 'volts'"),
        ("format = 2", "format = 1", "reads format = 2; since 2 memory is a list of regions, see docs/boards.md"),
        ("format = 2", "format = 3", "reads format = 2$"),
        ("uncertainty = 0.2", "uncertainty = -1", "'uncertainty' must be"),
        ("per_cycle = 0\n", "", "needs exactly per_cycle"),
        ("[[memory]]", "memory = 3\n[other]", "'memory' must be a list"),
        ("[[memory]]", "[[memory]", "not valid TOML"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    text = OWN.replace(old, new, 1)
    path.write_text(text[: text.index("[other]")] if "[other]" in text else text)
    with pytest.raises(UserError, match=message) as caught:
        load_board(str(path))
    assert "\n" not in str(caught.value)
    assert "mine.toml" in str(caught.value)


@pytest.mark.parametrize("kind", ["ram", "flash"])
def test_a_board_needs_memory_of_both_kinds(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mine.toml"
    head, *regions = OWN.split("[[memory]]")
    path.write_text("[[memory]]".join([head, *(region for region in regions if f'kind = "{kind}"' not in region)]))
    with pytest.raises(UserError, match=f"mine.toml: 'memory' has no region of kind = '{kind}'"):
        load_board(str(path))
