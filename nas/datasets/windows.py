"""Which piece of which recording each example is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.datasets.decoded import Decoded
from nas.datasets.reading import Reading

USUAL_WINDOW = 128
"""Samples of a recording: 2.56 s of motion at 50 Hz, as in the UCI activity data."""
WHOLE_UP_TO = 1024
"""Samples up to which recordings of one length are taken whole."""
COVERED = 0.9
"""Part of all samples that lie in recordings of a window or more."""
SOUND_SECONDS = 1.0
"""Window of long sound recordings."""
CLIP_SHARE = 0.95
"""Part of the clips that should fit into a window whole."""


@dataclass(frozen=True, eq=False)
class Windows:
    """Example ``i`` has ``length`` rows of recording ``of[i]`` from row ``start[i]`` on; rows that it lacks are zero. ``words`` say
    how they were cut, ``short`` counts recordings that are too short for one, ``step`` is the rows from one window of a recording
    to the next, where it has several."""

    of: NDArray[np.int64]
    start: NDArray[np.int64]
    length: int
    words: str
    short: int = 0
    step: int | None = None

    def gather(self, data: Decoded, indices: NDArray[np.intp]) -> NDArray[Any]:
        """The rows of the examples at ``indices``, ``(n, length, ...)``, copied."""
        rows = np.zeros((len(indices), self.length, *data.values.shape[1:]), data.values.dtype)
        for row, index in zip(rows, indices, strict=True):
            begin = data.starts[self.of[index]] + self.start[index]
            end = min(begin + self.length, data.starts[self.of[index] + 1])
            row[: end - begin] = data.values[begin:end]
        return rows


def cut(data: Decoded, reading: Reading, where: str) -> Windows:
    """Windows over all examples of ``data``.

    :raises UserError: if none of the recordings is long enough, or examples that are no recordings differ in length.
    """
    lengths = data.lengths
    if not data.facts.windows:
        for option, value in (("--window", reading.window), ("--step", reading.step)):
            if value is not None:
                raise UserError(f"{option} {value}: {where} holds no recordings to cut; its examples are taken whole")
        if len(set(lengths.tolist())) != 1:
            raise UserError(f"{where}: its parts differ in size ({', '.join(map(str, sorted(set(lengths.tolist()))[:5]))} rows)")
        return Windows(np.arange(len(data)), np.zeros(len(data), np.int64), int(lengths[0]), "")
    if data.facts.kind == "audio" and np.median(lengths) < 2 * (reading.window or SOUND_SECONDS * (data.facts.rate or 1)):
        return _clips(data, reading)
    return _slide(data, reading, where)


def _slide(data: Decoded, reading: Reading, where: str) -> Windows:
    lengths, rate = data.lengths, data.facts.rate
    common = np.bincount(np.minimum(lengths, WHOLE_UP_TO + 1)).argmax()
    if reading.window:
        length = reading.window
    elif data.facts.kind == "audio":
        length = round(SOUND_SECONDS * (rate or 1))
    elif (lengths == common).mean() >= 0.9 and common <= WHOLE_UP_TO:
        length = int(common)
    else:
        length = _covering(lengths)
    step = reading.step or max(1, length // 2)
    counts = np.maximum(0, (lengths - length) // step + 1)
    if not counts.any():
        raise UserError(f"--window {length}: no recording of {where} is that long; the longest has {lengths.max()} samples")
    of = np.repeat(np.arange(len(data)), counts)
    start = (np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)) * step
    words = f"windows of {length} samples{_seconds(length, rate)}, one each {step} samples"
    return Windows(of, start, length, words, int((counts == 0).sum()), step)


def _covering(lengths: NDArray[np.int64]) -> int:
    """The usual window, or a shorter one where recordings that are long enough for it hold too few of the samples."""
    ordered = np.sort(lengths)[::-1]
    covered = np.cumsum(ordered) >= COVERED * ordered.sum()
    return int(min(USUAL_WINDOW, ordered[covered.argmax()]))


def _clips(data: Decoded, reading: Reading) -> Windows:
    """One window a clip: shorter ones are filled up with zeros, of longer ones the loudest piece is taken."""
    lengths, rate = data.lengths, data.facts.rate or 1.0
    if reading.step is not None:
        raise UserError(f"--step {reading.step}: these are single clips, of which one window is taken; give --window only")
    values, counts = np.unique(lengths, return_counts=True)
    common = int(values[counts.argmax()])
    tick = max(1, round(rate / 100))
    quantile = -(-int(np.quantile(lengths, CLIP_SHARE, method="higher")) // tick) * tick
    length = reading.window or (common if counts.max() >= len(lengths) / 2 else quantile)
    start = np.zeros(len(data), np.int64)
    for i in np.flatnonzero(lengths > length).tolist():
        start[i] = loudest(data.example(i), length)
    longer, shorter = int((lengths > length).sum()), int((lengths < length).sum())
    words = f"one window of {length} samples{_seconds(length, data.facts.rate)} of each clip"
    if longer:
        words += f"; of {longer} longer ones the loudest piece"
    if shorter:
        words += f"; {shorter} shorter ones end in silence"
    return Windows(np.arange(len(data)), start, length, words)


def loudest(rows: NDArray[Any], length: int) -> int:
    """Where the piece of ``length`` of ``rows`` ``(n, channels)`` begins that has the most energy."""
    power = np.cumsum(np.concatenate([[0.0], (rows.astype(np.float64) ** 2).sum(1)]))
    return int((power[length:] - power[:-length]).argmax())


def clip_window(sound: NDArray[np.int16], length: int) -> NDArray[np.int16]:
    """``sound`` ``(n,)`` as one example ``(length,)``, by the rule for clips: filled up with zeros, or its loudest piece."""
    begin = loudest(sound[:, None], length) if len(sound) > length else 0
    window = np.zeros(length, np.int16)
    piece = sound[begin : begin + length]
    window[: len(piece)] = piece
    return window


def _seconds(samples: int, rate: float | None) -> str:
    return f" ({samples / rate:.3g} s)" if rate else ""
