"""Board files: TOML, checked key by key, so that whatever is wrong with one is one line that names file and key."""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from typing import Any

from codegen.boards.board import Board, Region, Stall
from codegen.cores import CORES
from codegen.errors import UserError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT = 2
_STRINGS = ("name", "description", "core", "source")
_STALL_NUMBERS = ("per_cycle", "per_flash_byte", "uncertainty")
_ADDRESSES = 1 << 32
_REQUIRED, _OPTIONAL = ("name", "kind", "address", "bytes"), ("reserved_bytes", "wait_states", "stall")


def parse(text: str, where: str) -> Board:
    """The board that ``text`` describes; ``where`` names the file in errors.

    :raises UserError: if the text is not TOML, of another format, or a key is missing, unknown or makes no sense.
    """
    try:
        fields = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"board file {where}: not valid TOML: {error}") from None
    if fields.get("format") != FORMAT:
        hint = "; since 2 memory is a list of regions, see docs/boards.md" if fields.get("format") == 1 else ""
        raise UserError(f"board file {where}: format is {fields.get('format')!r}, this version reads format = {FORMAT}{hint}")
    for key in (*_STRINGS, "clock_hz", "memory"):
        if key not in fields:
            raise UserError(f"board file {where}: {key!r} is missing")
    _no_others(fields, {"format", "clock_hz", "memory", *_STRINGS}, f"board file {where}:")
    for key in _STRINGS:
        _text(fields, key, f"board file {where}:")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", fields["name"]):
        raise UserError(f"board file {where}: 'name' must be made of letters, digits, '.', '_' and '-'")
    if fields["core"] not in CORES:
        raise UserError(f"board file {where}: 'core' is {fields['core']!r}, must be one of {', '.join(CORES)}")
    if not _whole(fields, "clock_hz", f"board file {where}:"):
        raise UserError(f"board file {where}: 'clock_hz' must be more than 0")
    return Board(
        name=fields["name"],
        description=fields["description"],
        core=fields["core"],
        clock_hz=fields["clock_hz"],
        source=fields["source"],
        memory=_memory(fields["memory"], where),
    )


def _memory(entries: Any, where: str) -> tuple[Region, ...]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"board file {where}: 'memory' must be a list of regions, [[memory]] for each")
    regions = tuple(_region(entry, f"board file {where}: [[memory]] number {i}:") for i, entry in enumerate(entries, 1))
    for kind in ("ram", "flash"):
        if not any(region.kind == kind and region.available for region in regions):
            raise UserError(f"board file {where}: 'memory' has no region of kind = {kind!r} that is not all reserved")
    for first, second in pairwise(sorted(regions, key=lambda region: region.address)):
        if second.address < first.end:
            raise UserError(f"board file {where}: regions {first.name!r} and {second.name!r} overlap at {second.address:#010x}")
    return regions


def _region(entry: dict[str, Any], where: str) -> Region:
    for key in _REQUIRED:
        if key not in entry:
            raise UserError(f"{where} {key!r} is missing")
    _no_others(entry, {*_REQUIRED, *_OPTIONAL}, where)
    _text(entry, "name", where)
    kind = entry["kind"]
    if kind not in ("ram", "flash"):
        raise UserError(f"{where} 'kind' is {kind!r}, must be 'ram' or 'flash'")
    address, size = _whole(entry, "address", where), _whole(entry, "bytes", where)
    reserved = _whole(entry, "reserved_bytes", where) if "reserved_bytes" in entry else 0
    if size == 0 or address + size > _ADDRESSES:
        raise UserError(f"{where} 'bytes' must be more than 0 and end within 32 bits of address")
    if reserved > size:
        raise UserError(f"{where} 'reserved_bytes' is more than 'bytes'")
    if (kind == "flash") != ("stall" in entry):
        raise UserError(f"{where} " + ("[memory.stall] is missing" if kind == "flash" else "'stall' is for flash regions"))
    return Region(
        name=entry["name"],
        kind=kind,
        address=address,
        bytes=size,
        reserved_bytes=reserved,
        wait_states=_whole(entry, "wait_states", where) if "wait_states" in entry else None,
        stall=_stall(entry["stall"], where) if kind == "flash" else None,
    )


def _stall(fields: Any, where: str) -> Stall:
    if not isinstance(fields, dict) or set(fields) != {*_STALL_NUMBERS, "source"}:
        raise UserError(f"{where} [memory.stall] needs exactly {', '.join(_STALL_NUMBERS)} and source")
    for key in _STALL_NUMBERS:
        if type(fields[key]) not in (int, float) or not 0 <= fields[key] < 1e6:
            raise UserError(f"{where} [memory.stall] {key!r} must be a number, 0 or more")
    _text(fields, "source", f"{where} [memory.stall]")
    per_cycle, per_flash_byte, uncertainty = (float(fields[key]) for key in _STALL_NUMBERS)
    return Stall(per_cycle, per_flash_byte, uncertainty, fields["source"])


def _no_others(fields: dict[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(fields) - known)
    if unknown:
        raise UserError(f"{where} unknown key {unknown[0]!r}")


def _text(fields: dict[str, Any], key: str, where: str) -> None:
    if not isinstance(fields[key], str) or not fields[key]:
        raise UserError(f"{where} {key!r} must be a non-empty string")


def _whole(fields: dict[str, Any], key: str, where: str) -> int:
    value = fields[key]
    if type(value) is not int or value < 0:
        raise UserError(f"{where} {key!r} must be a whole number, 0 or more")
    return value
