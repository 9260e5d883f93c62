"""Keeps the workers busy with what the sources ask for, and trains no architecture twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from nas.executor import Executor
from nas.garbage import fewer_collections
from nas.study.study_source import Request, StudySource
from nas.study.tasks import Screened


class Listener(Protocol):
    """Hears of what happens in the loop, in the driver."""

    def asked(self, source: StudySource, request: Request) -> None:
        """A trial was made and its training begins, or waits for one that is under way."""

    def completed(self, source: StudySource, request: Request, result: Screened) -> None:
        """A trial has its result, or was stopped; the study is told of it next."""

    def failed(self, source: StudySource, request: Request, reason: str) -> None:
        """A trial came to nothing."""


@fewer_collections()
def run_sources(
    executor: Executor,
    sources: Sequence[StudySource],
    start: Callable[[Request], int],
    listener: Listener,
    known: dict[str, Screened],
) -> None:
    """Run until every source has ended. Earlier sources go first; a later one gets the workers that they cannot use now.

    ``start`` submits the training that is asked for and returns its ticket; ``known`` holds results by architecture id, so that
    an architecture that two sources ask for is trained once, or once more where it was stopped by thresholds that the second one
    does not have. It is filled in. What a trial comes to depends on its architecture and its thresholds alone.
    """
    waiting: dict[str, list[tuple[StudySource, Request]]] = {}
    tickets: dict[int, str] = {}

    def settle(architecture: str) -> None:
        """Tell those that wait for the architecture what is known; for those that this does not help a training begins."""
        undecided = []
        for source, request in waiting.pop(architecture):
            result = known[architecture].under(request.thresholds) if architecture in known else None
            if result is None:
                undecided.append((source, request))
                continue
            listener.completed(source, request, result)
            source.complete(request.number, result)
        if undecided:
            waiting[architecture] = undecided
            tickets[start(undecided[0][1])] = architecture

    def next_request() -> tuple[StudySource, Request] | None:
        for source in sources:
            request = source.next()
            if request is not None:
                return source, request
        return None

    while True:
        while len(tickets) < executor.workers and (found := next_request()) is not None:
            source, request = found
            architecture = request.architecture.id
            listener.asked(source, request)
            under_way = architecture in waiting
            waiting.setdefault(architecture, []).append(found)
            if not under_way:
                settle(architecture)
        if not tickets:
            assert all(source.ended for source in sources)
            return
        outcome = executor.wait()
        architecture = tickets.pop(outcome.ticket)
        if outcome.error is None:
            known[architecture] = outcome.value
            settle(architecture)
        else:
            for source, request in waiting.pop(architecture):
                listener.failed(source, request, outcome.error)
                source.fail(request.number, outcome.error)
