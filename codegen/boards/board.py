"""A board: a product with a core, a clock and memory, described by a TOML file of this package or of the user's own."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from codegen.errors import UserError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT = 1
_INTEGERS = ("clock_hz", "ram_bytes", "flash_bytes", "reserved_ram_bytes", "reserved_flash_bytes")
_STRINGS = ("name", "description", "core", "source")


@dataclass(frozen=True, slots=True)
class Stall:
    """What the board's memory adds to the core's cycles.

    ``per_cycle``: stall cycles per core cycle (instruction fetch); ``per_flash_byte``: stall cycles per byte of constants read
    from flash; ``uncertainty``: relative half-width of what is not known of the result; ``source``: where the figures are from.
    """

    per_cycle: float
    per_flash_byte: float
    uncertainty: float
    source: str


@dataclass(frozen=True, slots=True)
class Board:
    """A board of the catalogue. Sizes in bytes; ``reserved_*`` is kept for the application and not offered to the network."""

    name: str
    description: str
    core: str
    clock_hz: int
    ram_bytes: int
    flash_bytes: int
    reserved_ram_bytes: int
    reserved_flash_bytes: int
    source: str
    stall: Stall

    @property
    def available_ram(self) -> int:
        """Bytes of RAM a network may use unless the user says otherwise."""
        return self.ram_bytes - self.reserved_ram_bytes

    @property
    def available_flash(self) -> int:
        """Bytes of flash a network may use unless the user says otherwise."""
        return self.flash_bytes - self.reserved_flash_bytes

    def latency_ms(self, cycles: float, flash_bytes: float) -> float:
        """Estimated time of ``cycles`` core cycles that read ``flash_bytes`` bytes of constants from flash."""
        stalled = cycles * (1 + self.stall.per_cycle) + flash_bytes * self.stall.per_flash_byte
        return 1e3 * stalled / self.clock_hz


def board_names() -> tuple[str, ...]:
    """Names of the catalogue's boards, sorted."""
    files = resources.files(__package__).iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def load_board(name: str) -> Board:
    """A board of the catalogue by name, or of a TOML file by its path (anything that ends in ``.toml``).

    :raises UserError: if there is no such board or file, or the file breaks the format.
    """
    if name.endswith(".toml"):
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            known = ", ".join(board_names())
            raise UserError(f"--board {name}: cannot be read ({error}); give a board file or one of: {known}") from None
        return _parse(text, name)
    return _from_catalogue(name)


@cache
def _from_catalogue(name: str) -> Board:
    if name not in board_names():
        close = difflib.get_close_matches(name, board_names(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"known boards: {', '.join(board_names())}"
        raise UserError(f"--board {name}: no such board; {hint}")
    resource = resources.files(__package__).joinpath(f"{name}.toml")
    return _parse(resource.read_text(encoding="utf-8"), f"{name}.toml")


def _parse(text: str, where: str) -> Board:
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"board file {where}: not valid TOML: {error}") from None
    if fields.get("format") != FORMAT:
        raise UserError(f"board file {where}: format is {fields.get('format')!r}, this version reads format = {FORMAT}")
    for key in (*_STRINGS, *_INTEGERS, "stall"):
        if key not in fields:
            raise UserError(f"board file {where}: {key!r} is missing")
    unknown = sorted(set(fields) - {"format", "stall", *_STRINGS, *_INTEGERS})
    if unknown:
        raise UserError(f"board file {where}: unknown key {unknown[0]!r}")
    for key in _STRINGS:
        if not isinstance(fields[key], str) or not fields[key]:
            raise UserError(f"board file {where}: {key!r} must be a non-empty string")
    for key in _INTEGERS:
        if type(fields[key]) is not int or fields[key] < 0:
            raise UserError(f"board file {where}: {key!r} must be a whole number, 0 or more")
    if not fields["clock_hz"]:
        raise UserError(f"board file {where}: 'clock_hz' must be more than 0")
    for memory in ("ram", "flash"):
        if fields[f"reserved_{memory}_bytes"] >= fields[f"{memory}_bytes"]:
            raise UserError(f"board file {where}: 'reserved_{memory}_bytes' leaves nothing of '{memory}_bytes'")
    return Board(
        **{key: fields[key] for key in (*_STRINGS, *_INTEGERS)},
        stall=_parse_stall(fields["stall"], where),
    )


def _parse_stall(fields: Any, where: str) -> Stall:
    numbers = ("per_cycle", "per_flash_byte", "uncertainty")
    if not isinstance(fields, dict) or set(fields) != {*numbers, "source"}:
        raise UserError(f"board file {where}: [stall] needs exactly {', '.join(numbers)} and source")
    for key in numbers:
        if type(fields[key]) not in (int, float) or not 0 <= fields[key] < 1e6:
            raise UserError(f"board file {where}: [stall] {key!r} must be a number, 0 or more")
    if not isinstance(fields["source"], str):
        raise UserError(f"board file {where}: [stall] 'source' must be a string")
    per_cycle, per_flash_byte, uncertainty = (float(fields[key]) for key in numbers)
    return Stall(per_cycle, per_flash_byte, uncertainty, fields["source"])
