"""All that a calibration fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cost_models.costs import KernelCosts, Routine, RunCosts
from cost_models.unpacking import Unpacking


@dataclass(frozen=True, slots=True)
class Parts:
    """By kernel and routine; ``unpacking`` is None of models that know nothing of weights of four bits."""

    kernels: Mapping[str, KernelCosts]
    routines: Mapping[str, Routine]
    run: RunCosts
    unpacking: Unpacking | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "kernels": {name: costs.to_json() for name, costs in self.kernels.items()},
            "routines": {name: {"code": routine.code, "spread": routine.spread} for name, routine in self.routines.items()},
            "run": self.run.to_json(),
            **({} if self.unpacking is None else {"unpacking": self.unpacking.to_json()}),
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Parts:
        """The inverse of :meth:`to_json`."""
        return Parts(
            kernels={name: KernelCosts.from_json(costs) for name, costs in content["kernels"].items()},
            routines={name: Routine(**routine) for name, routine in content["routines"].items()},
            run=RunCosts.from_json(content["run"]),
            unpacking=Unpacking.from_json(content["unpacking"]) if "unpacking" in content else None,
        )
