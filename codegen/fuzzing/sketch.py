"""A random graph while it is being drawn: tensors so far, choices that often hit borders, and notes on which were hit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from codegen.ir import DType, Graph, GraphError, Op, Quantization, Tensor, Weighted, output_shape
from codegen.requantize import INT32_MAX, INT32_MIN, REQUANTIZING, Activation, accumulator_range, activation_range, multipliers

T = TypeVar("T")

ACTIVATIONS: tuple[Activation, ...] = ("none", "none", "relu", "relu6", "relu_n1_to_1")
CHANNELS = (1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 12, 13, 16, 17, 24, 33)
LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11)
MOST_ELEMENTS = 3000
"""Bound on the elements of an activation: what goes wrong goes wrong in small tensors."""


BORDERS = (
    "bias: far beyond the products",
    "bias: none",
    "bias: sums around 2^30",
    "bias: sums around 2^31",
    "clamp: one value",
    "concatenation: one tensor twice",
    "depthwise: channel multiplier",
    "graph: an input that nothing reads",
    "graph: an output that is read too",
    "graph: dead operators",
    "graph: several outputs",
    "identity: Concatenation",
    "identity: Pad",
    "identity: Quantize",
    "identity: Reshape",
    "identity: Slice",
    "identity: Transpose",
    "input: channels not divisible by 4",
    "input: one channel",
    "input: one pixel",
    "matrix product: several rows",
    "operands: a constant of the whole shape",
    "operands: a new input",
    "operands: both broadcast",
    "operands: broadcast",
    "operands: constant",
    "operands: exchanged",
    "operands: one tensor twice",
    "output: one pixel",
    "pad: another value than the zero point",
    "padding: asymmetric",
    "padding: windows outside the input",
    "pooling: more than 361 cells",
    "quantize: from float32",
    "reduction: no batch axis left",
    "requantisation: factor a power of two",
    "requantisation: factor above one",
    "requantisation: factor near zero",
    "scale: extreme",
    "scale: power of two",
    "slice: backwards",
    "slice: fewer axes",
    "softmax: long rows",
    "weights: filters of zeros",
    "weights: four bits",
    "weights: greatest magnitude",
    "weights: mostly zero",
    "weights: one scale for all channels",
    "window: dilation",
    "window: larger than the input",
    "window: long",
    "window: stride beyond it",
    "window: the whole input",
    "zero point: -128",
    "zero point: 127",
)
"""Every note that a sketch can take, so that the ones never taken can be listed."""


class Unsuitable(Exception):  # noqa: N818 - a choice to take back, no error
    """What was drawn is no valid operator; draw again."""


class Sketch:
    """Operators are appended with :meth:`append`, which refuses what the importers refuse; ``borders`` are the notes."""

    def __init__(self, name: str, rng: np.random.Generator) -> None:
        self.name = name
        self.rng = rng
        self.borders: set[str] = set()
        self._notes: set[str] = set()
        self._tensors: dict[str, Tensor] = {}
        self._drafts: dict[str, Tensor] = {}
        self._ops: list[Op] = []
        self._inputs: list[str] = []

    def note(self, border: str) -> None:
        """Note a border case of :data:`BORDERS`; it counts once the operator that is being drawn is appended."""
        if border not in BORDERS:
            raise ValueError(f"{border!r} is not listed in BORDERS")
        self._notes.add(border)

    # Choices

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def choice(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[int(self.rng.integers(len(options)))]

    def integer(self, low: int, high: int) -> int:
        """A number of ``low..high``, both included."""
        return int(self.rng.integers(low, high + 1))

    def scale(self) -> float:
        """A scale as networks have them, at times a power of two (which makes ties) or an extreme one."""
        if self.chance(0.2):
            self.note("scale: power of two")
            return 2.0 ** self.integer(-9, 1)
        if self.chance(0.08):
            self.note("scale: extreme")
            return float32(2.0 ** self.rng.uniform(-24, 10))
        return float32(2.0 ** self.rng.uniform(-8, 0))

    def zero_point(self) -> int:
        """A zero point, often at an end of the range."""
        value = self.choice((-128, -128, 127, 0, self.integer(-128, 127), self.integer(-128, 127)))
        if value in (-128, 127):
            self.note(f"zero point: {value}")
        return value

    def quantization(self) -> Quantization:
        """Scale and zero point of an activation."""
        return Quantization((self.scale(),), self.zero_point())

    def image_shape(self) -> tuple[int, ...]:
        """``(1, H, W, C)``."""
        tall = self.chance(0.2)
        while True:
            height = self.integer(12, 40) if tall else self.choice(LENGTHS)
            shape = (1, height, self.choice(LENGTHS), self.choice(CHANNELS))
            if math.prod(shape) <= MOST_ELEMENTS:
                return shape

    def shape(self) -> tuple[int, ...]:
        """Any shape of one to four axes behind a batch axis of 1, mostly an image."""
        if self.chance(0.7):
            return self.image_shape()
        return (1, *self.image_shape()[-self.integer(1, 2) :])

    # Tensors

    def __getitem__(self, name: str) -> Tensor:
        found = self._drafts.get(name)
        return self._tensors[name] if found is None else found

    def input(self, shape: tuple[int, ...], quantization: Quantization | None = None, dtype: DType = "int8") -> Tensor:
        """A new input of the graph."""
        quantized = None if dtype != "int8" else quantization or self.quantization()
        tensor = Tensor(f"input_{len(self._inputs)}", shape, dtype, quantized)
        self._inputs.append(tensor.name)
        self._tensors[tensor.name] = tensor
        return tensor

    def operand(self, rank: int | None = None) -> Tensor:
        """An int8 activation, mostly the latest that has this rank, or a new input."""
        found = [t for t in self.live() if t.shape and rank in (None, len(t.shape))]
        if not found or self.chance(0.07):
            return self.input(self.image_shape() if rank == 4 else self.shape())
        return found[-1] if self.chance(0.7) else self.choice(found)

    def live(self) -> list[Tensor]:
        """The int8 activations so far."""
        return [t for t in self._tensors.values() if not t.constant and t.dtype == "int8"]

    def tensor(
        self,
        label: str,
        shape: Sequence[int],
        quantization: Quantization | None = None,
        data: NDArray[Any] | None = None,
        dtype: DType = "int8",
    ) -> str:
        """Name of a new tensor of the operator that is being drawn: its output or a constant."""
        tensor = Tensor(f"op_{len(self._ops)}_{label}", tuple(int(d) for d in shape), dtype, quantization, data)
        self._drafts[tensor.name] = tensor
        return tensor.name

    def clamp(self, quantization: Quantization) -> tuple[int, int]:
        """The range of a random fused activation."""
        clamp = activation_range(self.choice(ACTIVATIONS), quantization.scale[0], quantization.zero_point)
        if clamp[0] == clamp[1]:
            self.note("clamp: one value")
        return clamp

    # Operators

    @property
    def next_name(self) -> str:
        """Name for the operator that is being drawn."""
        return f"op_{len(self._ops)}"

    def shape_of(self, op: Op) -> tuple[int, ...]:
        """The shape that ``op``, whose output is not drawn yet, will produce.

        :raises Unsuitable: if its operands do not suit it or the result is empty or large.
        """
        try:
            shape = output_shape(op, self._graph())
        except GraphError as error:
            raise Unsuitable(str(error)) from error
        if shape is None or math.prod(shape) > MOST_ELEMENTS or min(shape, default=1) < 1:
            raise Unsuitable(f"{op.kind} would give {shape}")
        return shape

    def append(self, op: Op) -> None:
        """Add an operator with the tensors that were drawn for it.

        :raises Unsuitable: if its scales cannot be represented or its sums can leave 32 bits.
        """
        graph = self._graph()
        try:
            output_shape(op, graph)
            if isinstance(op, REQUANTIZING) and graph[op.inputs[0]].dtype == "int8":
                multipliers(op, graph)
        except GraphError as error:
            raise Unsuitable(str(error)) from error
        if isinstance(op, Weighted):
            low, high = accumulator_range(op, graph)
            if low.min() < INT32_MIN or high.max() > INT32_MAX:
                raise Unsuitable("its sums can leave 32 bits")
        self._tensors.update(self._drafts)
        self.borders |= self._notes
        self._ops.append(op)
        self.discard()

    def discard(self) -> None:
        """Forget the tensors and notes of an operator that was not appended."""
        self._drafts.clear()
        self._notes.clear()

    def graph(self, outputs: Sequence[str]) -> Graph:
        """The finished graph."""
        return Graph(self.name, dict(self._tensors), tuple(self._ops), tuple(self._inputs), tuple(outputs)).validate()

    @property
    def inputs(self) -> list[Tensor]:
        """The graph's inputs so far."""
        return [self._tensors[name] for name in self._inputs]

    def producer(self, name: str) -> Op | None:
        """The operator that writes a tensor."""
        return next((op for op in self._ops if op.output == name), None)

    def unread(self) -> list[str]:
        """Results that no operator reads."""
        read = {name for op in self._ops for name in op.inputs}
        return [op.output for op in self._ops if op.output not in read]

    @property
    def ops(self) -> Sequence[Op]:
        """The operators so far."""
        return self._ops

    def _graph(self) -> Graph:
        return Graph(self.name, {**self._tensors, **self._drafts}, (), (), ())


def float32(value: float) -> float:
    """``value`` rounded to the precision of a file's scales."""
    return float(np.float32(value))
