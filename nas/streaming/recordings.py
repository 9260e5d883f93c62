"""A person's long recordings, as the stream of a project takes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.units import format_count

if TYPE_CHECKING:
    from codegen.stream_emulation import Detection, StreamVerification
    from codegen.streaming import Stream

SHOWN = 20
"""Detections that are printed."""


def read_stream(directory: Path, stream: Stream, path: Path) -> NDArray[Any]:
    """The recording at ``path`` for the ``stream`` of the project in ``directory``: a WAV file as int16 ``(n,)``, a CSV file as
    ``(n, channels)`` numbers of the type that was recorded, brought to the project's rate.

    :raises UserError: if the file cannot be read or does not suit it.
    """
    from nas.datasets.readers.audio import read_wav

    sound, wave = not stream.sample_shape, path.suffix.lower() in (".wav", ".wave")
    if sound != wave:
        raise UserError(f"--stream {path}: the project in {directory} takes {'WAV' if sound else 'CSV'} files")
    return read_wav(path, round(stream.rate)) if sound else _read_series(directory, path, stream)


def _detection(one: Detection, rate: float, *, alarms: bool) -> str:
    """When, and which class, or at which score."""
    when = f"{one.sample / rate:.2f} s" if rate else str(one.sample)
    return f"{when} ({one.value:.3f})" if alarms else f"{when} {one.name}"


def _read_series(directory: Path, path: Path, stream: Stream) -> NDArray[Any]:
    from nas.datasets.readers.audio import resample
    from nas.datasets.readers.recordings import read_recording, same_rate
    from nas.inputs.raw_files import about_data, as_stored, channel_order

    try:
        recording = read_recording(path.read_bytes())
        order = channel_order(recording.channels, about_data(directory).get("channels") or (), stream.row_bytes)
    except OSError as error:
        raise UserError(f"--stream {path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"--stream {path}: {error}") from None
    if recording.damaged:
        raise UserError(f"--stream {path}: {recording.damaged} lines hold a missing or damaged number; mend or remove them")
    values = recording.values[:, order]
    if recording.rate and stream.rate and not same_rate(recording.rate, stream.rate):
        values = resample(values, recording.rate, stream.rate)
    return as_stored(values, stream.sample_type)


def render_stream(path: Path, result: StreamVerification) -> str:
    """The verification as lines of text for a person."""
    from codegen.streaming import AnomalyDetection

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
    alarms, found = isinstance(stream.task, AnomalyDetection), result.detections
    shown = [_detection(one, rate, alarms=alarms) for one in found[:SHOWN]]
    more = f" and {format_count(len(found) - SHOWN)} more" if len(found) > SHOWN else ""
    lines.append(f"{'alarms' if alarms else 'detections':<13} {', '.join(shown) or 'none'}{more}")
    if alarms:
        threshold = float(stream.task.real(np.array(stream.settings.threshold)))
        lines[-1] += f"   (mean score in brackets; above {threshold:.3f})"
    return "\n".join(lines)
