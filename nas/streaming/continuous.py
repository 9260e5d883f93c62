"""Recordings put together again from the windows that they were cut into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.datasets import Dataset

LOOKED_AT = 64
"""Pairs of successive windows by which their distance is found, where the data does not say it."""
LEAST_OVERLAP = 0.25
"""Part of a window that two share, then: a few samples may be equal by chance."""


def recordings(dataset: Dataset) -> Iterator[tuple[NDArray[Any], int]]:
    """``(samples, ...)`` as a stream takes them, and the index of the first window: successive windows of one class and group go on
    where each begins with what the one before it ends with. A window that overlaps no other is a recording of its own."""
    windows = dataset.stored[:, 0, :, 0] if dataset.kind == "audio" else dataset.stored[:, 0]
    step = dataset.step or _step(windows)
    begin = 0
    for end in range(1, len(windows) + 1):
        if end < len(windows) and step is not None and _goes_on(dataset, windows, end, step):
            continue
        yield np.concatenate([windows[begin], *(window[len(window) - (step or 0) :] for window in windows[begin + 1 : end])]), begin
        begin = end


def _goes_on(dataset: Dataset, windows: NDArray[Any], at: int, step: int) -> bool:
    """Whether window ``at`` is what comes next after the one before it."""
    groups = dataset.groups
    alike = dataset.y[at - 1] == dataset.y[at] and (groups is None or groups.of[at - 1] == groups.of[at])
    return bool(alike and step < windows.shape[1] and np.array_equal(windows[at - 1, step:], windows[at, :-step]))


def _step(windows: NDArray[Any]) -> int | None:
    """How far apart successive windows are in most pairs that overlap; None where none do."""
    pairs = np.unique(np.linspace(1, len(windows) - 1, LOOKED_AT).astype(int)) if len(windows) > 1 else np.empty(0, int)
    found = Counter(step for at in pairs.tolist() if (step := _overlap(windows[at - 1], windows[at])) is not None)
    return found.most_common(1)[0][0] if found else None


def _overlap(one: NDArray[Any], other: NDArray[Any]) -> int | None:
    """The smallest step from ``one`` to the ``other`` window by which they share samples; None of windows that hardly change, of
    which any step would do."""
    if len(np.unique(one, axis=0)) <= len(one) // 2:
        return None
    axes, most = tuple(range(1, one.ndim)), int(len(one) * (1 - LEAST_OVERLAP))
    begins = (one[1 : most + 1] == other[0]).all(axis=axes)
    return next((step for step in (np.flatnonzero(begins) + 1).tolist() if np.array_equal(one[step:], other[:-step])), None)
