"""Networks of fully connected layers: classifiers of arrays, and autoencoders, which give back their input.

An anomaly is what an autoencoder, trained on normal data alone, reconstructs badly. The shape is that of the DCASE 2020 baseline
(https://arxiv.org/abs/2006.05822), MLPerf Tiny's anomaly detector: wide layers to a narrow code and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import prod

import numpy as np

from codegen.errors import UserError
from search_spaces._base import Architecture, Choice, SearchSpace, Suggest
from search_spaces._inputs import ArrayInput, Shape, SpectrogramInput
from search_spaces._layers import Dense, Layer
from search_spaces._published import PublishedNetwork

WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
CODES = (4, 8, 12, 16, 24, 32, 48, 64)
MOST_LAYERS = 4
DECODERS = ("mirrored", "direct")
MLP = PublishedNetwork(
    "MLP",
    "Wang et al., Time series classification from scratch with deep neural networks: a strong baseline, arXiv:1611.06455",
    widths={f"layer{i}_width": 500 for i in range(1, 4)},
    values={"layers": 3},
)
"""At about half the published width at most, which is what layers have."""
DEEP_AUTOENCODER = PublishedNetwork(
    "deep autoencoder",
    "the baseline of DCASE 2020, arXiv:2006.05822; the anomaly detector of MLPerf Tiny",
    widths={f"layer{i}_width": 128 for i in range(1, 5)},
    values={"layers": 4, "code": 8, "decoder": "mirrored"},
)
"""Its code stays as it is: how many values describe what is normal is no matter of width."""


class _DenseFamily(SearchSpace):
    """What both families share: ``layers``, then ``layer<i>_width`` for each.

    :raises UserError: for an array without elements.
    """

    def __init__(
        self,
        name: str,
        taken: ArrayInput | SpectrogramInput,
        choices: dict[str, tuple[Choice, ...]],
        published: PublishedNetwork,
    ) -> None:
        if min(taken.shape) < 1:
            raise UserError(f"arrays of {'x'.join(map(str, taken.shape))} have no elements")
        widths: dict[str, tuple[Choice, ...]] = {f"layer{i}_width": WIDTHS for i in range(1, MOST_LAYERS + 1)}
        super().__init__({"layers": tuple(range(MOST_LAYERS + 1)), **widths, **choices})
        self._name = name
        self._input = taken
        self._published = published

    @property
    def name(self) -> str:
        return self._name

    @property
    def published(self) -> PublishedNetwork:
        return self._published

    def input(self, architecture: Architecture) -> ArrayInput | SpectrogramInput:
        return self._input

    def complete(self, name: str, known: Mapping[str, Choice], rng: np.random.Generator) -> Choice:
        """A new layer is as wide as the one before it; a decoder is mirrored."""
        if name == "decoder":
            return self._choices[name][0]
        before = known.get(f"layer{int(name[5:-6]) - 1}_width") if name.endswith("_width") else None
        return before if before is not None and before in self._choices[name] else super().complete(name, known, rng)


class DenseSpace(_DenseFamily):
    """Classifiers of arrays ``(H, W, C)`` into ``classes``, from a linear one to four hidden layers.

    Parameters: ``layers`` (hidden ones), then ``layer<i>_width`` for each ``i`` from 1.

    :raises UserError: for an array without elements, or fewer than two classes.
    """

    def __init__(self, input_shape: Shape, classes: int) -> None:
        if classes < 2:
            raise UserError(f"a classifier needs at least 2 classes, the data has {classes}")
        super().__init__(f"dense({'x'.join(map(str, input_shape))},{classes})", ArrayInput(input_shape), {}, MLP)
        self.classes = classes

    def decode(self, suggest: Suggest) -> Architecture:
        values: list[tuple[str, Choice]] = [("layers", suggest("layers"))]
        values += [(name, suggest(name)) for name in _width_names(int(values[0][1]))]
        return Architecture(((self._name,), *(("dense", width) for _, width in values[1:])), tuple(values))

    def smallest(self) -> Architecture:
        """The linear classifier, or one narrow layer where that has fewer weights."""
        few = [self.from_params({**_first(self), "layers": n}) for n in self._choices["layers"][:2]]
        return min(few, key=lambda a: sum(t.size for t in self.graph(a).tensors.values() if t.constant))

    def layers(self, architecture: Architecture) -> list[Layer]:
        hidden = [_hidden(f"dense{i}", block[1]) for i, block in enumerate(architecture.network[1:], 1)]
        return [*hidden, Dense("classifier", self.classes)]


class AutoencoderSpace(_DenseFamily):
    """Reconstructions of arrays ``(H, W, C)``: layers to a code and back; the output has the input's shape.

    Parameters: ``layers`` (before the code), ``layer<i>_width`` for each ``i`` from 1, ``code`` (values), and where there are
    layers ``decoder``: as many layers back, mirrored, or straight from the code to the output.

    :param taken: the arrays' shape, or the spectrogram of sounds that is reconstructed.
    :raises UserError: for an array without elements.
    """

    def __init__(self, taken: Shape | SpectrogramInput) -> None:
        of = taken if isinstance(taken, SpectrogramInput) else ArrayInput(taken)
        hop = f"@{of.hop}" if isinstance(of, SpectrogramInput) else ""
        name = f"autoencoder({'x'.join(map(str, of.shape))}{hop})"
        super().__init__(name, of, {"code": CODES, "decoder": DECODERS}, DEEP_AUTOENCODER)

    def decode(self, suggest: Suggest) -> Architecture:
        values: list[tuple[str, Choice]] = [("layers", suggest("layers"))]
        values += [(name, suggest(name)) for name in _width_names(int(values[0][1]))]
        widths = tuple(width for _, width in values[1:])
        values.append(("code", suggest("code")))
        if widths:
            values.append(("decoder", suggest("decoder")))
        back = widths[::-1] if values[-1][1] == "mirrored" else ()
        blocks = (("encoder", *widths), ("code", dict(values)["code"]), ("decoder", *back))
        return Architecture(((self._name,), *blocks), tuple(values))

    def smallest(self) -> Architecture:
        """Nothing but the narrowest code between input and output."""
        return self.from_params(_first(self))

    def layers(self, architecture: Architecture) -> list[Layer]:
        _, (_, *encoder), (_, code), (_, *decoder) = architecture.network
        shape = self._input.shape
        return [
            *(_hidden(f"encoder{i}", width) for i, width in enumerate(encoder, 1)),
            _hidden("bottleneck", code),
            *(_hidden(f"decoder{i}", width) for i, width in enumerate(decoder, 1)),
            Dense("reconstruction", prod(shape), shape=shape),
        ]


def _first(space: SearchSpace) -> dict[str, Choice]:
    return {name: options[0] for name, options in space.choices().items()}


@lru_cache
def _width_names(layers: int) -> tuple[str, ...]:
    return tuple(f"layer{i}_width" for i in range(1, layers + 1))


@lru_cache
def _hidden(name: str, width: int) -> Dense:
    return Dense(name, width, activation=True)
