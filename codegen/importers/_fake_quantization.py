"""The int8 network in float arithmetic: whole numbers as the integer program has them, gradients passed straight through.

The scheme is TFLite's (https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_spec): activations
int8 with a scale and a zero point per tensor, weights symmetric in -127..127 with a scale per output channel, biases int32 with
scale ``input * weight``, requantisation with double rounding. Pooling keeps the quantization of its input. Training of it:
B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from codegen.importers._step import Step
from codegen.ir import FIXED_OUTPUTS, Logistic, Softmax, Tanh

_FIXED = {"sigmoid": FIXED_OUTPUTS[Logistic], "softmax": FIXED_OUTPUTS[Softmax], "tanh": FIXED_OUTPUTS[Tanh]}


@dataclass
class Value:
    """An activation: real numbers ``x * scale``.

    Under quantization ``x`` holds the whole numbers ``q - zero_point``, q in -128..127; otherwise the scale is 1.
    """

    x: Tensor
    scale: Tensor
    zero_point: Tensor


class Observer(nn.Module):
    """Tracks the range of an activation and gives the int8 grid over it.

    The range is that of everything seen or, with ``momentum``, a moving average of the batches' extremes. It always includes
    zero, which is exactly on the grid.
    """

    low: Tensor
    high: Tensor
    seen: Tensor

    def __init__(self, momentum: float | None = None) -> None:
        super().__init__()
        self.momentum = momentum
        self.observing = False
        self.rounding = False
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))

    def forward(self, real: Tensor, least_scale: Tensor | float, round_: Callable[[Tensor], Tensor], clamp: Clamp) -> Value:
        """Observe ``real`` and, under quantization, put it on the grid.

        :param least_scale: bound from below on the scale, that keeps the requantisation in its domain.
        :param round_: the whole numbers (before clamping) that the integer program gets, for a scale.
        :param clamp: the fused activation.
        """
        if self.observing:
            self._observe(real.detach())
        if not self.rounding:
            return Value(real, torch.ones_like(self.low), torch.zeros_like(self.low))
        scale = ((self.high - self.low) / 255).clamp(min=least_scale)
        zero_point = torch.clamp(torch.round(-128 - self.low / scale), -128, 127)
        low, high = clamp(scale, zero_point)
        smooth = torch.clamp(real / scale, low, high)
        with torch.no_grad():
            whole = torch.clamp(round_(scale), low, high)
        return Value(smooth + (whole - smooth).detach(), scale, zero_point)

    def _observe(self, x: Tensor) -> None:
        low, high = torch.aminmax(x)
        low, high = low.clamp(max=0), high.clamp(min=0)
        if self.momentum is None:
            low, high = torch.minimum(low, self.low), torch.maximum(high, self.high)
        elif self.seen:
            low, high = torch.lerp(self.low, low, self.momentum), torch.lerp(self.high, high, self.momentum)
        self.low.copy_(low)
        self.high.copy_(high)
        self.seen.fill_(True)


Clamp = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Input(Observer):
    """The network's input, on a grid over the exact range of the data."""

    def forward(self, x: Tensor) -> Value:  # type: ignore[override]
        """Ties go away from zero, as programs convert real inputs; they are common in images of few levels."""
        return super().forward(x, 1e-9, lambda scale: _round_away(x / scale), lambda _, zero: (-128 - zero, 127 - zero))


_INT4_FRACTIONS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
"""Of the largest weight of a channel: what the greatest step of four bits may stand for."""


class Layer(nn.Module):
    """A step of the traced network; computes its :class:`Value` from those of its inputs."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step
        self.observer = Observer(momentum=0.1)

    def activate(self, x: Tensor) -> Tensor:
        """The fused activation on real numbers."""
        if self.step.activation == "relu6":
            return functional.relu6(x)
        return functional.relu(x) if self.step.activation == "relu" else x

    def clamp(self, scale: Tensor, zero_point: Tensor) -> tuple[Tensor, Tensor]:
        """The fused activation as the range of ``q - zero_point``."""
        low, high = -128 - zero_point, 127 - zero_point
        if self.step.activation != "none":
            low = torch.clamp(low, min=0)
        if self.step.activation == "relu6":
            high = torch.minimum(high, _round_away(6 / scale))
        return low, high


class Weighted(Layer):
    """Convolution, depthwise convolution or linear layer."""

    def __init__(self, step: Step) -> None:
        super().__init__(step)
        assert step.weight is not None
        assert step.bias is not None
        self.weight = nn.Parameter(step.weight.clone())
        self.bias = nn.Parameter(step.bias.clone())
        self.on_int4 = False
        """Whether the weights have four bits, in -7..7."""

    def weight_scale(self, input_scale: Tensor) -> Tensor:
        """One scale per output channel; a channel of (nearly) no weights takes one at which its bias still fits 24 bits."""
        largest = self.weight.detach().abs().amax(tuple(range(1, self.weight.ndim)))
        fitting = largest / 127 if not self.on_int4 else self._int4_scale(largest)
        return torch.maximum(fitting, self.bias.detach().abs() / (input_scale * 2**23)).clamp(min=1e-9)

    def _int4_scale(self, largest: Tensor) -> Tensor:
        """The scales with the least squared error, for channels whose ``largest`` weights these are: of so few steps it pays to cut
        off what is rare."""
        weight = self.weight.detach().flatten(1)
        found, least = largest / 7, torch.full_like(largest, torch.inf)
        for fraction in _INT4_FRACTIONS:
            scale = (fraction / 7 * largest).clamp(min=1e-9)
            rounded = torch.clamp(torch.round(weight / scale[:, None]), -7, 7) * scale[:, None]
            error = (rounded - weight).square().sum(1)
            found, least = torch.where(error < least, scale, found), torch.minimum(error, least)
        return found

    def whole_weight(self, scale: Tensor) -> Tensor:
        """The weights in -127..127, of four bits in -7..7."""
        most = 7 if self.on_int4 else 127
        scaled = self.weight / scale.reshape(-1, *[1] * (self.weight.ndim - 1))
        return _straight_through(scaled, lambda w: torch.clamp(torch.round(w), -most, most))

    def whole_bias(self, bias_scale: Tensor) -> Tensor:
        """The bias in steps of the accumulator."""
        return _straight_through(self.bias / bias_scale, torch.round)

    def forward(self, value: Value) -> Value:
        result = self._computed(value)
        return replace(result, x=result.x.reshape(-1, *self.step.shape[1:])) if self.step.kind == "linear" else result

    def _computed(self, value: Value) -> Value:
        if not self.observer.rounding:
            result: Value = self.observer(self.activate(self._sums(value.x, self.weight, self.bias)), 0.0, _no_rounding, self.clamp)
            return result
        scale = self.weight_scale(value.scale)
        unit = value.scale * scale
        sums = self._sums(value.x, self.whole_weight(scale), self.whole_bias(unit))
        unit = unit if self.step.kind == "linear" else unit.reshape(-1, 1, 1)
        # The least scale keeps the factor below one half, so that the requantisation shifts right.
        real = self.activate(sums * unit)
        result = self.observer(real, 2.01 * unit.max(), lambda output: _requantize(sums.detach(), unit / output), self.clamp)
        return result  # noqa: RET504 - the annotation above makes it a Value

    def _sums(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        step, p = self.step, self.step.padding
        if step.kind == "linear":
            return functional.linear(x.flatten(1), weight, bias)
        padding: tuple[int, int] = (p.top, p.left)
        if (p.bottom, p.right) != padding:
            x, padding = functional.pad(x, (p.left, p.right, p.top, p.bottom)), (0, 0)
        groups = x.shape[1] if step.kind == "depthwise" else 1
        return functional.conv2d(x, weight, bias, step.strides, padding, step.dilation, groups)


class Sum(Layer):
    """Elementwise sum of two values."""

    def forward(self, a: Value, b: Value) -> Value:
        real = a.x * a.scale + b.x * b.scale
        least = torch.maximum(a.scale, b.scale) * 2**-10
        result: Value = self.observer(self.activate(real), least, lambda scale: _round_away(real / scale), self.clamp)
        return result


class Pool(Layer):
    """Average or maximum over windows; cells outside the map are left out."""

    def forward(self, value: Value) -> Value:
        step, p = self.step, self.step.padding
        padding = (p.left, p.right, p.top, p.bottom)
        if step.kind == "max_pool":
            x = functional.max_pool2d(functional.pad(value.x, padding, value=-torch.inf), step.window, step.strides)
        else:
            # One division of whole numbers, so that ties are exact.
            cells = functional.pad(torch.ones_like(value.x[:1, :1]), padding)
            x, inside = (
                functional.avg_pool2d(t, step.window, step.strides, divisor_override=1)
                for t in (functional.pad(value.x, padding), cells)
            )
            x = x / inside
            if self.observer.rounding:
                x = _straight_through(x + value.zero_point, _round_away) - value.zero_point
        if self.observer.rounding:
            return Value(torch.clamp(x, *self.clamp(value.scale, value.zero_point)), value.scale, value.zero_point)
        return Value(self.activate(x), value.scale, value.zero_point)


class Product(Layer):
    """Elementwise product of two values, one of which may broadcast over the other."""

    def forward(self, a: Value, b: Value) -> Value:
        real = self.activate((a.x * a.scale) * (b.x * b.scale))
        unit = a.scale * b.scale
        result: Value = self.observer(real, 2.01 * unit, lambda scale: _requantize((a.x * b.x).detach(), unit / scale), self.clamp)
        return result


class Curve(Layer):
    """A function of every number by itself, which becomes a table of 256 bytes; softmax is one of whole vectors."""

    def forward(self, value: Value) -> Value:
        real = self._function(value.x * value.scale)
        fixed = _FIXED.get(self.step.kind)
        if fixed is None:
            # HardSwish in 16 bits needs an output scale that is no finer than this.
            least: Tensor | float = value.scale / 64 if self.step.kind == "hard_swish" else 1e-9
            result: Value = self.observer(real, least, lambda scale: self._whole(value, real, scale), self.clamp)
            return result
        if not self.observer.rounding:
            return Value(real, torch.ones_like(value.scale), torch.zeros_like(value.zero_point))
        scale, zero_point = (torch.full_like(value.scale, number) for number in (*fixed.scale, fixed.zero_point))
        low, high = self.clamp(scale, zero_point)
        return Value(_straight_through(real / scale, lambda x: torch.clamp(_round_away(x), low, high)), scale, zero_point)

    def _whole(self, value: Value, real: Tensor, scale: Tensor) -> Tensor:
        """The whole numbers of the output: of the kinds that rescale as the integer program does, else rounded."""
        x, factor = value.x.detach(), value.scale / scale
        match self.step.kind:
            case "relu":
                return _requantize(x, factor)
            case "leaky_relu":
                return torch.where(x >= 0, _requantize(x, factor), _requantize(x, factor * self.step.slope))
        return _round_away(real / scale)

    def _function(self, x: Tensor) -> Tensor:
        match self.step.kind:
            case "relu":
                return functional.relu(x)
            case "leaky_relu":
                return functional.leaky_relu(x, self.step.slope)
            case "hard_swish":
                return functional.hardswish(x)
            case "sigmoid":
                return torch.sigmoid(x)
            case "tanh":
                return torch.tanh(x)
            case "softmax":
                return torch.softmax(x, 1)
        raise AssertionError(f"{self.step.kind} is no curve")


class Relu6(Layer):
    """What lies in 0..6; the quantization stays."""

    def forward(self, value: Value) -> Value:
        if not self.observer.rounding:
            return Value(functional.relu6(value.x), value.scale, value.zero_point)
        high = torch.minimum(_round_away(6 / value.scale), 127 - value.zero_point)
        return Value(torch.clamp(value.x, torch.zeros_like(high), high), value.scale, value.zero_point)


class Flatten(Layer):
    """The same value as a vector."""

    def forward(self, value: Value) -> Value:
        return Value(value.x.flatten(1), value.scale, value.zero_point)


def on_grid(real: Tensor, like: Value) -> Value:
    """Real numbers as whole ones of the grid that ``like`` is on."""
    whole = torch.clamp(_round_away(real / like.scale), -128 - like.zero_point, 127 - like.zero_point)
    return replace(like, x=whole)


def _requantize(sums: Tensor, factor: Tensor) -> Tensor:
    """``sums * factor`` as the integer program rounds it: to whole numbers times a power of two, then to whole numbers."""
    mantissa, exponent = torch.frexp(factor)
    left, right = exponent.clamp(min=0), exponent.clamp(max=0)
    return _round_away(torch.ldexp(torch.floor(torch.ldexp(sums, left) * mantissa + 0.5), right))


def _straight_through(x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    return x + (function(x) - x).detach()


def _round_away(x: Tensor) -> Tensor:
    return torch.sign(x) * torch.floor(torch.abs(x) + 0.5)


def _no_rounding(scale: Tensor) -> Tensor:
    raise AssertionError("asked for whole numbers while computing in float")


LAYERS: Mapping[str, type[Layer]] = {
    "convolution": Weighted,
    "depthwise": Weighted,
    "linear": Weighted,
    "add": Sum,
    "product": Product,
    "relu": Curve,
    "leaky_relu": Curve,
    "hard_swish": Curve,
    "sigmoid": Curve,
    "tanh": Curve,
    "softmax": Curve,
    "relu6": Relu6,
    "average_pool": Pool,
    "max_pool": Pool,
    "flatten": Flatten,
}
