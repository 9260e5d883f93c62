"""A map over processes of this machine, each a fresh interpreter that runs one function after the other.

Unlike those of :mod:`multiprocessing`, they do not import the caller's main module: a script that calls this package needs no
``if __name__ == "__main__"``.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol, TypeVar

from codegen.errors import UserError

Job = TypeVar("Job")
Result = TypeVar("Result")

_WORKER = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from codegen.process_worker import serve; serve()"
_ONE_CORE: Mapping[str, str] = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
_GRACE = 2.0
"""Seconds that a process has to end by itself."""


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
        """``function`` of every job with its index, in the order in which they are done. No more are begun than can run.

        :raises UserError: if a process dies. What ``function`` raises is raised here, or as :class:`RuntimeError` with its text
            where it cannot be pickled.
        """
        count = min(self.workers, len(jobs))
        if count <= 1:
            yield from serial_map(function, jobs)
            return
        waiting: SimpleQueue[tuple[int, Job] | None] = SimpleQueue()
        for job in (*enumerate(jobs), *[None] * count):
            waiting.put(job)
        done: SimpleQueue[tuple[int, bool, Any]] = SimpleQueue()
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for _ in range(count):
                process = _start()
                processes.append(process)
                Thread(target=_employ, args=(process, function, waiting, done), daemon=True).start()
            for _ in jobs:
                index, failed, value = done.get()
                if failed:
                    raise value
                yield index, value
        finally:
            _end(processes)


def _start() -> subprocess.Popen[bytes]:
    # In a session of its own it gets no Ctrl-C from the terminal: its caller decides what that means.
    pipe, environment = subprocess.PIPE, {**os.environ, **_ONE_CORE}
    return subprocess.Popen([sys.executable, "-c", _WORKER], stdin=pipe, stdout=pipe, env=environment, start_new_session=True)


def _employ(
    process: subprocess.Popen[bytes],
    function: Callable[[Any], Any],
    waiting: SimpleQueue[tuple[int, Any] | None],
    done: SimpleQueue[tuple[int, bool, Any]],
) -> None:
    """Give a process one waiting job after the other, and then an end."""
    assert process.stdin is not None
    assert process.stdout is not None
    index = 0
    try:
        pickle.dump(sys.path, process.stdin)
        while (item := waiting.get()) is not None:
            index, job = item
            pickle.dump(pickle.dumps((function, job)), process.stdin)
            process.stdin.flush()
            done.put((index, *pickle.load(process.stdout)))
    except (EOFError, OSError, pickle.UnpicklingError):
        done.put((index, True, UserError(_death(process))))
    except Exception as error:  # a job or a result cannot be pickled
        done.put((index, True, error))
    finally:
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                stream.close()


def _death(process: subprocess.Popen[bytes]) -> str:
    status = _status(process)
    how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return f"a worker process died ({how}); if memory is short, leave it fewer processors"


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End processes, whose work is done or no longer wanted."""
    for process in processes:
        process.terminate()
    for process in processes:
        _status(process)


def _status(process: subprocess.Popen[bytes]) -> int:
    """What a process that should end soon ended with."""
    try:
        return process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
