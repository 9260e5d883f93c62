"""What decides how many bytes of code a kernel's function has."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from codegen.kernels._base import Kernel


def code_features(kernel: Kernel[Any], spec: Hashable) -> dict[str, float]:
    """One for the function itself and one for each loop or branch that it holds, whatever the number of passes."""
    return {"functions": 1.0, **{f"has {name}": 1.0 for name, count in kernel.work(spec).items() if count and name != "calls"}}
