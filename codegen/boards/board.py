"""A board: a product with a core, a clock and regions of memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Stall:
    """What a flash region adds to the core's cycles when code and constants lie in it.

    ``per_cycle``: stall cycles per core cycle (instruction fetch); ``per_flash_byte``: stall cycles per byte of constants read
    from the region; ``uncertainty``: relative half-width of what is not known of the result; ``source``: where they are from.
    """

    per_cycle: float
    per_flash_byte: float
    uncertainty: float
    source: str


@dataclass(frozen=True, slots=True)
class Region:
    """One contiguous memory of one speed, in bytes.

    ``reserved_bytes`` are the application's. ``wait_states`` is what one access waits for at the board's clock without a cache or
    prefetch, None where it is not known; it informs and enters no estimate. ``stall`` is what does, in every flash region.
    """

    name: str
    kind: Literal["ram", "flash"]
    address: int
    bytes: int
    reserved_bytes: int = 0
    wait_states: int | None = None
    stall: Stall | None = None

    @property
    def available(self) -> int:
        """Bytes that are not reserved."""
        return self.bytes - self.reserved_bytes

    @property
    def end(self) -> int:
        """The address behind the last byte."""
        return self.address + self.bytes


@dataclass(frozen=True)
class Board:
    """A board of the catalogue or of a user's file; ``memory`` holds at least one RAM and one flash region.

    A network's arena lies in one RAM region and its code and constants in one flash region, the ones that offer most.
    """

    name: str
    description: str
    core: str
    clock_hz: int
    source: str
    memory: tuple[Region, ...]

    @cached_property
    def ram(self) -> Region:
        """The RAM region that offers most: an arena cannot be split."""
        return self._largest("ram")

    @cached_property
    def flash(self) -> Region:
        """The flash region that offers most."""
        return self._largest("flash")

    @property
    def available_ram(self) -> int:
        """Bytes of RAM a network may use unless the user says otherwise: of :attr:`ram`, less what is reserved there."""
        return self.ram.available

    @property
    def available_flash(self) -> int:
        """Bytes of flash a network may use unless the user says otherwise: of :attr:`flash`, less what is reserved there."""
        return self.flash.available

    @cached_property
    def stall(self) -> Stall:
        """What the memory of code and constants adds to the core's cycles."""
        assert self.flash.stall is not None, "a board file gives every flash region its stall"
        return self.flash.stall

    def regions(self, kind: Literal["ram", "flash"]) -> tuple[Region, ...]:
        """Every region of a kind, in the file's order."""
        return tuple(region for region in self.memory if region.kind == kind)

    def latency_ms(self, cycles: float, flash_bytes: float) -> float:
        """Estimated time of ``cycles`` core cycles that read ``flash_bytes`` bytes of constants from flash."""
        stalled = cycles * (1 + self.stall.per_cycle) + flash_bytes * self.stall.per_flash_byte
        return 1e3 * stalled / self.clock_hz

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types: the fields."""
        return asdict(self)

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Board:
        """The inverse of :meth:`to_json`.

        :raises KeyError: or TypeError, where the content is not a board's.
        """
        memory = tuple(
            Region(**{**region, "stall": None if region["stall"] is None else Stall(**region["stall"])})
            for region in content["memory"]
        )
        return Board(**{**content, "memory": memory})

    def _largest(self, kind: Literal["ram", "flash"]) -> Region:
        return max(self.regions(kind), key=lambda region: region.available)
