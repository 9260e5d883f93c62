"""Operators of the int8 graph: what each one is and its attributes; :mod:`codegen.ir` holds the graph and the shape rules.

Every class stands for an operator of TFLite with the integer semantics of TensorFlow Lite Micro; :mod:`codegen.reference`
computes it. Shapes are NHWC with a batch axis of 1.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Padding:
    """Cells added around the spatial axes; they hold the input's zero point."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """An operator: reads ``inputs`` (activations, or constants for binary operators), writes the single tensor ``output``."""

    name: str
    inputs: tuple[str, ...]
    output: str

    @property
    def kind(self) -> str:
        """The operator's name as users see it, for example ``Conv2D``."""
        return type(self).__name__

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of weight and bias tensors, if the operator has them."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clamped(Op):
    """An operator with a fused activation, kept as the integer range that its output is clamped to."""

    clamp: tuple[int, int] = (-128, 127)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted(Clamped):
    """An operator with weights and an optional int32 bias."""

    weight: str
    bias: str | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        return (self.weight,) if self.bias is None else (self.weight, self.bias)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2D(Weighted):
    """Convolution. Input ``(1, H, W, I)``, weight ``(O, kh, kw, I)``, bias ``(O,)``, output ``(1, OH, OW, O)``."""

    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = Padding()


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConv2D(Weighted):
    """Depthwise convolution. Input ``(1, H, W, I)``, weight ``(1, kh, kw, O)`` with ``O = I * multiplier``; output channel ``c``
    reads input channel ``c // multiplier``."""

    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = Padding()


@dataclass(frozen=True, slots=True, kw_only=True)
class FullyConnected(Weighted):
    """Matrix product. Input viewed as ``(rows, I)``, weight ``(O, I)``, bias ``(O,)``, output of ``rows * O`` elements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Clamped):
    """Sum of two tensors of one shape, or of a tensor and one that broadcasts over it, each with its own quantization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sub(Clamped):
    """First minus second operand; shapes and quantization as for :class:`Add`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mul(Clamped):
    """Product of two tensors; shapes and quantization as for :class:`Add`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maximum(Op):
    """Greater of two broadcast operands; all three tensors share one quantization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum(Op):
    """Lesser of two broadcast operands; all three tensors share one quantization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction(Op):
    """Reduces ``axes`` (not negative, ascending); a reduced axis stays with length 1 if ``keep_dims``."""

    axes: tuple[int, ...]
    keep_dims: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean(Reduction):
    """Arithmetic mean, brought to the output's quantization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum(Reduction):
    """Sum, brought to the output's quantization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceMax(Reduction):
    """Maximum. Input and output share one quantization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool2D(Clamped):
    """A window that slides over ``(1, H, W, C)``; cells outside the input are left out. Input and output share one quantization."""

    window: tuple[int, int]
    strides: tuple[int, int]
    padding: Padding = Padding()


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragePool2D(Pool2D):
    """Rounded mean of the cells inside. With a window of the whole input this is global average pooling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool2D(Pool2D):
    """Maximum of the cells inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(Op):
    """The same bytes under another shape; costs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad(Op):
    """Puts ``amounts[axis] = (before, after)`` cells that hold the integer ``value`` around the input."""

    amounts: tuple[tuple[int, int], ...]
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transpose(Op):
    """Output axis ``i`` is the input's axis ``permutation[i]``."""

    permutation: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Concatenation(Op):
    """Inputs one behind the other along ``axis`` (not negative). All tensors share one quantization."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Op):
    """``size[axis]`` elements from ``begin[axis]`` on in steps of ``strides[axis]``; the output may leave out axes of length 1."""

    begin: tuple[int, ...]
    size: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeNearestNeighbor(Op):
    """Input ``(1, H, W, C)`` brought to the output's height and width by repeating or leaving out cells."""

    align_corners: bool = False
    half_pixel_centers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Relu(Op):
    """``max(x, 0)``, brought to the output's quantization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relu6(Op):
    """``min(max(x, 0), 6)`` in the input's quantization; nothing is rescaled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakyRelu(Op):
    """``x`` where positive, else ``alpha * x`` (float32, not negative), brought to the output's quantization."""

    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HardSwish(Op):
    """``x * relu6(x + 3) / 6`` in TFLite's 16-bit arithmetic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logistic(Op):
    """``1 / (1 + exp(-x))``; its output has a fixed quantization (:data:`codegen.ir.FIXED_OUTPUTS`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tanh(Op):
    """Hyperbolic tangent; its output has a fixed quantization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize(Op):
    """int8 in another quantization, or float32, brought to the output's int8 quantization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dequantize(Op):
    """int8 to float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax(Op):
    """Softmax over the last axis; its output has a fixed quantization."""

    beta: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgMax(Op):
    """Index of the first maximum over the last axis, int32; output shape is the input's without its last axis."""
