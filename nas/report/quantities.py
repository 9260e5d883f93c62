"""The figures that networks are compared by, and how axes and tables show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.units import format_count, format_size

if TYPE_CHECKING:
    from cost_models.limits import Limits


@dataclass(frozen=True, slots=True)
class Quantity:
    """``key`` names the figure in trials, ``limit`` its field of :class:`cost_models.limits.Limits`; axes show multiples of
    ``per`` under the name ``unit``."""

    key: str
    name: str
    unit: str
    per: float

    def text(self, value: float) -> str:
        """A value with its unit."""
        if self.unit == "KB":
            return format_size(value)
        return f"{value:,.3f} ms" if self.unit == "ms" else format_count(value)

    def bound(self, limits: Limits) -> float | None:
        """The limit on it, if there is one."""
        bound = limits.to_json()[self.key]
        return None if bound is None else float(bound)


RAM = Quantity("ram", "RAM", "KB", 1024)
FLASH = Quantity("flash", "Flash", "KB", 1024)
LATENCY = Quantity("latency_ms", "Latency", "ms", 1)
MACS = Quantity("macs", "MACs", "thousands", 1000)
QUANTITIES = (RAM, FLASH, LATENCY, MACS)
