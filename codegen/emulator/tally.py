"""What inferences took in total, so that those of several machines can be added before means are formed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codegen.emulator.interface import Execution, LayerProfile


@dataclass(frozen=True, slots=True)
class LayerTally:
    """One layer's instructions and cycles in all inferences, and the functions that it ran. Of an inference that was watched:
    cycles that unaligned loads cost, and bytes that loads read from flash."""

    name: str
    instructions: int
    cycles: int
    functions: frozenset[str]
    unaligned_cycles: int = 0
    flash_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """Of inferences one after the other: the bytes of every output, the layers as in :class:`Execution`, the deepest stack."""

    outputs: tuple[tuple[bytes, ...], ...]
    layers: tuple[LayerTally, ...]
    stack_bytes: int

    def execution(self) -> Execution:
        """Means per inference. What was watched in one is taken to be the same in all."""
        n = len(self.outputs)
        cycles = [layer.cycles + n * layer.unaligned_cycles for layer in self.layers]
        layers = tuple(
            LayerProfile(layer.name, layer.instructions / n, c / n, layer.flash_bytes, layer.functions)
            for layer, c in zip(self.layers, cycles, strict=True)
        )
        totals = (sum(p.instructions for p in layers), sum(p.cycles for p in layers), sum(p.flash_bytes for p in layers))
        return Execution(self.outputs, *totals, layers, self.stack_bytes)


def total(tallies: Sequence[Tally]) -> Tally:
    """All inferences of ``tallies``, of one program, in their order. The first tells what was watched."""
    return Tally(
        outputs=tuple(outputs for tally in tallies for outputs in tally.outputs),
        layers=tuple(_layer(of_one) for of_one in zip(*(tally.layers for tally in tallies), strict=True)),
        stack_bytes=max(tally.stack_bytes for tally in tallies),
    )


def _layer(tallies: Sequence[LayerTally]) -> LayerTally:
    first = tallies[0]
    return LayerTally(
        first.name,
        sum(tally.instructions for tally in tallies),
        sum(tally.cycles for tally in tallies),
        frozenset().union(*(tally.functions for tally in tallies)),
        first.unaligned_cycles,
        first.flash_bytes,
    )
