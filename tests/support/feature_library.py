"""The C code of features compiled for this machine, with every undefined behaviour trapped, and recordings to run it on."""

from __future__ import annotations

import ctypes
import io
import tarfile
import tempfile
import wave
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codegen.features import SpectrogramSettings, c_sources
from codegen.toolchain import ZigCompiler

WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wcast-align", "-Wpedantic", "-Werror")
_GUARD = 64


class FeatureLibrary:
    """The functions of ``<m>_features.h``. What surrounds state, scratch and columns is checked after each call."""

    def __init__(self, settings: SpectrogramSettings, directory: Path) -> None:
        self._settings = settings
        write_sources(settings, "host", directory)
        flags = ("-shared", "-fPIC", "-fsanitize=undefined", "-fsanitize-trap=undefined", *WARNINGS)
        library = ZigCompiler().build_host(
            sorted((directory / "src").glob("*.c")),
            include_dirs=[directory / "include", directory / "src"],
            output=directory / "features.so",
            flags=flags,
        )
        loaded = ctypes.CDLL(str(library))
        self._start, self._push, self._whole = loaded.host_features_start, loaded.host_features_push, loaded.host_features
        self._push.restype = self._whole.restype = ctypes.c_size_t
        self._state_bytes = 4 + -(-settings.frame // 2) * 4

    def whole(self, samples: NDArray[np.int16]) -> NDArray[np.int8]:
        """The columns ``(frames, columns)`` of a clip, at once."""
        most = self._settings.frames(len(samples))
        given, scratch, columns = _copy(samples), _Guarded(4 * self._settings.fft), _Guarded(most * self._settings.columns)
        count = self._whole(given.pointer, ctypes.c_size_t(len(samples)), scratch.pointer, columns.pointer)
        assert count == most
        scratch.check()
        return columns.check().view(np.int8).reshape(count, self._settings.columns)

    def pushed(self, samples: NDArray[np.int16], cuts: Sequence[int]) -> NDArray[np.int8]:
        """The columns of a clip that comes in pieces, cut at these places."""
        state = _Guarded(self._state_bytes)
        self._start(state.pointer)
        made = []
        for piece in np.split(samples, sorted(cuts)):
            most = -(-len(piece) // self._settings.hop)
            given, scratch, columns = _copy(piece), _Guarded(4 * self._settings.fft), _Guarded(most * self._settings.columns)
            count = self._push(state.pointer, scratch.pointer, given.pointer, ctypes.c_size_t(len(piece)), columns.pointer)
            assert count <= most
            for memory in (state, scratch):
                memory.check()
            made.append(columns.check().view(np.int8).reshape(most, self._settings.columns)[:count])
        return np.concatenate(made)


class _Guarded:
    """Garbage of ``size`` bytes between bytes that must not change."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._memory = np.full(size + 2 * _GUARD, 0xA5, np.uint8)
        assert self._memory.ctypes.data % 8 == 0
        self.pointer = ctypes.c_void_p(self._memory.ctypes.data + _GUARD)

    def check(self) -> NDArray[np.uint8]:
        assert (self._memory[:_GUARD] == 0xA5).all(), "wrote before the start"
        assert (self._memory[_GUARD + self._size :] == 0xA5).all(), "wrote behind the end"
        return self._memory[_GUARD : _GUARD + self._size]

    @property
    def content(self) -> NDArray[np.uint8]:
        return self._memory[_GUARD : _GUARD + self._size]


def _copy(samples: NDArray[np.int16]) -> _Guarded:
    memory = _Guarded(samples.nbytes)
    memory.content[:] = samples.view(np.uint8)
    return memory


def write_sources(settings: SpectrogramSettings, name: str, directory: Path) -> None:
    """Write the C files into ``directory``."""
    for path, text in c_sources(settings, name).items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text, encoding="utf-8")


@cache
def library(settings: SpectrogramSettings) -> FeatureLibrary:
    """One library for each settings and session."""
    return FeatureLibrary(settings, Path(tempfile.mkdtemp(prefix="features-")))


def recordings(archive: Path, every: int) -> Iterator[tuple[str, NDArray[np.int16]]]:
    """Name and samples of every so-manieth WAV file of a ``.tar.xz``."""
    with tarfile.open(archive) as files:
        names = 0
        for member in files:
            if not member.name.endswith(".wav"):
                continue
            names += 1
            if names % every:
                continue
            content = files.extractfile(member)
            assert content is not None
            with wave.open(io.BytesIO(content.read())) as sound:
                assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
                yield member.name, np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.int16)


def as_clips(sounds: Sequence[NDArray[np.int16]], samples: int) -> NDArray[np.int16]:
    """Clips ``(n, samples)``, cut or padded with zeros."""
    clips = np.zeros((len(sounds), samples), np.int16)
    for clip, sound in zip(clips, sounds, strict=True):
        clip[: len(sound)] = sound[:samples]
    return clips
