"""Workers that only let time pass: on Ray, where a few processes stand for hundreds of workers, or in virtual time.

Both run functions whose value says how many ``seconds`` it took, as a trial's does, and remember when workers were busy.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from nas.executor import Executor, Outcome
from nas.ray_executor import RayExecutor

ACTORS = 4

Span = tuple[float, float]
"""Begin and end of a training in seconds, by the clock of its executor."""


class SimulatedWorkers(Executor, Protocol):
    """An executor that knows when its workers were busy."""

    def now(self) -> float:
        """Seconds by its clock."""

    def spans(self) -> list[Span]:
        """The trainings that have ended."""

    @property
    def waited(self) -> float:
        """Seconds of real time spent in :meth:`wait`."""


class _Sleepers:
    """Many workers in one process; each sleeps as long as its function says that it took."""

    def __init__(self) -> None:
        self._spans: list[Span] = []

    async def run(self, function: Callable[..., Any], *arguments: Any) -> tuple[Any, str | None]:
        began = time.monotonic()
        value = function(*arguments)
        await asyncio.sleep(value.seconds)
        self._spans.append((began, time.monotonic()))
        return value, None

    async def load(self, function: Callable[..., Any]) -> None:
        """Import what the function needs, which is done by the time that it is here."""

    async def spans(self) -> list[Span]:
        return self._spans


class SleepingWorkers(RayExecutor):
    """The executor of a search, with ``workers`` of which many share a process; their trainings are sleeps.

    Its clock is the machine's, which all processes share. When it is there, they have started and loaded the ``function`` that they
    are to run, which takes seconds and happens once in a search.
    """

    def __init__(self, workers: int, function: Callable[..., Any]) -> None:
        actors = min(ACTORS, workers)
        super().__init__(actors)
        sleepers = self._ray.remote(num_cpus=1, max_concurrency=workers)(_Sleepers)
        self._sleepers = [sleepers.remote() for _ in range(actors)]
        self._idle = [self._sleepers[at % actors] for at in range(workers)]
        self._alive = self._workers = workers
        self._waited = 0.0
        self._ray.get([sleeper.load.remote(function) for sleeper in self._sleepers])

    def now(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    def spans(self) -> list[Span]:
        """Of all processes."""
        return [span for spans in self._ray.get([actor.spans.remote() for actor in self._sleepers]) for span in spans]

    @property
    def waited(self) -> float:
        """Seconds spent in :meth:`wait`."""
        return self._waited

    def wait(self) -> Outcome:
        """The next training that ended."""
        began = time.monotonic()
        try:
            return super().wait()
        finally:
            self._waited += time.monotonic() - began


class VirtualWorkers:
    """Workers whose clock goes on from one event to the next, so that nobody sleeps, and by the CPU time of this process."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._under_way: list[tuple[float, int, Any]] = []
        self._spans: list[Span] = []
        self._tickets = 0
        self._now = 0.0
        self._seen = time.process_time()

    @property
    def workers(self) -> int:
        """How many functions run at once."""
        return self._workers

    @property
    def waited(self) -> float:
        """None."""
        return 0.0

    def now(self) -> float:
        """Virtual seconds."""
        seen, self._seen = self._seen, time.process_time()
        self._now += self._seen - seen
        return self._now

    def spans(self) -> list[Span]:
        """In the order in which they ended."""
        return self._spans

    def share(self, value: Any) -> Any:
        """The value itself."""
        return value

    def submit(self, function: Callable[..., Any], *arguments: Any) -> int:
        """Begin it now; a worker must be free."""
        assert len(self._under_way) < self._workers
        self._tickets += 1
        value = function(*arguments)
        heapq.heappush(self._under_way, (self.now() + value.seconds, self._tickets, value))
        return self._tickets

    def wait(self) -> Outcome:
        """The training that ends first."""
        end, ticket, value = heapq.heappop(self._under_way)
        self._now = max(self.now(), end)
        self._spans.append((end - value.seconds, end))
        return Outcome(ticket, value)

    def __enter__(self) -> VirtualWorkers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass


def idle_share(spans: list[Span], workers: int, begin: float, end: float) -> float:
    """The part of the time from ``begin`` to ``end`` that workers had nothing to do."""
    busy = sum(max(0.0, min(e, end) - max(b, begin)) for b, e in spans)
    return 1 - busy / (workers * (end - begin))
