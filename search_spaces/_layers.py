"""The layers that architectures are made of, and the shape-only graph of a list of them.

A space lists its layers once; the graph here and the torch module in :mod:`search_spaces._modules` are both read off that list,
so what is costed before training is what is trained.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import count
from typing import Literal

from codegen.chain import Chain, Link, Mould, layer_graph
from codegen.ir import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Graph,
    MaxPool2D,
    Op,
    Padding,
    Quantization,
    Tensor,
    Weighted,
)
from search_spaces._inputs import Shape

Pair = tuple[int, int]
"""Height and width, of a kernel, stride, window or map."""


@dataclass(frozen=True, slots=True)
class NamedLayer:
    """What all layers have; ``form`` stands for everything but the name."""

    name: str
    form: Form = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        attributes: tuple[str, ...] = self.__match_args__
        key = (type(self), *[getattr(self, attribute) for attribute in attributes[1:]])
        form = _FORMS.get(key)
        if form is None:
            form = _FORMS[key] = Form(self)
        object.__setattr__(self, "form", form)


@dataclass(frozen=True, slots=True)
class Convolution(NamedLayer):
    """Convolution with batch normalisation, zero-padded by half the kernel; ``channels`` None means depthwise."""

    channels: int | None
    kernel: Pair
    stride: Pair = (1, 1)
    activation: bool = True


@dataclass(frozen=True, slots=True)
class Residual(NamedLayer):
    """Adds to the current map the one that entered ``layers`` layers ago."""

    layers: int
    activation: bool = False


@dataclass(frozen=True, slots=True)
class Pool(NamedLayer):
    """Mean or maximum of each channel over windows side by side, cells that fill no window left out; ``window`` None means the
    whole map."""

    kind: Literal["average", "max"]
    window: Pair | None = None


@dataclass(frozen=True, slots=True)
class Dense(NamedLayer):
    """Fully connected layer over the flattened input. With ``activation`` it is followed by batch normalisation and a ReLU.

    Where ``shape`` is given, the ``features`` leave as a map ``(H, W, C)`` of it.
    """

    features: int
    activation: bool = False
    shape: Shape | None = None


Layer = Convolution | Residual | Pool | Dense
Part = tuple[Op, tuple[Tensor, ...]]

# Nominal quantization, so that kernels chosen for a shape-only graph resemble those of the trained one: what leaves a ReLU has
# zero point -128, and every other tensor has one of its own (two layers that differ in it cannot share generated code).
_SCALED = Quantization((1.0,))
_RECTIFIED = Quantization((1.0,), -128)
_SIGNED = tuple(Quantization((1.0,), zero_point) for zero_point in range(-64, 64))


def padding_before(kernel: int) -> int:
    """Cells of padding before an axis and, as far as windows reach, behind it: half the kernel."""
    return (kernel - 1) // 2


def convolved(size: int, kernel: int, stride: int) -> int:
    """Size of an axis after a convolution; of odd kernels only the stride matters, even ones take a cell more."""
    return (size + 2 * padding_before(kernel) - kernel) // stride + 1


@lru_cache(maxsize=65536)
def _padding(size: Pair, kernel: Pair, stride: Pair) -> Padding:
    """Half the kernel before each axis; after it only the cells that the last window reaches."""
    before = [padding_before(k) for k in kernel]
    after = [max(0, (convolved(size[i], kernel[i], stride[i]) - 1) * stride[i] + kernel[i] - size[i] - before[i]) for i in (0, 1)]
    return Padding(before[0], after[0], before[1], after[1])


def _convolution(layer: Convolution, source: Tensor, output: Tensor) -> Part:
    _, height, width, depth = source.shape
    name, kernel, stride, channels = layer.name, layer.kernel, layer.stride, output.shape[3]
    form = (1, *kernel, depth) if layer.channels is None else (channels, *kernel, depth)
    op = (DepthwiseConv2D if layer.channels is None else Conv2D)(
        name=name,
        inputs=(source.name,),
        output=output.name,
        weight=name + "_weight",
        bias=name + "_bias",
        strides=stride,
        padding=_padding((height, width), kernel, stride),
    )
    return op, _parameters(op, form, channels, output)


def _dense(layer: Dense, source: Tensor, output: Tensor) -> Part:
    weight, bias = layer.name + "_weight", layer.name + "_bias"
    op = FullyConnected(name=layer.name, inputs=(source.name,), output=output.name, weight=weight, bias=bias)
    return op, _parameters(op, (layer.features, source.size), layer.features, output)


def _parameters(op: Weighted, weight: tuple[int, ...], channels: int, output: Tensor) -> tuple[Tensor, ...]:
    assert op.bias is not None, "all layers with weights have one"
    return Tensor(op.weight, weight, constant=True), Tensor(op.bias, (channels,), "int32", constant=True), output


def _pool(layer: Pool, source: Tensor, output: Tensor) -> Part:
    window = layer.window or (source.shape[1], source.shape[2])
    kind = AveragePool2D if layer.kind == "average" else MaxPool2D
    return kind(name=layer.name, inputs=(source.name,), output=output.name, window=window, strides=window), (output,)


def _written(layer: NamedLayer, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of what a layer makes of its (first) input of this shape."""
    match layer:
        case Convolution(channels=channels, kernel=kernel, stride=stride):
            _, height, width, depth = shape
            size = convolved(height, kernel[0], stride[0]), convolved(width, kernel[1], stride[1])
            return (1, *size, depth if channels is None else channels)
        case Pool(window=window):
            _, height, width, channels = shape
            rows, columns = window or (height, width)
            return 1, height // rows, width // columns, channels
        case Dense():
            return (1, *(layer.shape or (layer.features,)))
        case _:
            return shape


def _back(layer: NamedLayer) -> tuple[int, ...]:
    """How many layers ago each input of a layer was written."""
    return (1, 1 + layer.layers) if isinstance(layer, Residual) else (1,)


def _quantization(layer: NamedLayer, source: Tensor, number: int) -> Quantization | None:
    """Of the output of layer ``number`` of a network."""
    match layer:
        case Pool():
            return source.quantization
        case Convolution(activation=True) | Residual(activation=True) | Dense(activation=True):
            return _RECTIFIED
        case _:
            return _SIGNED[number % len(_SIGNED)]


def _part(layer: NamedLayer, sources: Sequence[Tensor], quantization: Quantization | None) -> Part:
    """The operator of a layer and the tensors that it adds, its output last. The layer's name is that of both."""
    source = sources[0]
    output = Tensor(layer.name, _written(layer, source.shape), quantization=quantization)
    match layer:
        case Convolution():
            return _convolution(layer, source, output)
        case Residual():
            return Add(name=layer.name, inputs=tuple([s.name for s in sources]), output=output.name), (output,)
        case Pool():
            return _pool(layer, source, output)
        case Dense():
            return _dense(layer, source, output)
        case _:
            raise TypeError(f"layer {layer.name!r}: {type(layer).__name__} has no operator")


@lru_cache(maxsize=65536)
def _known_part(layer: NamedLayer, quantization: Quantization | None, *sources: tuple[str, tuple[int, ...]]) -> Part:
    """The same, of inputs by name and shape, which is all that matters of them."""
    return _part(layer, [Tensor(name, shape) for name, shape in sources], quantization)


def shape_graph(name: str, input_shape: Shape, layers: Sequence[Layer], *, signed: bool = False) -> Graph:
    """The int8 graph of ``layers`` on an input of ``(H, W, C)``: shapes and names, no weights. ``signed``: whether the input's
    values may be negative.

    The parts are cached: the candidates of a search have most of their layers in common.
    """
    written = [_input(input_shape, signed)]
    tensors = {"input": written[0]}
    ops: list[Op] = []
    for number, layer in enumerate(layers):
        sources = [written[-back] for back in _back(layer)]
        op, made = _known_part(layer, _quantization(layer, sources[0], number), *[(s.name, s.shape) for s in sources])
        ops.append(op)
        for tensor in made:
            tensors[tensor.name] = tensor
        written.append(made[-1])
    return Graph(name, tensors, tuple(ops), ("input",), (written[-1].name,))


class Form:
    """All of a layer but its name, and the links that it has become: by what it reads and, where the quantization of what it
    writes depends on that (``numbered``), its number in the network. Layers of one form have the same object.

    Forms that differ in the activation only have the same ``moulds``, by the shapes that are read.
    """

    __slots__ = ("_layer", "back", "links", "moulds", "numbered")

    def __init__(self, layer: NamedLayer) -> None:
        source = _input((1, 1, 1), False)
        self.back = _back(layer)
        self.numbered = _quantization(layer, source, 0) != _quantization(layer, source, 1)
        self.links: dict[Hashable, Link] = {}
        self.moulds: dict[Hashable, Mould] = {}
        if isinstance(layer, Convolution | Residual | Dense) and layer.activation:
            self.moulds = replace(layer, activation=False).form.moulds
        self._layer = layer

    def link(self, key: Hashable, sources: Sequence[Tensor], number: int) -> Link:
        """Make and keep layer ``number`` of a network."""
        shapes = tuple([t.shape for t in sources])
        mould = self.moulds.get(shapes)
        if mould is None:
            mould = self.moulds[shapes] = Mould(partial(_nominal, self._layer, shapes), self.back)
        output = _activation(_written(self._layer, shapes[0]), _quantization(self._layer, sources[0], number))
        link = Link(mould, _zero_points(*[t.zero_point for t in sources], output.zero_point), output)
        _make_room()
        self.links[key] = link
        return link


_MOST_LINKS = 1 << 19
"""Links that are kept, some 250 bytes each; with more, all are forgotten. Spaces of sounds make so many in 80,000 candidates."""
_FORMS: dict[Hashable, Form] = {}
_made = count()


def _make_room() -> None:
    """Count a new link, and forget all of them now and then."""
    if next(_made) % _MOST_LINKS == _MOST_LINKS - 1:
        for form in _FORMS.values():
            form.links.clear()
            form.moulds.clear()


_PREVIOUS = (1,)


def layer_chain(input_shape: Shape, layers: Sequence[Layer], *, signed: bool = False) -> Chain:
    """What :func:`shape_graph` describes, as a chain. Networks share its links: a layer of one form that reads the same is made
    once."""
    source = _input(input_shape, signed)
    written = [source]
    links = []
    for number, layer in enumerate(layers):
        form = layer.form
        key: Hashable = written[-1]
        if form.back != _PREVIOUS:
            key = tuple([written[-back] for back in form.back])
        if form.numbered:
            key = (key, number)
        link = form.links.get(key)
        if link is None:
            link = form.link(key, [written[-back] for back in form.back], number)
        links.append(link)
        written.append(link.output)
    return Chain(source, links)


def _nominal(layer: NamedLayer, shapes: Sequence[tuple[int, ...]]) -> Graph:
    """The operator of a layer on inputs of these shapes, all scales nominal."""
    sources = [Tensor(f"input{i}", shape, quantization=_SCALED) for i, shape in enumerate(shapes)]
    op, made = _part(layer, sources, _SCALED)
    return layer_graph(op, (*sources, *made))


@lru_cache(maxsize=1 << 18)
def _activation(shape: tuple[int, ...], quantization: Quantization | None) -> Tensor:
    """An activation without a place: equal ones are one object."""
    return Tensor("activation", shape, quantization=quantization)


@lru_cache(maxsize=65536)
def _zero_points(*values: int) -> tuple[int, ...]:
    """Equal ones are one object."""
    return values


@lru_cache(maxsize=64)
def _input(shape: Shape, signed: bool) -> Tensor:
    return Tensor("input", (1, *shape), quantization=_SIGNED[-1] if signed else _RECTIFIED)
