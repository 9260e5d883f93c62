"""What the conversion of each operator builds on: the file's tensors and operators as they come up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.exporters._bias import bias_quantization
from codegen.exporters.tflite._file import FileOperator, Number
from codegen.ir import DType, Graph, Op, Quantization, Tensor, Weighted


class FileBuilder:
    """Collects tensors and operators.

    Tensors enter the file when an operator first refers to them, and those made here are called after what their operator writes.
    So neither their order nor their names depend on anything but operators, and a file that is read and written again is the same.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.operators: list[FileOperator] = []
        self._tensors = {name: graph[name] for name in graph.inputs}
        self._made: dict[str, Tensor] = {}

    @property
    def tensors(self) -> list[Tensor]:
        """The file's tensors in order."""
        return list(self._tensors.values())

    def append(
        self, kind: str, version: int, inputs: Sequence[str], output: str, options: Mapping[int, Number] | None = None
    ) -> None:
        """Add an operator whose operands are tensors of the graph, or made by the methods below."""
        for name in (*inputs, output):
            if name not in self._tensors:
                self._tensors[name] = self._known(name)
        self.operators.append(FileOperator(kind, version, tuple(inputs), output, options or {}))

    def integers(self, output: str, label: str, values: Sequence[int], shape: tuple[int, ...] | None = None) -> str:
        """Name of a new int32 constant with axes, sizes and the like, for the operator that writes ``output``."""
        if not values:
            raise UserError(f"tensor {output!r} cannot be written as .tflite: the {label} of the operator that makes it is empty")
        array = np.array(values, np.int32).reshape(-1 if shape is None else shape)
        return self._make(f"{output}/{label}", array.shape, "int32", None, array)

    def fill(self, output: str, value: int) -> str:
        """Name of a new constant of one int8 number in the quantization of ``output``."""
        return self._make(f"{output}/value", (1,), "int8", self._known(output).quantization, np.array([value], np.int8))

    def activation(self, name: str, shape: tuple[int, ...], like: Tensor) -> str:
        """Name of a new activation in the quantization of ``like``, between two operators that one becomes."""
        return self._make(name, shape, like.dtype, like.quantization)

    def bias(self, op: Weighted) -> str | None:
        """Name of the bias, which enters the file with the scale that its use implies: that of the sums of products."""
        if op.bias is None:
            return None
        bias, quantization = self.graph[op.bias], bias_quantization(op, self.graph)
        known = self._tensors.get(bias.name)
        if known is not None and known.quantization != quantization:  # one bias of two layers
            return self._make(f"{op.output}/bias", bias.shape, "int32", quantization, bias.data)
        self._made[bias.name] = Tensor(bias.name, bias.shape, "int32", quantization, bias.data)
        return bias.name

    def _known(self, name: str) -> Tensor:
        return self._made.get(name) or self.graph[name]

    def _make(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: DType,
        quantization: Quantization | None,
        data: NDArray[Any] | None = None,
    ) -> str:
        while name in self._made or name in self.graph.tensors:
            name += "_"
        self._made[name] = Tensor(name, shape, dtype, quantization, data)
        return name


def unsupported(op: Op, reason: str) -> UserError:
    """What to raise for an operator that the format cannot express."""
    return UserError(f"operator {op.name!r} ({op.kind}) cannot be written as .tflite: {reason}")
