"""What a spectrogram of sound is made of, and which bytes it becomes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codegen.errors import UserError

VERSION = 1
LEAST_FFT, MOST_FFT = 32, 4096


@dataclass(frozen=True, slots=True)
class SpectrogramSettings:
    """A log-mel spectrogram, or MFCC, of 16-bit sound.

    Lengths are in samples, frequencies in Hz. A frame of ``frame`` samples is taken each ``hop`` samples, windowed (periodic Hann),
    filled up with zeros to ``fft``, transformed; powers are summed by ``bands`` triangles of height one, whose corners are equally
    spaced in mel (2595 log10(1 + f / 700)) from ``low`` to ``high``. Each sum's logarithm to base two, an octave of power or
    3.01 dB, is a *log-mel* value; ``coefficients`` above 0 asks for the first so many of their orthonormal DCT-II instead (*MFCC*;
    those of natural logarithms are these times ln 2).

    Values are normalised per column with ``mean`` and ``deviation`` (one each, or one for each column, in octaves), and stored as
    int8: ``q = clamp(zero_point + (value - mean) / deviation / scale)``. So ``(q - zero_point) * scale`` is the normalised value
    that a network is trained on, and ``scale`` and ``zero_point`` are those of its input.

    In the audio search space ``SpectrogramInput(bands, hop, frames)`` means by ``bands`` the :attr:`columns` (bands, or
    coefficients), by ``hop`` and ``spectrograms(..., frame=)`` milliseconds, which :func:`log_mel` and :func:`mfcc` take under the
    same names, and by ``frames`` :meth:`frames`. A spectrogram has the shape ``(frames, columns, 1)`` there and here.

    :raises UserError: naming the first value that makes no sense.
    """

    rate: int
    frame: int
    hop: int
    fft: int
    bands: int
    low: float
    high: float
    coefficients: int = 0
    mean: tuple[float, ...] = (24.0,)
    deviation: tuple[float, ...] = (8.0,)
    scale: float = 1 / 32
    zero_point: int = 0

    def __post_init__(self) -> None:
        for name in ("rate", "frame", "hop", "fft", "bands"):
            if getattr(self, name) < 1:
                raise UserError(f"features: {name} is {getattr(self, name)}; it must be 1 or more")
        if self.fft & (self.fft - 1) or not LEAST_FFT <= self.fft <= MOST_FFT:
            raise UserError(f"features: fft is {self.fft}; it must be a power of two from {LEAST_FFT} to {MOST_FFT}")
        if not 2 <= self.frame <= self.fft:
            raise UserError(
                f"features: frame is {self.frame} samples; it must be 2 to {self.fft}, the length of the transform (fft)"
            )
        if not self.hop < 2**24:
            raise UserError(f"features: hop is {self.hop} samples; it must be less than {2**24}")
        if not 0 <= self.low < self.high <= self.rate / 2:
            raise UserError(
                f"features: low is {self.low:g} and high {self.high:g} Hz; they must rise and lie in 0 to {self.rate / 2:g} Hz, "
                "half the rate"
            )
        if not 0 <= self.coefficients <= self.bands:
            raise UserError(f"features: coefficients is {self.coefficients}; it must be 0 (log-mel) to {self.bands}, the bands")
        self._check_bins()
        self._check_affine()

    def _check_bins(self) -> None:
        for band, (left, right) in enumerate(zip(self.corners, self.corners[2:], strict=False)):
            below, above = math.floor(left) + 1, math.ceil(right) - 1
            if below > above:
                width = self.rate / self.fft
                raise UserError(
                    f"features: band {band} of {self.bands} holds no frequency of a transform of {self.fft} samples, which are "
                    f"{width:.4g} Hz apart; take fewer bands, a longer fft or a wider range"
                )

    def _check_affine(self) -> None:
        for name in ("mean", "deviation"):
            given = getattr(self, name)
            if len(given) not in (1, self.columns) or not all(math.isfinite(v) for v in given):
                raise UserError(f"features: {name} has {len(given)} values; it must have one, or {self.columns}, all finite")
        if not (math.isfinite(self.scale) and self.scale > 0 and -128 <= self.zero_point <= 127):
            raise UserError(
                f"features: scale is {self.scale:g} and zero_point {self.zero_point}; they must be above 0 and in -128 to 127"
            )
        if not all(2.0**-9 <= d * self.scale <= 2.0**9 for d in self.deviation):
            worst = min(self.deviation, key=lambda d: min(d, 1 / d) if d > 0 else d)
            raise UserError(
                f"features: deviation {worst:g} and scale {self.scale:g} make a step of {worst * self.scale:g} octaves; "
                "it must lie in 1/512 to 512"
            )
        if not all(abs(m) <= 1e4 for m in self.mean):
            raise UserError(f"features: mean {max(self.mean, key=abs):g}; it must lie in ±10000 octaves")

    @property
    def columns(self) -> int:
        """Values of a frame: coefficients, or bands."""
        return self.coefficients or self.bands

    @property
    def state_bytes(self) -> int:
        """Bytes of ``<m>_features_state``, which lives between calls."""
        return 4 + -(-self.frame // 2) * 4

    @property
    def scratch_bytes(self) -> int:
        """Bytes of ``<m>_features_scratch``, which survives no call."""
        return 4 * self.fft

    @property
    def corners(self) -> tuple[float, ...]:
        """``bands + 2`` corners of the triangles, as fractional bins of the transform; triangle ``b`` rises from corner ``b`` to
        ``b + 1`` and falls to ``b + 2``."""
        low, high = (2595 * math.log10(1 + f / 700) for f in (self.low, self.high))
        steps = (low + (high - low) * i / (self.bands + 1) for i in range(self.bands + 2))
        inner = [700 * (10 ** (mel / 2595) - 1) for mel in steps][1:-1]
        return tuple(f * self.fft / self.rate for f in (self.low, *inner, self.high))

    def frames(self, samples: int) -> int:
        """How many whole frames lie in so many samples."""
        return 0 if samples < self.frame else 1 + (samples - self.frame) // self.hop

    def per_column(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """``mean`` or ``deviation``, one for each column."""
        return values if len(values) == self.columns else values * self.columns

    def to_json(self) -> dict[str, Any]:
        """What :func:`from_json` reads."""
        return {"version": VERSION, **{k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}}


def from_json(value: Mapping[str, Any]) -> SpectrogramSettings:
    """The settings that :meth:`SpectrogramSettings.to_json` wrote.

    :raises UserError: for another version, a name that is missing or not known, or a value that makes no sense.
    """
    if value.get("version") != VERSION:
        raise UserError(f"features: settings of version {value.get('version')}, this program reads version {VERSION}; update it")
    fields = {field.name: field for field in dataclasses.fields(SpectrogramSettings)}
    given = {name: content for name, content in value.items() if name != "version"}
    for name in given:
        if name not in fields:
            raise UserError(f"features: {name!r} is no setting; there are {', '.join(fields)}")
    required = [name for name, field in fields.items() if field.default is dataclasses.MISSING]
    for name in required:
        if name not in given:
            raise UserError(f"features: the setting {name!r} is missing")
    return SpectrogramSettings(**{name: _checked(name, fields[name].type, content) for name, content in given.items()})


def _checked(name: str, kind: Any, content: Any) -> Any:
    def number(v: Any) -> bool:
        return isinstance(v, int | float) and not isinstance(v, bool)

    if kind == "int" and number(content) and isinstance(content, int):
        return content
    if kind == "float" and number(content):
        return float(content)
    if kind.startswith("tuple") and isinstance(content, list) and all(number(v) for v in content):
        return tuple(float(v) for v in content)
    wanted = {"int": "a whole number", "float": "a number"}.get(kind, "a list of numbers")
    raise UserError(f"features: the setting {name!r} is {content!r}; it must be {wanted}")


def log_mel(
    rate: int, *, bands: int = 40, hop: int = 20, frame: int = 32, low: float = 20.0, high: float | None = None
) -> SpectrogramSettings:
    """A log-mel spectrogram of ``bands``, with ``hop`` and ``frame`` in milliseconds and ``high`` half the rate unless given.

    The transform is the shortest that holds a frame. Normalisation suits any recording, from silence to full scale;
    :func:`~codegen.features.normalization.normalized` fits it to one's own, which uses the 256 values better.

    :raises UserError: where a hop or frame is no whole number of samples, or as :class:`SpectrogramSettings` does.
    """
    length = _samples("frame", frame, rate)
    return SpectrogramSettings(
        rate=rate,
        frame=length,
        hop=_samples("hop", hop, rate),
        fft=_transform(length),
        bands=bands,
        low=low,
        high=rate / 2 if high is None else high,
    )


def mfcc(
    rate: int,
    coefficients: int = 10,
    *,
    bands: int = 40,
    hop: int = 20,
    frame: int = 32,
    low: float = 20.0,
    high: float | None = None,
) -> SpectrogramSettings:
    """The first ``coefficients`` of the DCT-II of a log-mel spectrogram; everything else as in :func:`log_mel`.

    :raises UserError: as :func:`log_mel` does.
    """
    of_bands = log_mel(rate, bands=bands, hop=hop, frame=frame, low=low, high=high)
    if coefficients < 1:
        raise UserError(f"features: coefficients is {coefficients}; MFCC need 1 to {bands}, the bands")
    root = math.sqrt(bands)
    return dataclasses.replace(
        of_bands,
        coefficients=coefficients,
        mean=(24.0 * root, *(0.0,) * (coefficients - 1)),
        deviation=(8.0 * root, *(8.0,) * (coefficients - 1)),
    )


def _samples(name: str, milliseconds: int, rate: int) -> int:
    samples, rest = divmod(rate * milliseconds, 1000)
    if rest:
        raise UserError(
            f"features: a {name} of {milliseconds} ms is no whole number of samples at {rate} Hz; "
            "take another length, or resample the sound to 8000 or 16000 Hz"
        )
    return samples


def _transform(frame: int) -> int:
    """The shortest transform that holds a frame."""
    return max(LEAST_FFT, 1 << max(frame - 1, 0).bit_length())
