"""Finds, trains and compiles neural networks for microcontrollers; ``docs/api.md`` has an example of every function.

Names are loaded when they are first used: importing this package takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.api import (
        Answer,
        Board,
        Decision,
        Export,
        Interval,
        Prediction,
        Result,
        Run,
        Stream,
        Trial,
        UserError,
        Verification,
        answers,
        boards,
        export,
        export_file,
        load_run,
        open_stream,
        predict,
        resume,
        search,
        verify,
        verify_stream,
    )
else:

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module 'nas' has no attribute {name!r}")
        value = getattr(importlib.import_module("nas.api"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "Answer",
    "Board",
    "Decision",
    "Export",
    "Interval",
    "Prediction",
    "Result",
    "Run",
    "Stream",
    "Trial",
    "UserError",
    "Verification",
    "answers",
    "boards",
    "export",
    "export_file",
    "load_run",
    "open_stream",
    "predict",
    "resume",
    "search",
    "verify",
    "verify_stream",
]
