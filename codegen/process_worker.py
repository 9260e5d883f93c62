"""What a process of :class:`codegen.process_map.ProcessMap` does: functions come in at its input, results leave at its output."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from types import FrameType


def serve() -> None:
    """Answer ``(function, job)`` by ``(failed, result or exception)`` until the input ends."""
    signal.signal(signal.SIGTERM, _leave)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what functions print must not get between the answers
    try:
        while True:
            answers.write(_answer(pickle.load(sys.stdin.buffer)))
            answers.flush()
    except (EOFError, OSError, pickle.UnpicklingError):  # the caller has no more jobs, or is no more
        return


def _answer(question: bytes) -> bytes:
    try:
        function, job = pickle.loads(question)
        return pickle.dumps((False, function(job)))
    except Exception as error:
        return pickle.dumps((True, _portable(error)))


def _portable(error: Exception) -> Exception:
    """The error, or one that says the same where it does not survive being pickled."""
    try:
        if str(pickle.loads(pickle.dumps(error))) == str(error):
            return error
    except Exception:  # by what its class does then
        pass
    return RuntimeError(f"{type(error).__name__}: {error}")


def _leave(number: int, frame: FrameType | None) -> None:
    """End as after an error, so that temporary files go."""
    raise SystemExit(128 + number)
