"""Networks as chains of layers that know nothing of each other.

Most of the candidates of a search have most of their layers in common. A :class:`Link` is one such layer, without a place in a
network: what it costs is worked out once, however many networks it is part of. Links of one :class:`Mould` differ in the zero
points of what they read and write only.

A search makes hundreds of thousands of both, and they live on: they hold what tells them apart, no graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from codegen.ir import Graph, Op, Tensor


def layer_graph(op: Op, tensors: Sequence[Tensor]) -> Graph:
    """The graph of an operator alone, whose activations are the graph's inputs in order, given all tensors that it reads or
    writes."""
    known = {t.name: t for t in tensors}
    inputs = tuple(name for name in op.inputs if not known[name].constant)
    return Graph("layer", known, (op,), inputs, (op.output,))


@dataclass(frozen=True, slots=True, eq=False)
class Mould:
    """An operator with its tensors, whose zero points do not matter: ``layer`` makes the :func:`layer_graph` of it; ``back`` tells
    for each activation that it reads how many layers ago that was written, 1 being the layer right before.

    Compared by identity: who makes moulds makes each once.
    """

    layer: Callable[[], Graph]
    back: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A layer: ``zero_points`` are those of the operator's activations, inputs first, whatever the mould has; ``output`` is what it
    writes. Compared by identity, as moulds are."""

    mould: Mould
    zero_points: tuple[int, ...]
    output: Tensor

    def layer(self) -> Graph:
        """The graph of this operator alone, with the link's zero points."""
        return with_zero_points(self.mould.layer(), self.zero_points)


def with_zero_points(layer: Graph, zero_points: Sequence[int]) -> Graph:
    """The graph of one operator with these zero points for its inputs and its output."""
    changed = dict(layer.tensors)
    for name, zero_point in zip((*layer.inputs, *layer.outputs), zero_points, strict=True):
        quantization = changed[name].quantization
        if quantization is not None and quantization.zero_point != zero_point:
            changed[name] = replace(changed[name], quantization=replace(quantization, zero_point=zero_point))
    return replace(layer, tensors=changed)


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A network of ``links`` on one input; the last link's output is the network's."""

    source: Tensor
    links: Sequence[Link]

    def graph(self, name: str) -> Graph:
        """The network as a graph; layers are called by their numbers."""
        source = replace(self.source, name="input")
        tensors = {source.name: source}
        written = [source]
        ops: list[Op] = []
        for number, link in enumerate(self.links):
            layer, prefix = link.layer(), f"layer{number}_"
            (op,) = layer.ops
            names = {n: written[-back].name for n, back in zip(layer.inputs, link.mould.back, strict=True)}
            own = {n: replace(t, name=prefix + n) for n, t in layer.tensors.items() if n not in names}
            names |= {n: t.name for n, t in own.items()}
            changes = {a: names[n] for a in ("weight", "bias") if (n := getattr(op, a, None)) is not None}
            inputs = tuple(names[n] for n in op.inputs)
            ops.append(replace(op, name=f"layer{number}", inputs=inputs, output=names[op.output], **changes))
            tensors |= {t.name: t for t in own.values()}
            written.append(own[op.output])
        return Graph(name, tensors, tuple(ops), (source.name,), (written[-1].name,))
