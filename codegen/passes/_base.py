"""What a pass is: one small rewrite of a graph that changes no output bit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from codegen.ir import Graph


class Pass(ABC):
    """One rewrite. The graph's inputs and outputs keep their names, shapes, types and every bit of their values."""

    name: ClassVar[str]
    """Identifies the pass in reports; lower case with underscores."""

    @abstractmethod
    def run(self, graph: Graph) -> Graph:
        """The rewritten graph, validated; ``graph`` itself where there is nothing to do. Takes shape-only graphs too."""
