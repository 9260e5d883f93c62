"""A small network of spectrograms with what makes them of sound."""

from __future__ import annotations

from functools import cache

import numpy as np
from graphs import GraphBuilder
from numpy.typing import NDArray

from codegen import ir
from codegen.compile import CompiledModel, compile_graph
from codegen.cores import find_core
from codegen.features import FrontEnd, log_mel
from codegen.optimize import Optimize

NAME = "keywords"
FRONT_END = FrontEnd(log_mel(8000, bands=12), 9)


def network(front_end: FrontEnd = FRONT_END) -> ir.Graph:
    """Takes what ``front_end`` gives; four outputs."""
    builder = GraphBuilder(NAME, seed=11)
    x = builder.input(1, *front_end.shape, grid=(front_end.settings.scale, front_end.settings.zero_point))
    x = builder.conv(x, 8, (3, 3), strides=(2, 2), padding="same", relu=True)
    x = builder.depthwise(x, (3, 3), padding="same", relu=True)
    return builder.graph(builder.dense(builder.global_pool(x), 4))


@cache
def compiled_with_features(
    front_end: FrontEnd = FRONT_END, core: str = "cortex-m4", optimize: Optimize = "balanced"
) -> CompiledModel:
    """The network, compiled once per session."""
    return compile_graph(network(front_end), find_core(core), name=NAME, optimize=optimize, front_end=front_end)


def sounds(front_end: FrontEnd, count: int, seed: int = 0) -> NDArray[np.int16]:
    """Noise whose loudness changes, silence first: int16 ``(count, samples)``."""
    rng = np.random.default_rng(seed)
    loudness = np.repeat(10 ** rng.uniform(0, 4, (count, -(-front_end.samples // 200))), 200, axis=1)[:, : front_end.samples]
    made = np.clip(loudness * rng.standard_normal(loudness.shape), -32768, 32767).astype(np.int16)
    made[0] = 0
    return made
