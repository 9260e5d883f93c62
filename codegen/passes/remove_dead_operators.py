"""Operators that no output depends on."""

from __future__ import annotations

from codegen.ir import Graph
from codegen.passes._base import Pass
from codegen.passes._draft import Draft


class RemoveDeadOperators(Pass):
    """Also removes the constants that only such operators read."""

    name = "remove_dead_operators"

    def run(self, graph: Graph) -> Graph:
        needed = set(graph.outputs)
        for op in reversed(graph.ops):
            if op.output in needed:
                needed.update(op.inputs)
        draft = Draft(graph)
        for op in graph.ops:
            if op.output not in needed:
                draft.put(op)
        return draft.finish()
