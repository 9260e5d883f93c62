"""A person's long recordings, as the stream of a project takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.units import format_count

if TYPE_CHECKING:
    from codegen.streaming import Stream
    from codegen.streaming.verify import StreamVerification

SHOWN = 20
"""Detections that are printed."""


def read_stream(directory: Path, path: Path) -> NDArray[Any]:
    """The recording at ``path`` for the project in ``directory``: a WAV file as int16 ``(n,)``, a CSV file as float32
    ``(n, channels)``, brought to the project's rate.

    :raises UserError: if the project takes none, or the file cannot be read or does not suit it.
    """
    from codegen.project import read_project
    from nas.datasets.readers.audio import read_wav

    stream = read_project(directory).stream
    if stream is None:
        raise UserError(f"--stream {path}: the project in {directory} takes no stream; those of searches over sound or series do")
    sound, wave = not stream.sample_shape, path.suffix.lower() in (".wav", ".wave")
    if sound != wave:
        raise UserError(f"--stream {path}: the project in {directory} takes {'WAV' if sound else 'CSV'} files")
    return read_wav(path, round(stream.rate)) if sound else _read_series(directory, path, stream)


def _read_series(directory: Path, path: Path, stream: Stream) -> NDArray[np.float32]:
    from nas.datasets.readers.audio import resample
    from nas.datasets.readers.recordings import SAME_RATE, read_recording

    try:
        recording = read_recording(path.read_bytes())
    except OSError as error:
        raise UserError(f"--stream {path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"--stream {path}: {error}") from None
    about = json.loads((directory / "report.json").read_text(encoding="utf-8")).get("data") or {}
    names = tuple(about.get("channels") or ())
    columns = list(range(len(recording.channels)))
    if names and sorted(names) == sorted(recording.channels):
        columns = [recording.channels.index(name) for name in names]
    elif len(columns) != stream.row_bytes or (names and any(not name.startswith("channel ") for name in recording.channels)):
        wanted = ", ".join(names) or f"{stream.row_bytes} columns of numbers"
        raise UserError(f"--stream {path}: has the columns {', '.join(recording.channels)}; the project takes {wanted}")
    if recording.damaged:
        raise UserError(f"--stream {path}: {recording.damaged} lines hold a missing or damaged number; mend or remove them")
    values = recording.values[:, columns]
    if recording.rate and stream.rate and abs(recording.rate / stream.rate - 1) > SAME_RATE:
        values = resample(values, recording.rate, stream.rate)
    return values.astype(np.float32)


def render_stream(path: Path, result: StreamVerification) -> str:
    """The verification as lines of text for a person."""
    stream, rate = result.stream, result.stream.rate
    verdict = "bit-exact" if result.bit_exact else "NOT bit-exact"
    differ = "all equal" if result.bit_exact else f"after {result.mismatches} of them something differs"
    length = f"{result.samples / rate:,.1f} s" if rate else f"{result.samples:,} samples"
    lines = [
        f"{verdict}: {path}, {length} in {result.pushes:,} pushes, {len(result.expected):,} decisions, {differ}",
        "",
        f"core          {result.core}" + (f" on {result.board.name}" if result.board else ""),
        f"state         {stream.state_bytes:,} bytes of the caller's   (stack {result.stack:,})",
    ]
    if result.cycles_a_second is not None:
        load = "" if result.load is None else f"   ({result.load:.2%} of the board's time, without stalls of its memory)"
        lines.append(f"cycles        {result.cycles_a_second:,.0f} per second of signal{load}")
    else:
        lines.append(f"cycles        {result.cycles / result.samples:,.0f} per sample")
    events = [f"{at / rate:.2f} s {name}" if rate else f"{at} {name}" for at, name in result.events[:SHOWN]]
    more = f" and {format_count(len(result.events) - SHOWN)} more" if len(result.events) > SHOWN else ""
    lines.append(f"detections    {', '.join(events) or 'none'}{more}")
    return "\n".join(lines)
