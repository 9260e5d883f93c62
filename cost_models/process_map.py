"""Runs calibration jobs in worker processes of this machine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from cost_models.calibration import Job
from cost_models.measured import MeasuredProgram


@dataclass(frozen=True, slots=True)
class ProcessMap:
    """An executor map on ``workers`` long-lived processes, so that TVM is imported once in each."""

    workers: int

    def __call__(self, function: Callable[[Job], MeasuredProgram], jobs: Sequence[Job]) -> Iterator[tuple[int, MeasuredProgram]]:
        """``function`` of every job with its index, in the order in which they are done."""
        if not jobs:
            return
        # Spawned, not forked: TVM and the emulator start threads.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(self.workers, len(jobs)), mp_context=context) as pool:
            futures = {pool.submit(function, job): index for index, job in enumerate(jobs)}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
