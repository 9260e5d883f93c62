"""What each layer of a network takes of memory and time, as planned and predicted before anything is built."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codegen.boards import Board
    from codegen.ir import Graph
    from cost_models import CostModel


@dataclass(frozen=True, slots=True)
class LayerShare:
    """One layer's share of a network.

    ``ram``: bytes of the arena that hold something while it runs, as planned and therefore as built; ``code``: predicted bytes of
    its own function, 0 where an earlier layer has the same one; ``constants``: exact bytes of weights, biases and tables;
    ``cycles`` predicted for an inference.
    """

    name: str
    op: str
    macs: int
    ram: int
    code: int
    constants: int
    cycles: int

    @property
    def flash(self) -> int:
        """Code and constants, in bytes."""
        return self.code + self.constants

    def to_json(self) -> dict[str, Any]:
        """The object that reports hold for a layer."""
        return asdict(self)


def layer_shares(graph: Graph, cost_model: CostModel, board: Board) -> tuple[LayerShare, ...]:
    """The layers of ``graph`` (shapes are enough) in the order in which they run on ``board``.

    :raises UserError: as :meth:`cost_models.CostModel.predict` does.
    """
    from codegen.compile import lay_out
    from codegen.cores import find_core
    from codegen.memory_map import areas, bytes_in_use

    layout = lay_out(graph, find_core(board.core), cost_model.optimize)
    found = areas(layout)
    return tuple(
        LayerShare(
            layer.name,
            layer.op,
            layer.macs,
            bytes_in_use(found, number),
            round(layer.code),
            layer.constants,
            round(layer.cycles),
        )
        for number, layer in enumerate(cost_model.layers(layout))
    )
