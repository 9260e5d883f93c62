"""A map over processes of this machine.

Those of :mod:`multiprocessing` and :mod:`concurrent.futures` import the caller's main module again; loky's do not, so a script that
calls this package needs no ``if __name__ == "__main__"``.
"""

from __future__ import annotations

import os
import pickle
import re
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from codegen.errors import UserError

Job = TypeVar("Job")
Result = TypeVar("Result")

_ONE_CORE = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}


class UnorderedMap(Protocol):
    """Applies a function to every job, in other processes or here; yields ``(index, result)`` in any order."""

    def __call__(self, function: Callable[[Job], Result], jobs: Sequence[Job], /) -> Generator[tuple[int, Result], None, None]:
        """``function`` is importable by name, jobs and results can be pickled."""


def serial_map(function: Callable[[Job], Result], jobs: Sequence[Job]) -> Generator[tuple[int, Result], None, None]:
    """One job after the other, in this process."""
    for index, job in enumerate(jobs):
        yield index, function(job)


def available_processors() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class ProcessMap:
    """A map on at most ``workers`` processes, which live as long as there are jobs; one alone is not worth a process."""

    workers: int

    def __call__(self, function: Callable[[Job], Result], jobs: Sequence[Job]) -> Generator[tuple[int, Result], None, None]:
        """``function`` of every job with its index, in the order in which they are done.

        :raises UserError: if a process dies. What ``function`` raises is raised here, or as :class:`RuntimeError` with its text
            where it cannot be pickled.
        """
        count = min(self.workers, len(jobs))
        if count <= 1:
            yield from serial_map(function, jobs)
            return
        from loky import ProcessPoolExecutor, as_completed
        from loky.process_executor import TerminatedWorkerError

        executor = ProcessPoolExecutor(count, initializer=_prepare, initargs=(sys.path,), env=_ONE_CORE)
        try:
            indices = {executor.submit(_portable, function, job): index for index, job in enumerate(jobs)}
            for future in as_completed(indices):
                yield indices[future], future.result()
        except TerminatedWorkerError as error:
            raise UserError(f"a worker process died ({_how(str(error))}); if memory is short, leave it fewer processors") from None
        finally:
            executor.shutdown(kill_workers=True)


def _prepare(path: list[str]) -> None:
    sys.path[:] = path
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller decides what Ctrl-C means
    os.dup2(2, 1)  # what functions print is none of the caller's output


def _how(message: str) -> str:
    """In words, of the codes that loky's message ends with: ``EXIT(3)`` or ``SIGKILL(-9)`` of each process that is gone."""
    if found := re.search(r"EXIT\((\d+)\)|(SIG\w+)\(-\d+\)", message):
        return f"exit status {found[1]}" if found[1] else f"signal {found[2]}"
    return "nobody knows how"


def _portable(function: Callable[[Job], Result], job: Job) -> Result:
    """``function(job)``; an error that does not survive being pickled is raised as one that says the same."""
    try:
        return function(job)
    except Exception as error:
        try:
            survives = str(pickle.loads(pickle.dumps(error))) == str(error)
        except Exception:  # by what its class does then
            survives = False
        if survives:
            raise
        raise RuntimeError(f"{type(error).__name__}: {error}") from None
