"""What generated code is optimised for; decides schedules, the form of weights, the memory plan and compiler flags."""

from __future__ import annotations

from typing import Literal, get_args

Optimize = Literal["speed", "balanced", "size"]
"""``speed``: fewest cycles, flash may grow. ``size``: least RAM, then least flash. ``balanced``: between the two."""
OPTIMIZE: tuple[Optimize, ...] = get_args(Optimize)
