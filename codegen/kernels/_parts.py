"""Ranges cut into blocks, and the rest that fills no block."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A range of pixels or channels, from ``start`` on, cut into ``blocks`` of ``size``."""

    start: int
    blocks: int
    size: int


def parts(total: int, block: int) -> tuple[Part, ...]:
    """``total`` as whole blocks of ``block``, and one smaller block for the rest."""
    whole, rest = divmod(total, block)
    return tuple(p for p in (Part(0, whole, block), Part(whole * block, 1, rest)) if p.blocks and p.size)


def halving_parts(total: int, block: int) -> tuple[Part, ...]:
    """``total`` as whole blocks of ``block``, a power of two, and the rest as at most one block each of half of that, and so on."""
    found, start = [], 0
    while block:
        if blocks := (total - start) // block:
            found.append(Part(start, blocks, block))
            start += blocks * block
        block //= 2
    return tuple(found)
