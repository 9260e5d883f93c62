"""Which weights take four bits where that is wanted, and their form in flash.

Most of a network's constants are the weights of few wide layers. Those of the others, of depthwise filters above all, are few,
each weighs much in the result, and a call that unpacks them would take more flash than they would save: they keep eight bits.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codegen.chain import Chain, Link, Mould
from codegen.ir import Conv2D, FullyConnected, Graph, Op

WeightBits = Literal[4, 8]
"""Bits that weights take in flash."""
LEAST_WEIGHTS = 256
"""A layer of fewer weights keeps eight bits."""
WORD = 8
"""Weights in a word of 32 bits."""
_OFFSET = 8
"""What makes a weight an unsigned nibble."""


def takes_int4(kind: type[Op], weights: int) -> bool:
    """Whether the weights, so many, of an operator of this kind take four bits where that is wanted."""
    return kind in (Conv2D, FullyConnected) and weights >= LEAST_WEIGHTS


def int4_graph(graph: Graph) -> Graph:
    """A shape-only graph with four bits for the weights that take them."""
    tensors = dict(graph.tensors)
    for op in graph.ops:
        for name in op.parameters[:1]:
            if takes_int4(type(op), graph[name].size):
                tensors[name] = replace(graph[name], dtype="int4")
    return replace(graph, tensors=tensors)


def as_bytes(graph: Graph) -> Graph:
    """The same network, its weights of four bits as bytes of the same values."""
    return replace(graph, tensors={t.name: replace(t, dtype="int8") if t.dtype == "int4" else t for t in graph.tensors.values()})


def int4_chain(chain: Chain) -> Chain:
    """The same of a chain. Equal links become equal ones, so that what is known of them stays of use."""
    return Chain(chain.source, [_link(link) for link in chain.links])


_MOST_LINKS = 1 << 19
"""Links that are kept; with more, all are forgotten, as those that they are made of are."""
_moulds: dict[Mould, Mould] = {}
_links: dict[Link, Link] = {}


def _link(link: Link) -> Link:
    known = _links.get(link)
    if known is None:
        if len(_links) >= _MOST_LINKS:
            _links.clear()
            _moulds.clear()
        known = _links[link] = replace(link, mould=_mould(link.mould))
    return known


def _mould(mould: Mould) -> Mould:
    known = _moulds.get(mould)
    if known is None:
        layer = mould.layer
        known = _moulds[mould] = replace(mould, layer=lambda: int4_graph(layer()))
    return known


def packed(weights: NDArray[np.int8]) -> NDArray[np.uint32]:
    """Weights in -8..7 as words of eight, the last one filled up with zeros: of word ``w`` bits 0 to 3 of byte ``b`` hold weight
    ``8w + b``, bits 4 to 7 weight ``8w + 4 + b``, both raised by 8. Two masks so give four weights each, in their order."""
    nibbles = np.full(-(-weights.size // WORD) * WORD, _OFFSET, np.uint8)
    nibbles[: weights.size] = weights.astype(np.int16).ravel() + _OFFSET
    halves = nibbles.reshape(-1, 2, 4)
    return (halves[:, 0] | halves[:, 1] << 4).copy().view("<u4").ravel().astype(np.uint32)
