"""A graph that is being rewritten."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace

from codegen.ir import Graph, Op, Tensor


class Draft:
    """Operators and tensors of a graph, open to change until :meth:`finish`."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.tensors = dict(graph.tensors)
        self.ops = list(graph.ops)
        self.changed = False

    def __getitem__(self, tensor: str) -> Tensor:
        return self.tensors[tensor]

    def snapshot(self) -> Graph:
        """The draft as it is, unchecked, for functions that ask for a graph."""
        return Graph(self._graph.name, self.tensors, tuple(self.ops), self._graph.inputs, self._graph.outputs)

    def named(self, name: str) -> Op | None:
        """The operator of this name, if it is still there."""
        return next((op for op in self.ops if op.name == name), None)

    def producer(self, tensor: str) -> Op | None:
        """The operator that writes ``tensor``; None for inputs and constants."""
        return next((op for op in self.ops if op.output == tensor), None)

    def readers(self, tensor: str) -> list[Op]:
        """The operators that read ``tensor``."""
        return [op for op in self.ops if tensor in op.inputs or tensor in op.parameters]

    def read_only_by(self, tensor: str, reader: Op) -> bool:
        """Whether nobody else needs the value of ``tensor``."""
        return tensor not in (*self._graph.inputs, *self._graph.outputs) and self.readers(tensor) == [reader]

    def add(self, tensor: Tensor) -> str:
        """File a new tensor; its name, to which a number is added where it is taken."""
        name = _free(tensor.name, self.tensors)
        self.tensors[name] = replace(tensor, name=name)
        self.changed = True
        return name

    def free_op_name(self, name: str) -> str:
        """``name``, with a number where an operator has it already."""
        return _free(name, {op.name for op in self.ops})

    def put(self, old: Op, *new: Op) -> None:
        """Replace one operator by others."""
        at = next(i for i, op in enumerate(self.ops) if op is old)
        self.ops[at : at + 1] = new
        self.changed = True

    def bypass(self, op: Op) -> bool:
        """Remove an operator whose output equals its only input in every respect; False where both have to stay."""
        source, output = op.inputs[0], op.output
        if output not in self._graph.outputs:
            kept, gone = source, output
        elif source not in (*self._graph.inputs, *self._graph.outputs) and not self[source].constant:
            kept, gone = output, source
        else:
            return False
        self.put(op)
        self.ops = [renamed(other, gone, kept) for other in self.ops]
        return True

    def finish(self) -> Graph:
        """The rewritten graph without tensors that nobody uses, validated; the original one where nothing changed."""
        if not self.changed:
            return self._graph
        used = {*self._graph.inputs, *self._graph.outputs}
        used.update(name for op in self.ops for name in (*op.inputs, *op.parameters, op.output))
        self.tensors = {name: t for name, t in self.tensors.items() if name in used}
        return self.snapshot().validate()


def renamed(op: Op, old: str, new: str) -> Op:
    """``op`` with ``new`` for ``old`` among its activations."""
    if op.output != old and old not in op.inputs:
        return op
    inputs = tuple(new if name == old else name for name in op.inputs)
    return replace(op, inputs=inputs, output=new if op.output == old else op.output)


def _free(name: str, taken: Container[str]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"
