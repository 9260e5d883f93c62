"""What a graph has learnt, to be compared."""

from __future__ import annotations

from codegen.ir import Graph


def weights(graph: Graph) -> dict[str, bytes]:
    """The bytes of every constant by its name."""
    return {tensor.name: tensor.data.tobytes() for tensor in graph.tensors.values() if tensor.data is not None}
