"""What a network is between torch and the graph: a plain list of steps that each become one operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from codegen.ir import Padding

Activation = Literal["none", "relu", "relu6"]
Curve = Literal["relu", "relu6", "leaky_relu", "hard_swish", "sigmoid", "tanh", "softmax"]
Kind = Literal["convolution", "depthwise", "linear", "add", "product", "average_pool", "max_pool", "flatten"] | Curve

NO_PADDING = Padding()


@dataclass
class Step:
    """One operator. ``inputs`` are numbers of earlier values: 0 is the network's input, ``i + 1`` the output of step ``i``."""

    kind: Kind
    name: str
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    """Of the output, with a batch axis of 1; four axes where a linear layer makes a map."""
    activation: Activation = "none"
    weight: Tensor | None = None
    bias: Tensor | None = None
    window: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = NO_PADDING
    slope: float = 0.0
    """Of a leaky ReLU, for numbers below zero."""
