"""How a person's data is read where looking at the path does not say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from codegen.errors import UserError
from nas.datasets._base import Kind


@dataclass(frozen=True, slots=True)
class Reading:
    """What the options of ``nas data`` and ``nas search`` fix; None leaves it to the data.

    ``format`` names a reader, ``kind`` what the arrays of an ``.npz`` are; ``window`` and ``step`` are in samples; ``size`` is
    height and width of images in pixels. ``hash`` is the content that is expected: other content is refused.
    """

    format: str | None = None
    kind: Kind | None = None
    window: int | None = None
    step: int | None = None
    size: str | None = None
    hash: str | None = None

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in get_args(Kind):
            raise UserError(f"--kind {self.kind}: no such kind; one of {', '.join(get_args(Kind))}")
        for option, value in (("--window", self.window), ("--step", self.step)):
            if value is not None and value < 1:
                raise UserError(f"{option} {value}: give 1 sample or more")

    def image_size(self) -> tuple[int, int] | None:
        """(height, width).

        :raises UserError: if ``size`` is not like ``32x48``.
        """
        if self.size is None:
            return None
        sides = self.size.lower().split("x")
        if not all(side.isascii() and side.isdigit() and 1 <= int(side) <= 4096 for side in sides) or len(sides) not in (1, 2):
            raise UserError(f"--size {self.size}: write height x width in pixels, like 32x48")
        return int(sides[0]), int(sides[-1])
