"""What is known of a stream: decision by decision, and after each push of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.streaming.stream import Stream
from codegen.streaming.task import Task


@dataclass(frozen=True, eq=False)
class Decisions:
    """What a stream says, decision by decision: ``at`` (how many samples there were), the task's ``scores`` of the window alone
    ``(n, k)``, the ``means`` of its values ``(n, width)``, and the number of what was ``detected``, or -1."""

    at: NDArray[np.int64]
    scores: NDArray[Any]
    means: NDArray[np.int64]
    detected: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.at)


def record_type(task: Task) -> np.dtype[Any]:
    """What there is to know after a push: how many ``decisions`` it led to, the last thing ``detected`` by them, or -1, and the
    task's fields."""
    return np.dtype([("decisions", "<i4"), ("detected", "<i2"), *task.fields], align=True)


def expected_records(
    stream: Stream, said: Decisions, lengths: Sequence[int], *, before: int = 0, known: NDArray[Any] | None = None
) -> NDArray[Any]:
    """The record of each push of so many samples, which lead to the decisions ``said``.

    :param before: samples that there were before; ``known`` the task's fields then, of no decision if not given.
    """
    task = stream.task
    records = np.zeros(len(lengths), record_type(task))
    done = np.searchsorted(said.at, before + np.cumsum(lengths), side="right")
    so_far = np.concatenate([[0], done[:-1]])
    records["decisions"], records["detected"] = done - so_far, -1
    first = task.unknown if known is None else known
    after = np.concatenate([first[None], task.known(said.scores, said.means)])[done]
    for name in after.dtype.names or ():
        records[name] = after[name]
    for record, begin, end in zip(records, so_far.tolist(), done.tolist(), strict=True):
        heard = said.detected[begin:end]
        if (heard >= 0).any():
            record["detected"] = heard[heard >= 0][-1]
    return records
