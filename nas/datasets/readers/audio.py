"""Class folders of WAV files, by scipy."""

from __future__ import annotations

import io
import struct
import warnings
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.datasets.decoded import Facts, Writer
from nas.datasets.readers._base import ClassFolderReader, Example

RATES = range(1_000, 384_001)


class AudioReader(ClassFolderReader):
    """Mono sound of 16 bits at the commonest rate; stereo is mixed down, other widths are rounded, other rates resampled."""

    name = "audio"
    what = "WAV files"
    suffixes = frozenset({".wav", ".wave"})

    def decode(self, writer: Writer) -> Facts:
        examples, facts = self.examples(writer)
        found = {example.file.name: self._rate_of(example, writer) for example in examples}
        rates = {name: rate for name, rate in found.items() if rate is not None}
        if not rates:
            raise UserError(f"{self.listing.root}: no readable WAV file in a class folder")
        common = Counter(rates.values())
        rate = min(common, key=lambda r: (-common[r], -r))
        mixed, widths, resampled = 0, Counter[str](), Counter[int]()
        for example in examples:
            if example.file.name not in rates:
                continue
            try:
                own_rate, samples = _decode(self.content(example.file))
                signal = mono(samples)
            except (OSError, ValueError) as error:
                writer.skip(example.file.name, _reason(error))
                continue
            mixed += samples.ndim == 2 and samples.shape[1] > 1
            widths[samples.dtype.name] += 1
            resampled[own_rate] += own_rate != rate
            writer.add(_at_rate(signal, own_rate, rate)[:, None], example.label, example.file.name, example.part, example.group)
        for own_rate, count in sorted((+resampled).items()):
            writer.note(f"{count} files of {own_rate} Hz are resampled to {rate} Hz")
        if mixed:
            writer.note(f"{mixed} files of several channels are mixed down to one")
        if set(widths) - {"int16"}:
            names = {"uint8": "8 bits", "int32": "24 or 32 bits", "float32": "float", "float64": "float of 64 bits"}
            for dtype, count in sorted(widths.items()):
                if dtype != "int16":
                    writer.note(f"{count} files of {names.get(dtype, dtype)} are rounded to 16 bits")
        return replace(facts, kind="audio", channels=("sound",), rate=float(rate), unit=1 / 32768, windows=True)

    def _rate_of(self, example: Example, writer: Writer) -> int | None:
        try:
            return _rate(self.content(example.file)[:65536])
        except (OSError, ValueError) as error:
            writer.skip(example.file.name, _reason(error))
            return None


def read_wav(path: Path, rate: int) -> NDArray[np.int16]:
    """The sound in a file as a data set has it: int16 ``(n,)`` at ``rate``, mixed down and resampled where it has to be.

    :raises UserError: if there is no such file, or it is no WAV file that can be read.
    """
    try:
        content = path.read_bytes()
        _rate(content[:65536])
        own_rate, samples = _decode(content)
        return _at_rate(mono(samples), own_rate, rate)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {_reason(error)}; a WAV file is needed") from None


def _at_rate(signal: NDArray[np.float64], own_rate: int, rate: int) -> NDArray[np.int16]:
    if own_rate != rate:
        signal = resample(signal, own_rate, rate)
    return np.clip(np.rint(signal), -32768, 32767).astype(np.int16)


def mono(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Samples ``(n,)`` or ``(n, channels)`` of any width of WAV as the mean of the channels in units of 16-bit sound.

    :raises ValueError: if there are none, or some are not finite.
    """
    if samples.size == 0:
        raise ValueError("holds no samples")
    scaled = samples.astype(np.float64)
    if samples.dtype == np.uint8:
        scaled = (scaled - 128) * 256
    elif samples.dtype == np.int32:  # scipy keeps 24 bits in the upper ones
        scaled /= 65536
    elif samples.dtype == np.int64:
        scaled /= 2.0**48
    elif samples.dtype.kind == "f":
        if not np.isfinite(scaled).all():
            raise ValueError("holds samples that are not finite")
        scaled *= 32768
    mean: NDArray[np.float64] = scaled if scaled.ndim == 1 else scaled.mean(1)
    return mean


def resample(signal: NDArray[np.float64], rate: float, wanted: float) -> NDArray[np.float64]:
    """``signal`` ``(n, ...)`` along its first axis at another rate, by scipy's polyphase filter."""
    from scipy.signal import resample_poly

    ratio = Fraction(wanted / rate).limit_denominator(1000)
    resampled: NDArray[np.float64] = resample_poly(signal, ratio.numerator, ratio.denominator, axis=0)
    return resampled


def _rate(head: bytes) -> int:
    """Samples a second, from the file's beginning.

    :raises ValueError: if it is no WAV file.
    """
    if not head:
        raise ValueError("empty file")
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64") or head[8:12] != b"WAVE":
        raise ValueError("not a WAV file")
    order = ">" if head[:4] == b"RIFX" else "<"
    at = 12
    while at + 8 <= len(head):
        name, size = head[at : at + 4], struct.unpack_from(order + "I", head, at + 4)[0]
        if name == b"fmt " and at + 16 <= len(head):
            rate: int = struct.unpack_from(order + "I", head, at + 12)[0]
            if rate not in RATES:
                raise ValueError(f"a rate of {rate} Hz")
            return rate
        at += 8 + size + size % 2
    raise ValueError("damaged: no format chunk")


def _decode(content: bytes) -> tuple[int, NDArray[Any]]:
    """Rate and samples, ``(n,)`` or ``(n, channels)``.

    :raises ValueError: if the file is damaged, cut short or of a coding that scipy does not read.
    """
    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message="Reached EOF prematurely")
        try:
            rate, samples = wavfile.read(io.BytesIO(content))
        except wavfile.WavFileWarning:
            raise ValueError("cut short") from None
        except (
            ValueError,
            struct.error,
            TypeError,
            KeyError,
            ZeroDivisionError,
            UnboundLocalError,
            OverflowError,
            MemoryError,
        ) as error:
            text = str(error)
            if "format" in text.lower() and "unknown wave" in text.lower():
                raise ValueError("its coding is neither PCM nor float") from None
            raise ValueError("damaged, or cut short") from None
    return int(rate), samples


def _reason(error: BaseException) -> str:
    return f"cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
