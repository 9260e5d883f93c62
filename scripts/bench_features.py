"""What features cost on a device and how far they are from the formula, beside the time that numpy takes for them.

Run it as ``python scripts/bench_features.py [--core CORE ...] [--optimize LEVEL] [--wav DIR] [--json]``. ``--wav`` is a folder of
16-bit mono WAV files of one rate, each of which is also run through the C code, built for this machine, and compared to the byte.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
import tempfile
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.cores import find_core
from codegen.errors import UserError
from codegen.features import SpectrogramSettings, c_sources, costs, features, float_values, log_mel, mfcc, values
from codegen.optimize import OPTIMIZE, Optimize
from codegen.toolchain import ZigCompiler

KINDS = {
    "log-mel 40, 16 kHz, 32 ms": log_mel(16000),
    "log-mel 10, 16 kHz, 32 ms": log_mel(16000, bands=10),
    "MFCC 10 of 40, 16 kHz, 32 ms": mfcc(16000),
    "log-mel 40, 16 kHz, 25 ms": log_mel(16000, frame=25),
    "log-mel 40, 8 kHz, 32 ms": log_mel(8000),
    "MFCC 13 of 20, 8 kHz, 32 ms": mfcc(8000, 13, bands=20),
}
FLOOR = 0.0
"""Octaves of squared sample steps below which errors do not count: rounding a sound to 16 bits makes more noise than that."""


def bench_costs(cores: list[str], optimize: Optimize) -> list[dict[str, Any]]:
    """A row for each kind and core; a column of features is one frame's."""
    rows = []
    for kind, settings in KINDS.items():
        for name in cores:
            found = costs(settings, find_core(name), optimize)
            rows.append(
                {
                    "features": kind,
                    "core": name,
                    "state": found.state,
                    "scratch": found.scratch,
                    "stack": found.stack,
                    "code": found.flash.code,
                    "constants": found.flash.constants,
                    "instructions": round(found.instructions),
                    "cycles": round(found.cycles),
                    "MHz at 50/s": round(found.cycles * 50 / 1e6, 2),
                }
            )
    return rows


def bench_recordings(folder: Path) -> list[dict[str, Any]]:
    """Time, error and differing bytes over every WAV file of a folder, for the kinds of its rate."""
    sounds, rate = read_sounds(folder)
    rows = []
    for kind, settings in KINDS.items():
        if settings.rate != rate:
            continue
        whole = [sound for sound in sounds if len(sound) >= settings.frame]
        start = time.perf_counter()
        made = [features(settings, sound[None])[0, ..., 0] for sound in whole]
        seconds = time.perf_counter() - start
        with tempfile.TemporaryDirectory(prefix="features-") as scratch:
            library = build(settings, Path(scratch))
            differ = sum(int((in_c(library, settings, s) != m).sum()) for s, m in zip(whole, made, strict=True))
        exact = np.concatenate([np.maximum(float_values(settings, s[None])[0], FLOOR) for s in whole])
        found = np.concatenate([np.maximum(values(settings, s[None])[0], FLOOR) for s in whole])
        error = np.abs(found - exact)
        row = {
            "features": kind,
            "files": len(whole),
            "bytes": sum(m.size for m in made),
            "differ from C": differ,
            "numpy, s": round(seconds, 1),
        }
        if not settings.coefficients:  # the floor is one of log powers
            row |= {
                "SNR, dB": round(10 * np.log10(((exact - exact.mean(axis=0)) ** 2).sum() / (error**2).sum()), 1),
                "mean error, octaves": round(float(error.mean()), 4),
                "99.9 % within": round(float(np.quantile(error, 0.999)), 3),
            }
        rows.append(row)
    return rows


def read_sounds(folder: Path) -> tuple[list[NDArray[np.int16]], int]:
    """Every WAV file below ``folder``, and their rate."""
    sounds, rates = [], set()
    for path in sorted(folder.rglob("*.wav")):
        with wave.open(str(path)) as sound:
            if (sound.getnchannels(), sound.getsampwidth()) != (1, 2):
                raise UserError(
                    f"{path}: has {sound.getnchannels()} channels of {8 * sound.getsampwidth()} bits; one of 16 is needed"
                )
            rates.add(sound.getframerate())
            sounds.append(np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.int16))
    if len(rates) != 1:
        raise UserError(f"--wav {folder}: holds WAV files of {len(rates)} rates; give a folder with those of one")
    return sounds, rates.pop()


def build(settings: SpectrogramSettings, directory: Path) -> Any:
    """The C code as a library of this machine that stops at undefined behaviour."""
    for path, text in c_sources(settings, "bench").items():
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_text(text, encoding="utf-8")
    library = ctypes.CDLL(
        str(
            ZigCompiler().build_host(
                sorted((directory / "src").glob("*.c")),
                include_dirs=[directory / "include", directory / "src"],
                output=directory / "features.so",
                flags=("-shared", "-fPIC", "-fsanitize=undefined", "-fsanitize-trap=undefined"),
            )
        )
    )
    library.bench_features.restype = ctypes.c_size_t
    return library


def in_c(library: Any, settings: SpectrogramSettings, sound: NDArray[np.int16]) -> NDArray[np.int8]:
    """What the C code makes of a whole sound, ``(frames, columns)``."""
    columns = np.empty((settings.frames(len(sound)), settings.columns), np.int8)
    scratch = np.empty(settings.fft, np.int32)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (np.ascontiguousarray(sound), scratch, columns)]
    count = library.bench_features(pointers[0], ctypes.c_size_t(len(sound)), *pointers[1:])
    if count != len(columns):
        raise UserError(f"the C code made {count} columns instead of {len(columns)}")
    return columns


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as a table in Markdown."""
    head = list(dict.fromkeys(key for row in rows for key in row))
    lines = [head, ["---"] * len(head)]
    lines += [[f"{row[key]:,}" if isinstance(row.get(key), int) else str(row.get(key, "")) for key in head] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--core", action="append", help="cortex-m4 and cortex-m0plus unless given")
    parser.add_argument("--optimize", choices=tuple(OPTIMIZE), default="balanced")
    parser.add_argument("--wav", type=Path, help="a folder of WAV files")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    try:
        result = {"costs": bench_costs(options.core or ["cortex-m4", "cortex-m0plus"], options.optimize)}
        if options.wav:
            result["recordings"] = bench_recordings(options.wav)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(result, indent=2) if options.json else "\n\n".join(map(table, result.values())))
    return 1 if any(row["differ from C"] for row in result.get("recordings", ())) else 0


if __name__ == "__main__":
    sys.exit(main())
