"""Small networks of windows, vectors and images, with what makes their inputs of recorded numbers."""

from __future__ import annotations

from functools import cache

import numpy as np
from graphs import GraphBuilder

from codegen import ir
from codegen.compile import CompiledModel, compile_graph
from codegen.cores import find_core
from codegen.features import RawInput

MOTION = RawInput(
    "window",
    "float32",
    (1, 16, 3),
    tuple(np.array([0.01, -9.81, 101325.0], np.float32).tolist()),
    tuple(np.array([4321.0, 0.7, 0.2], np.float32).tolist()),
    0.031,
    -5,
)
"""Channels of very different size and offset."""
HEARTBEATS = RawInput("window", "int16", (1, 24, 1), (-12.3456,), (0.0087,), 0.02, 3)
FLOWERS = RawInput("values", "float32", (1, 1, 4), (5.8, 3.0, 3.7, 1.2), (1.2, 2.3, 0.57, 1.3), 0.023, 0)
PHOTOS = RawInput("image", "uint8", (6, 6, 3), (0.0,), (1 / 255,), 1 / 255, -128)
MURKY = RawInput("image", "uint8", (6, 6, 1), (11.0,), (0.0123,), 0.0091, -70)
"""Bytes that are no network's input less 128."""
RAW_INPUTS = {"motion": MOTION, "heartbeats": HEARTBEATS, "flowers": FLOWERS, "photos": PHOTOS, "murky": MURKY}


def network(name: str) -> ir.Graph:
    """Takes what one of :data:`RAW_INPUTS` gives; three outputs."""
    front_end = RAW_INPUTS[name]
    builder = GraphBuilder(name, seed=7)
    x = builder.input(1, *front_end.shape, grid=(front_end.scale, front_end.zero_point))
    if front_end.noun != "values":
        height = 3 if front_end.noun == "image" else 1
        x = builder.global_pool(builder.conv(x, 8, (height, 3), strides=(1, 2), padding="same", relu=True))
    return builder.graph(builder.dense(x, 3))


@cache
def compiled_with_raw_input(name: str) -> CompiledModel:
    """The network for Cortex-M4, compiled once per session."""
    return compile_graph(network(name), find_core("cortex-m4"), name=name, front_end=RAW_INPUTS[name])
