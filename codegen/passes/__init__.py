"""Graph-to-graph passes, in the order in which they run between import and kernel selection.

Every pass keeps the graph's outputs bit by bit for every input; the numpy reference judges that in the tests. A pass that needs
the weights leaves a shape-only graph as it is.
"""

from __future__ import annotations

from codegen.ir import Graph
from codegen.passes._base import Pass
from codegen.passes.average_means import AverageMeans
from codegen.passes.fold_activations import FoldActivations
from codegen.passes.fold_constant_channels import FoldConstantChannels
from codegen.passes.fold_constants import FoldConstants
from codegen.passes.fold_padding import FoldPadding
from codegen.passes.remove_dead_operators import RemoveDeadOperators
from codegen.passes.remove_identities import RemoveIdentities
from codegen.passes.remove_unused_channels import RemoveUnusedChannels
from codegen.passes.sink_transposes import SinkTransposes
from codegen.passes.split_batches import SplitBatches

__all__ = ["PASSES", "Pass", "run_passes"]

PASSES: tuple[Pass, ...] = (
    RemoveDeadOperators(),
    SplitBatches(),
    FoldConstants(),
    SinkTransposes(),
    AverageMeans(),
    RemoveIdentities(),
    FoldPadding(),
    FoldActivations(),
    FoldConstantChannels(),
    RemoveUnusedChannels(),
)
"""Every pass, in order."""


def run_passes(graph: Graph) -> Graph:
    """``graph`` after all passes, again and again until none has anything to do; the same object where that is so at once."""
    while True:
        before = graph
        for rewrite in PASSES:
            graph = rewrite.run(graph)
        if graph is before:
            return graph
