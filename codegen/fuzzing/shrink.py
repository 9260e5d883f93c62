"""The smallest piece of a failing graph that still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from codegen.fuzzing.graphs import Sample
from codegen.ir import Graph
from codegen.reference import run
from codegen.samples import sample_shape


def shrink(sample: Sample, fails: Callable[[Sample], bool]) -> Sample:
    """The first of the sample's stretches of operators, shortest first, that ``fails``; the sample itself if none does."""
    return next((piece for piece in pieces(sample) if fails(piece)), sample)


def pieces(sample: Sample) -> Iterator[Sample]:
    """Every stretch of consecutive operators as a graph of its own with the inputs that reach it, shortest first."""
    graph = sample.graph
    values = run(graph, sample.inputs, keep_all=True)
    for length in range(1, len(graph.ops)):
        for start in range(len(graph.ops) - length + 1):
            piece = _stretch(graph, start, start + length)
            inputs = {}
            for name in piece.inputs:
                inputs[name] = values[name].reshape(-1, *sample_shape(piece[name]))
            if inputs:
                yield replace(sample, graph=piece, inputs=inputs)


def _stretch(graph: Graph, start: int, end: int) -> Graph:
    ops = graph.ops[start:end]
    made = {op.output for op in ops}
    read = dict.fromkeys(name for op in ops for name in op.inputs)
    later = {name for op in graph.ops[end:] for name in op.inputs} | set(graph.outputs)
    outputs = [op.output for op in ops if op.output in later or op.output not in read]
    needed = {*read, *made, *(name for op in ops for name in op.parameters)}
    return Graph(
        name=graph.name,
        tensors={name: t for name, t in graph.tensors.items() if name in needed},
        ops=ops,
        inputs=tuple(name for name in read if name not in made and not graph[name].constant),
        outputs=tuple(outputs),
    ).validate()
