"""What the search asks of whoever trains: submit a function, learn of the next result.

Functions are module-level and their arguments plain data, so that an executor may run them in other processes or on other
machines. :class:`SerialExecutor` runs them here, one after the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a submitted function: its ``value``, or the one-line ``error`` that ended it."""

    ticket: int
    value: Any = None
    error: str | None = None


class Executor(Protocol):
    """Runs functions on ``workers`` workers. A context manager: leaving it ends the workers."""

    @property
    def workers(self) -> int:
        """How many functions run at once."""

    def share(self, value: Any) -> Any:
        """Put ``value`` where every worker can read it; pass what is returned as an argument of submitted functions."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> int:
        """Run ``function(*arguments)`` on a free worker, or as soon as one is free; returns a ticket."""

    def wait(self) -> Outcome:
        """The next function that ended; blocks until there is one."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def one_line(error: BaseException) -> str:
    """An exception as one line."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[-1]}" if text else type(error).__name__


class SerialExecutor:
    """Runs each function in this process when its result is waited for, first come first served."""

    def __init__(self) -> None:
        self._queue: deque[tuple[int, Callable[..., Any], tuple[Any, ...]]] = deque()
        self._tickets = 0

    @property
    def workers(self) -> int:
        """One."""
        return 1

    def share(self, value: Any) -> Any:
        """The value itself."""
        return value

    def submit(self, function: Callable[..., Any], *arguments: Any) -> int:
        """Queue the function."""
        self._tickets += 1
        self._queue.append((self._tickets, function, arguments))
        return self._tickets

    def wait(self) -> Outcome:
        """Run the oldest function in the queue.

        :raises LookupError: if there is none.
        """
        if not self._queue:
            raise LookupError("nothing was submitted")
        ticket, function, arguments = self._queue.popleft()
        try:
            return Outcome(ticket, function(*arguments))
        except Exception as error:
            return Outcome(ticket, error=one_line(error))

    def __enter__(self) -> SerialExecutor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._queue.clear()


def unordered_map(
    executor: Executor, what: str = "item"
) -> Callable[[Callable[..., Any], Sequence[Any]], Generator[tuple[int, Any], None, None]]:
    """A map on the executor's workers that yields ``(index, result)`` as results come.

    :param what: names the items in messages.
    :raises RuntimeError: from the iteration, with the error that ended a call.
    """

    def run(function: Callable[..., Any], items: Sequence[Any]) -> Generator[tuple[int, Any], None, None]:
        tickets = {executor.submit(function, item): index for index, item in enumerate(items)}
        while tickets:
            outcome = executor.wait()
            index = tickets.pop(outcome.ticket)
            if outcome.error is not None:
                raise RuntimeError(f"{what} {index}: {outcome.error}")
            yield index, outcome.value

    return run
