"""The C code of a stream compiled for this machine, with every undefined behaviour trapped, and networks to stream to."""

from __future__ import annotations

import ctypes
import dataclasses
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
from codegen.anomaly import anomaly_detector
from codegen.boards import load_board
from codegen.compile import CompiledModel, compile_graph
from codegen.cores import find_core
from codegen.features import RawInput
from codegen.project import write_project
from codegen.streaming import AnomalyDetection, Classification, Stream, StreamSettings, sound_stream
from codegen.streaming.records import record_type
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


def autoencoder() -> ir.Graph:
    """Reconstructs windows of the series, on another grid."""
    builder = GraphBuilder(NAME, seed=6)
    x = builder.input(1, *SERIES.shape, grid=(SERIES.scale, SERIES.zero_point))
    return builder.graph(builder.conv(builder.conv(x, 6, (1, 3), padding="same", relu=True), 3, (1, 3), padding="same"))


GRAPHS = {"sound": network(), "series": series_network(SERIES), "levels": level_network(), "machine": autoencoder()}


@cache
def streams() -> dict[str, Stream]:
    """One of each kind, with room for four or five decisions in its means; the last one detects anomalies."""
    sound = sound_stream(GRAPHS["sound"], FRONT_END)
    assert sound is not None
    named, unnamed = Classification(("walk", "idle", "a/* */b"), (1,)), Classification(("a", "b", "c"))
    heard = Classification(sound.task.names, (1,))
    machine = anomaly_detector(GRAPHS["machine"], channels=True, floor=1e-4, threshold=122_000, false_alarms=0.01)
    machine = dataclasses.replace(machine, usual=(90_000, 87_000, 84_000))
    return {
        "sound": Stream(FRONT_END, heard, StreamSettings(2, 5, 9000, 3), sound.rate),
        "series": Stream(SERIES, named, StreamSettings(7, 5, 12000, 2), 50.0),
        "levels": Stream(LEVELS, unnamed, StreamSettings(2, 4, 10000, 0), 50.0),
        "machine": Stream(SERIES, AnomalyDetection(machine), StreamSettings(7, 5, 122_000, 2), 50.0),
    }


@cache
def compiled_stream(kind: str, core: str = "cortex-m4") -> CompiledModel:
    """A network with its stream, compiled once per session."""
    stream = streams()[kind]
    detector = stream.task.detector if isinstance(stream.task, AnomalyDetection) else None
    model = compile_graph(GRAPHS[kind], find_core(core), name=NAME, front_end=stream.source, detector=detector)
    return model.with_stream(stream)


@cache
def project(kind: str) -> Path:
    """Its C project, written once per session."""
    directory = Path(tempfile.mkdtemp(prefix="stream-")) / NAME
    write_project(compiled_stream(kind), directory, board=load_board("nucleo-l4r5zi"), report={})
    return directory


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
        self._arena_bytes = compiled_stream(kind).arena_bytes

    def options(self, values: Sequence[int]) -> ctypes.Array[ctypes.c_char]:
        """``<m>_stream_options`` of hop, smoothing, threshold and refractory."""
        return ctypes.create_string_buffer(np.array(tuple(values), self.stream.state_type["options"]).tobytes())

    def pushed(self, samples: NDArray[Any], lengths: Sequence[int], options: StreamSettings) -> tuple[NDArray[Any], NDArray[Any]]:
        """What is known after each push, and the means of all values."""
        state, arena = _Guarded(self.stream.state_bytes), _Guarded(self._arena_bytes)
        given = self.options((options.hop, options.smoothing, options.threshold, options.refractory))
        assert self.c.streamed_stream_start(state.pointer, given) == 0
        seen = state.read(self.stream.state_type)
        records, means, start = np.zeros(len(lengths), record_type(self.stream.task)), [], 0
        for record, length in zip(records, lengths, strict=True):
            piece = np.ascontiguousarray(samples[start : start + length])
            start += length
            arena.fill()
            count = self.c.streamed_push(state.pointer, arena.pointer, ctypes.c_void_p(piece.ctypes.data), ctypes.c_size_t(length))
            state.check()
            arena.check()
            record["decisions"] = count
            for name in ("detected", *self.stream.task.unknown.dtype.names):
                record[name] = seen[name]
            means.append(self._means(state))
        return records, np.array(means).reshape(-1, self.stream.task.width)

    def _means(self, state: _Guarded) -> list[int]:
        if isinstance(self.stream.task, AnomalyDetection):
            return [int(state.read(self.stream.state_type)["mean"])]
        probability = self.c.streamed_stream_probability
        probability.restype = ctypes.c_uint16
        return [probability(state.pointer, ctypes.c_size_t(i)) for i in range(self.stream.task.width)]


@cache
def stream_library(kind: str) -> StreamLibrary:
    """One for each kind and session."""
    return StreamLibrary(kind)


class _Guarded:
    """Garbage of ``size`` bytes between bytes that must not change."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._memory = np.full(size + 2 * _GUARD + 8, 0xA5, np.uint8)
        self._begin = _GUARD + -self._memory.ctypes.data % 8
        self.address = self._memory.ctypes.data + self._begin
        self.pointer = ctypes.c_void_p(self.address)

    def read(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """The memory as one of these, which follows it."""
        view: NDArray[Any] = self._memory[self._begin : self._begin + self._size].view(dtype)[0]
        return view

    def fill(self) -> None:
        self._memory[self._begin : self._begin + self._size] = 0x5A

    def check(self) -> None:
        assert (self._memory[: self._begin] == 0xA5).all(), "wrote before the start"
        assert (self._memory[self._begin + self._size :] == 0xA5).all(), "wrote behind the end"
