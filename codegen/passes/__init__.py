"""Graph-to-graph passes, in the order in which they run between import and kernel selection.

Every pass keeps the graph's outputs bit by bit for every input; the numpy reference judges that in the tests. A pass that needs
the weights leaves a shape-only graph as it is.
"""

from __future__ import annotations

from codegen.ir import Graph
from codegen.passes._base import Pass

__all__ = ["PASSES", "Pass", "run_passes"]

PASSES: tuple[Pass, ...] = ()
"""Every pass, in order."""


def run_passes(graph: Graph) -> Graph:
    """``graph`` after all passes; the same object where none has anything to do."""
    for rewrite in PASSES:
        graph = rewrite.run(graph)
    return graph
