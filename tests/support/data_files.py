"""Files as people have them: sounds, images and tables, written by the standard library and well-kept packages."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import wavfile

from nas.datasets import Reading
from nas.datasets.collection import Collection, open_collection


def opened(path: Path, **reading: Any) -> Collection:
    """The data at ``path``."""
    return open_collection(str(path), Reading(**reading))


def tone(samples: int, frequency: float = 440.0, rate: int = 8000) -> NDArray[np.float64]:
    """A sine of half the full scale."""
    wave_form: NDArray[np.float64] = 0.5 * np.sin(2 * np.pi * frequency * np.arange(samples) / rate)
    return wave_form


def write_wav(path: Path, signal: NDArray[np.float64], rate: int = 8000, form: str = "int16") -> None:
    """``signal`` ``(n,)`` or ``(n, channels)`` in -1..1 as ``uint8``, ``int16``, ``int24``, ``int32`` or ``float32``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "float32":
        wavfile.write(path, rate, signal.astype(np.float32))
        return
    bits = {"uint8": 8, "int16": 16, "int24": 24, "int32": 32}[form]
    integers = np.clip(np.rint(signal * 2.0 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1).astype(np.int64)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if signal.ndim == 1 else signal.shape[1])
        file.setsampwidth(bits // 8)
        file.setframerate(rate)
        flat = integers.ravel() + (128 if bits == 8 else 0)
        file.writeframes(b"".join(int(v).to_bytes(bits // 8, "little", signed=bits != 8) for v in flat))


def tones(folder: Path, count: int = 6) -> None:
    """Two classes of short tones."""
    for name, frequency in (("low", 200), ("high", 900)):
        for i in range(count):
            write_wav(folder / name / f"{i}.wav", tone(800, frequency + i))


def write_image(path: Path, pixels: NDArray[np.uint8]) -> None:
    """``pixels`` ``(H, W)`` or ``(H, W, 3)``; the path's ending says in which format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]], separator: str = ",") -> None:
    """A table with a header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(separator.join(map(str, row)) for row in [header, *rows]) + "\n", encoding="utf-8")


def random_images(folder: Path, classes: Sequence[str], count: int = 6, size: tuple[int, int] = (8, 8), seed: int = 0) -> None:
    """``count`` different grey images in a folder for each class."""
    rng = np.random.default_rng(seed)
    for name in classes:
        for i in range(count):
            write_image(folder / name / f"{i:03}.png", rng.integers(0, 256, size, np.uint8))


def random_recordings(
    folder: Path, classes: Sequence[str], count: int = 5, samples: int = 300, channels: int = 3, seed: int = 0
) -> None:
    """``count`` recordings of 50 Hz in a folder for each class, whose level tells the class."""
    rng = np.random.default_rng(seed)
    header = ["time_s", "acc_x", "acc_y", "acc_z"]
    for level, name in enumerate(classes):
        for i in range(count):
            values = rng.normal(level, 1.0, (samples, 3)).round(4)
            write_csv(folder / name / f"{i}.csv", header, [[f"{j / 50:.2f}", *row] for j, row in enumerate(values.tolist())])


def reasons(collection: Collection) -> dict[str, list[str]]:
    """What was left out: names by reason."""
    return {skipped.reason: list(skipped.names) for skipped in collection.data.skipped}
