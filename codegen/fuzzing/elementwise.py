"""Random operators that treat every element alike: two operands that broadcast, activations, changes of quantization."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from codegen.fuzzing.sketch import CHANNELS, MOST_ELEMENTS, Sketch, Unsuitable, float32
from codegen.ir import (
    FIXED_OUTPUTS,
    Add,
    Dequantize,
    HardSwish,
    LeakyRelu,
    Logistic,
    Maximum,
    Minimum,
    Mul,
    Quantization,
    Quantize,
    Relu,
    Relu6,
    Sub,
    Tanh,
    Tensor,
)


def binary(kind: type[Add] | type[Sub] | type[Mul]) -> Callable[[Sketch], None]:
    """The generator of an arithmetic operator."""

    def generate(s: Sketch) -> None:
        first, second = _operands(s, None)
        both = (first.scale * second.scale) if kind is Mul else math.hypot(first.scale, second.scale)
        quantization = Quantization((float32(both * (40 if kind is Mul else 1) * 2.0 ** s.rng.uniform(-2, 2)),), s.zero_point())
        output = s.tensor("out", _broadcast(first, second), quantization)
        op = kind(name=s.next_name, inputs=(first.name, second.name), output=output, clamp=s.clamp(quantization))
        s.append(op)

    return generate


def comparison(kind: type[Maximum] | type[Minimum]) -> Callable[[Sketch], None]:
    """The generator of Maximum or Minimum, whose tensors share one quantization."""

    def generate(s: Sketch) -> None:
        x = s.operand()
        first, second = _operands(s, x)
        output = s.tensor("out", _broadcast(first, second), x.quantization)
        s.append(kind(name=s.next_name, inputs=(first.name, second.name), output=output))

    return generate


def _operands(s: Sketch, like: Tensor | None) -> tuple[Tensor, Tensor]:
    """Two operands in either order; with the quantization of ``like`` if given."""
    x = s.operand() if like is None else like
    quantization = None if like is None else like.quantization
    style = s.integer(0, 9)
    if style < 3:
        same = [t for t in s.live() if t.shape == x.shape and quantization in (None, t.quantization)]
        other = s.choice(same)
        if other.name == x.name:
            s.note("operands: one tensor twice")
    elif style < 5:
        s.note("operands: a new input")
        other = s.input(x.shape, quantization)
    else:
        shape = _smaller(s, x)
        s.note("operands: broadcast" if shape != x.shape else "operands: a constant of the whole shape")
        if style < 7 and shape[:1] == (1,):
            other = s.input(shape, quantization)
        else:
            s.note("operands: constant")
            data = s.rng.integers(-128, 128, shape).astype(np.int8)
            other = s[s.tensor("constant", shape, quantization or s.quantization(), data)]
    if s.chance(0.5):
        return x, other
    s.note("operands: exchanged")
    return other, x


def _smaller(s: Sketch, x: Tensor) -> tuple[int, ...]:
    """A shape that broadcasts over that of ``x``, or grows it."""
    match s.integer(0, 5):
        case 0:
            return ()
        case 1:
            return (x.shape[-1],)
        case 2:
            return (*(1 for _ in x.shape[:-1]), x.shape[-1])
        case 3:
            return tuple(1 if s.chance(0.5) else d for d in x.shape)
        case 4:
            s.note("operands: both broadcast")
            return tuple(s.choice(CHANNELS) if d == 1 and i else 1 if s.chance(0.3) else d for i, d in enumerate(x.shape))
        case _:
            return x.shape


def _broadcast(first: Tensor, second: Tensor) -> tuple[int, ...]:
    shape = np.broadcast_shapes(first.shape, second.shape)
    if math.prod(shape) > MOST_ELEMENTS:
        raise Unsuitable("too large")
    return shape


def activation(kind: type[Relu] | type[Relu6] | type[HardSwish]) -> Callable[[Sketch], None]:
    """The generator of an activation function."""

    def generate(s: Sketch) -> None:
        x = s.operand()
        keeps = kind is Relu6 or s.chance(0.5)
        output = s.tensor("out", x.shape, x.quantization if keeps else _near(s, x))
        s.append(kind(name=s.next_name, inputs=(x.name,), output=output))

    return generate


def leaky_relu(s: Sketch) -> None:
    """Leaky rectifier."""
    x = s.operand()
    alpha = s.choice((0.0, 1.0, 0.5, 0.1, 3.0, float32(s.rng.uniform(0, 1))))
    output = s.tensor("out", x.shape, x.quantization if s.chance(0.4) else _near(s, x))
    s.append(LeakyRelu(name=s.next_name, inputs=(x.name,), output=output, alpha=float32(alpha)))


def logistic(s: Sketch) -> None:
    """Logistic function."""
    x = s.operand()
    output = s.tensor("out", x.shape, FIXED_OUTPUTS[Logistic])
    s.append(Logistic(name=s.next_name, inputs=(x.name,), output=output))


def tanh(s: Sketch) -> None:
    """Hyperbolic tangent."""
    x = s.operand()
    s.append(Tanh(name=s.next_name, inputs=(x.name,), output=s.tensor("out", x.shape, FIXED_OUTPUTS[Tanh])))


def quantize(s: Sketch) -> None:
    """Another quantization, at times the same one; from float32 only at an input of the graph."""
    if s.chance(0.15):
        s.note("quantize: from float32")
        x = s.input(s.shape(), dtype="float32")
        quantization = Quantization((float32(2.0 ** s.rng.uniform(-7, -2)),), s.zero_point())
    else:
        x = s.operand()
        same = s.chance(0.15)
        quantization = x.quantization if same and x.quantization else _near(s, x)
        if same:
            s.note("identity: Quantize")
    s.append(Quantize(name=s.next_name, inputs=(x.name,), output=s.tensor("out", x.shape, quantization)))


def dequantize(s: Sketch) -> None:
    """float32, an output of the graph."""
    x = s.operand()
    s.append(Dequantize(name=s.next_name, inputs=(x.name,), output=s.tensor("out", x.shape, dtype="float32")))


def _near(s: Sketch, x: Tensor) -> Quantization:
    spread = 8.0 if s.chance(0.1) else 2.0
    return Quantization((float32(x.scale * 2.0 ** s.rng.uniform(-spread, spread)),), s.zero_point())
