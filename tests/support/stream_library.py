"""The C code of a stream compiled for this machine, with every undefined behaviour trapped, and networks to stream to."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from graphs import GraphBuilder
from numpy.typing import NDArray
from sound_networks import FRONT_END, network

from codegen import ir
from codegen.boards import load_board
from codegen.compile import CompiledModel, compile_graph
from codegen.cores import find_core
from codegen.features import RawInput
from codegen.project import write_project
from codegen.stream_emulation import record_type
from codegen.streaming import Stream, StreamSettings, sound_stream
from codegen.toolchain import ZigCompiler

NAME = "streamed"
_GUARD = 64


def series_network(window: RawInput) -> ir.Graph:
    """Takes windows of a series; three outputs."""
    builder = GraphBuilder(NAME, seed=5)
    x = builder.input(1, *window.shape, grid=(window.scale, window.zero_point))
    x = builder.conv(x, 6, (1, 5), strides=(1, 2), padding="same", relu=True)
    return builder.graph(builder.dense(builder.global_pool(x), 3))


SERIES = RawInput("window", "float32", (1, 24, 3), (0.25, -3.0, 980.5), (2.0, 0.125, 0.0078125 / 3), float(np.float32(0.031)), -9)
LEVELS = RawInput("window", "int16", (1, 2, 3), (0.0,) * 3, (float(np.float32(0.05)),) * 3, float(np.float32(0.05)), 0)
"""Recorded numbers are the network's input as they are."""


def level_network() -> ir.Graph:
    """Its outputs are its input's mean over the window: what does not change comes out as it went in."""
    builder = GraphBuilder(NAME, seed=5)
    return builder.graph(builder.global_pool(builder.input(1, *LEVELS.shape, grid=(LEVELS.scale, LEVELS.zero_point))))


GRAPHS = {"sound": network(), "series": series_network(SERIES), "levels": level_network()}


def streams() -> dict[str, Stream]:
    """One of each kind, with room for five decisions in its means."""
    sound = sound_stream(GRAPHS["sound"], FRONT_END)
    assert sound is not None
    classes = ("walk", "idle", "a/* */b")
    return {
        "sound": Stream(FRONT_END, StreamSettings(2, 5, 9000, 3, sound.settings.classes, (1,)), sound.rate),
        "series": Stream(SERIES, StreamSettings(7, 5, 12000, 2, classes, (1,)), 50.0),
        "levels": Stream(LEVELS, StreamSettings(2, 4, 10000, 0, classes), 50.0),
    }


@cache
def compiled_stream(kind: str, core: str = "cortex-m4") -> CompiledModel:
    """A network with its stream, compiled once per session."""
    stream = streams()[kind]
    return compile_graph(GRAPHS[kind], find_core(core), name=NAME, front_end=stream.source, stream=stream)


@cache
def project(kind: str) -> Path:
    """Its C project, written once per session."""
    directory = Path(tempfile.mkdtemp(prefix="stream-")) / NAME
    write_project(compiled_stream(kind), directory, board=load_board("nucleo-l4r5zi"), report={})
    return directory


class Options(ctypes.Structure):
    """``<m>_stream_options``."""

    _fields_ = tuple((name, ctypes.c_uint16) for name in ("hop", "smoothing", "threshold", "refractory"))


class StreamLibrary:
    """``<m>_push`` of a project; what surrounds state and arena is checked after each call."""

    def __init__(self, kind: str) -> None:
        self.stream = streams()[kind]
        self.graph = GRAPHS[kind]
        directory = project(kind)
        library = ZigCompiler().build_host(
            sorted((directory / "src").glob("*.c")),
            include_dirs=[directory / "include", directory / "src"],
            output=directory.parent / "stream.so",
            flags=["-shared", "-fPIC", "-fsanitize=undefined", "-fsanitize-trap=undefined"],
        )
        self.c = ctypes.CDLL(str(library))
        self.c.streamed_stream_probability.restype = ctypes.c_uint16
        self._arena_bytes = compiled_stream(kind).arena_bytes
        self._state = _state_type(self.stream)
        assert ctypes.sizeof(self._state) == self.stream.state_bytes

    def pushed(self, samples: NDArray[Any], lengths: Sequence[int], options: StreamSettings) -> tuple[NDArray[Any], NDArray[Any]]:
        """What is known after each push, and the smoothed probabilities of all classes."""
        classes = len(options.classes)
        state, arena = _Guarded(self.stream.state_bytes), _Guarded(self._arena_bytes)
        given = Options(options.hop, options.smoothing, options.threshold, options.refractory)
        assert self.c.streamed_stream_start(state.pointer, ctypes.byref(given)) == 0
        seen = self._state.from_address(state.address)
        records, likely, start = np.zeros(len(lengths), record_type(classes)), [], 0
        for record, length in zip(records, lengths, strict=True):
            piece = np.ascontiguousarray(samples[start : start + length])
            start += length
            arena.fill()
            count = self.c.streamed_push(state.pointer, arena.pointer, ctypes.c_void_p(piece.ctypes.data), ctypes.c_size_t(length))
            state.check()
            arena.check()
            record["decisions"] = count
            for name in ("detected", "top", "probability"):
                record[name] = getattr(seen, name)
            record["scores"] = list(seen.scores)
            likely.append([self.c.streamed_stream_probability(state.pointer, ctypes.c_size_t(i)) for i in range(classes)])
        return records, np.array(likely).reshape(-1, classes)


@cache
def stream_library(kind: str) -> StreamLibrary:
    """One for each kind and session."""
    return StreamLibrary(kind)


def _state_type(stream: Stream) -> type[ctypes.Structure]:
    classes = len(stream.settings.classes)
    front = [] if stream.sample_shape else [("features", ctypes.c_int32 * (stream.source.state_bytes // 4))]
    counts = [(name, ctypes.c_uint16) for name in ("at", "due", "slot", "kept", "since")]
    fields = [
        *front,
        ("sums", ctypes.c_uint32 * classes),
        ("options", Options),
        ("history", ctypes.c_uint16 * (stream.settings.smoothing * classes)),
        *counts,
        *((name, ctypes.c_int16) for name in ("held", "detected", "top")),
        ("probability", ctypes.c_uint16),
        ("scores", ctypes.c_int8 * classes),
        ("rows", ctypes.c_int8 * (stream.rows * stream.row_bytes)),
    ]
    return type("State", (ctypes.Structure,), {"_fields_": fields})


class _Guarded:
    """Garbage of ``size`` bytes between bytes that must not change."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._memory = np.full(size + 2 * _GUARD + 8, 0xA5, np.uint8)
        self._begin = _GUARD + -self._memory.ctypes.data % 8
        self.address = self._memory.ctypes.data + self._begin
        self.pointer = ctypes.c_void_p(self.address)

    def fill(self) -> None:
        self._memory[self._begin : self._begin + self._size] = 0x5A

    def check(self) -> None:
        assert (self._memory[: self._begin] == 0xA5).all(), "wrote before the start"
        assert (self._memory[self._begin + self._size :] == 0xA5).all(), "wrote behind the end"
