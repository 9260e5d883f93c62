"""The form of weights of four bits in flash, and which weights have it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from codegen.int4 import LEAST_WEIGHTS, as_bytes, int4_chain, int4_graph, packed
from codegen.ir import DepthwiseConv2D, GraphError, Tensor, Weighted
from search_spaces import ImageSpace

SPACE = ImageSpace((16, 16, 3), 10)


def unpacked(words: NDArray[np.uint32], count: int) -> NDArray[np.int8]:
    """The first ``count`` weights."""
    both = words.astype("<u4").view(np.uint8).reshape(-1, 1, 4)
    nibbles = np.concatenate([both & 15, both >> 4], axis=1).ravel()
    return (nibbles[:count].astype(np.int16) - 8).astype(np.int8)


@given(st.lists(st.integers(-8, 7), min_size=1, max_size=40))
def test_what_is_packed_is_unpacked(values: list[int]) -> None:
    weights = np.array(values, np.int8)
    words = packed(weights)
    assert words.dtype == np.uint32
    assert len(words) == -(-len(values) // 8)
    assert np.array_equal(unpacked(words, len(values)), weights)
    assert not unpacked(words, 8 * len(words))[len(values) :].any(), "what fills up the last word is zero"


def test_the_first_four_weights_are_the_low_halves() -> None:
    assert packed(np.array([-8, -7, -6, -5, 7, 6, 5, 4], np.int8)).tolist() == [0xC3D2E1F0]


def test_wide_layers_have_four_bits_and_depthwise_ones_keep_eight() -> None:
    rng = np.random.default_rng(0)
    wide = 0
    for _ in range(40):
        given_graph = SPACE.graph(SPACE.sample(rng))
        graph = int4_graph(given_graph)
        for op in graph.ops:
            if isinstance(op, Weighted):
                short = graph[op.weight].dtype == "int4"
                assert short == (not isinstance(op, DepthwiseConv2D) and graph[op.weight].size >= LEAST_WEIGHTS)
                wide += short
        again = as_bytes(graph)
        assert {t.name: t.dtype for t in again.tensors.values()} == {t.name: t.dtype for t in given_graph.tensors.values()}
    assert wide > 60


def test_equal_links_become_equal_ones() -> None:
    """What a cost model knows of a link it finds by the object."""
    architecture = SPACE.sample(np.random.default_rng(1))
    chain = SPACE.chain(architecture)
    assert [id(link) for link in int4_chain(chain).links] == [id(link) for link in int4_chain(chain).links]


def test_int4_is_of_constants_in_range() -> None:
    with pytest.raises(GraphError, match=r"'w': declared int4, but has values outside -8\.\.7"):
        Tensor("w", (2,), "int4", data=np.array([7, 8], np.int8))
    graph = SPACE.graph(SPACE.smallest())
    (name,) = graph.outputs
    damaged = replace(graph, tensors={**graph.tensors, name: Tensor(name, graph[name].shape, "int4")})
    with pytest.raises(GraphError, match=f"'{name}' is int4, which only constants are"):
        damaged.validate()
