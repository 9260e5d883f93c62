"""What a search space is.

A space names its parameters with their choices and *decodes* an assignment of them into an architecture. Decoding asks for one
parameter after the other, in the manner of Optuna's define-by-run trials; a parameter that makes no difference in the context of
the earlier ones (the stride of a 2x2 map, the settings of a stage that does not exist) is not asked for: it is *inactive*.
Sampling, mutation and crossover all follow from decoding, so a family of networks only describes itself.
"""

from __future__ import annotations

import copy
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from codegen.chain import Chain
from codegen.errors import UserError
from codegen.int4 import WeightBits, int4_chain, int4_graph
from codegen.ir import Graph
from search_spaces._inputs import Input, Shape
from search_spaces._layers import Layer, layer_chain, shape_graph
from search_spaces._published import PublishedNetwork

if TYPE_CHECKING:
    from torch import nn

Choice = int | str
Suggest = Callable[[str], Choice]
Space = TypeVar("Space", bound="SearchSpace")

MOST_STEPS = 10_000
"""Mutations that lead back to the parent before a space counts as one of a single network."""


@dataclass(frozen=True)
class Architecture:
    """One network of a space, without weights.

    Two architectures are equal when they describe the same ``network``, whichever parameters led to it.
    """

    network: tuple[tuple[Any, ...], ...]
    """Canonical description of the network: the space, then one tuple of JSON values per block, in order."""
    values: tuple[tuple[str, Choice], ...] = field(compare=False)
    """The active parameters in the order of decoding."""

    @cached_property
    def id(self) -> str:
        """Short hexadecimal hash of ``network``."""
        return hashlib.blake2b(json.dumps(self.network).encode(), digest_size=8).hexdigest()

    @cached_property
    def parameters(self) -> Mapping[str, Choice]:
        """The active parameters by name."""
        return dict(self.values)


class SearchSpace(ABC):
    """A family of networks for one form of data and number of outputs.

    :param choices: every parameter with its choices, in the order of decoding.
    """

    weight_bits: WeightBits = 8
    """Bits of the weights of wide layers (:mod:`codegen.int4`)."""

    def __init__(self, choices: Mapping[str, tuple[Choice, ...]]) -> None:
        self._choices = dict(choices)

    @property
    @abstractmethod
    def name(self) -> str:
        """The family with what it was made for, for example ``image(8x8x1,10)``."""

    @property
    @abstractmethod
    def published(self) -> PublishedNetwork:
        """What a practitioner would draw for such data, as it was published."""

    @abstractmethod
    def decode(self, suggest: Suggest) -> Architecture:
        """Ask ``suggest`` for the value of each active parameter, in order, and return the architecture that comes of them."""

    @abstractmethod
    def smallest(self) -> Architecture:
        """The network with the least memory and work; what it needs, every network of the space needs."""

    @abstractmethod
    def input(self, architecture: Architecture) -> Input:
        """The form of the data that the architecture takes in."""

    @abstractmethod
    def layers(self, architecture: Architecture) -> list[Layer]:
        """The layers of the network in order."""

    def choices(self) -> Mapping[str, tuple[Choice, ...]]:
        """Every parameter with its choices, in the order of decoding. Integers ascend. It is offered whole or not at all."""
        return self._choices

    def sizes(self) -> tuple[str, ...]:
        """Parameters by whose numbers networks become larger or smaller: of the input, of widths and of depth."""
        return tuple(name for name, options in self._choices.items() if all(isinstance(option, int) for option in options))

    def widths(self) -> tuple[str, ...]:
        """Parameters by whose numbers layers become wider or narrower."""
        return tuple(name for name in self.sizes() if name.endswith(("_channels", "_width")))

    def restricted(self: Space, choices: Mapping[str, tuple[Choice, ...]]) -> Space:
        """The same space with fewer choices for some parameters; ids of architectures stay what they are.

        :raises UserError: for an unknown parameter, or choices that are none of its own or none at all.
        """
        for name, options in choices.items():
            if name not in self._choices:
                raise UserError(f"search space {self.name}: has no parameter {name}; it has {', '.join(self._choices)}")
            unknown = [option for option in options if option not in self._choices[name]]
            if unknown or not options:
                raise UserError(f"search space {self.name}: {name} cannot be {unknown}; choose some of {list(self._choices[name])}")
        space = copy.copy(self)
        space._choices = {
            name: tuple(option for option in options if option in choices.get(name, options))
            for name, options in self._choices.items()
        }
        return space

    def with_weight_bits(self: Space, bits: WeightBits) -> Space:
        """The same networks with so many bits for the weights of wide layers; ids of architectures stay what they are."""
        space = copy.copy(self)
        space.weight_bits = bits
        return space

    def input_shape(self, architecture: Architecture) -> Shape:
        """``(H, W, C)`` of the architecture's input."""
        return self.input(architecture).shape

    def graph(self, architecture: Architecture) -> Graph:
        """The shape-only int8 graph, operator by operator what the trained network is imported as. Does not need torch."""
        taken = self.input(architecture)
        graph = shape_graph("network", taken.shape, self.layers(architecture), signed=taken.signed)
        return graph if self.weight_bits == 8 else int4_graph(graph)

    def chain(self, architecture: Architecture) -> Chain:
        """The network of :meth:`graph` as a chain whose links the networks of all spaces share: it is judged much faster."""
        taken = self.input(architecture)
        chain = layer_chain(taken.shape, self.layers(architecture), signed=taken.signed)
        return chain if self.weight_bits == 8 else int4_chain(chain)

    def module(self, architecture: Architecture) -> nn.Module:
        """The float network with fresh weights: float32 ``(N, C, H, W)`` → logits ``(N, classes)``, or a reconstruction of its
        input's shape."""
        from search_spaces._modules import LayerNetwork

        return LayerNetwork(self.layers(architecture), self.input_shape(architecture))

    def complete(self, name: str, known: Mapping[str, Choice], rng: np.random.Generator) -> Choice:
        """Value of parameter ``name`` where a change made it active; ``known`` holds what is decided and what the parents had."""
        options = self.choices()[name]
        return options[int(rng.integers(len(options)))]

    def params(self, architecture: Architecture) -> dict[str, Choice]:
        """The active parameters, flat, of JSON types."""
        return dict(architecture.values)

    def from_params(self, params: Mapping[str, Choice]) -> Architecture:
        """The architecture with these parameters; inactive ones may be present and are left aside.

        :raises UserError: if an active parameter is missing or has no such choice.
        """
        choices = self.choices()

        def suggest(name: str) -> Choice:
            if name not in params:
                raise UserError(f"search space {self.name}: parameter {name} is missing")
            if params[name] not in choices[name]:
                raise UserError(f"search space {self.name}: {name} cannot be {params[name]!r}; choose one of {list(choices[name])}")
            return params[name]

        return self.decode(suggest)

    def enumerate(self) -> Iterator[Architecture]:
        """Every architecture once, in the order of the choices: for spaces that have few of them."""
        choices = self.choices()
        seen: set[str] = set()
        path: list[tuple[str, int]] = []
        while True:
            fixed, asked = iter(path), list[tuple[str, int]]()

            def suggest(name: str, fixed: Iterator[tuple[str, int]] = fixed, asked: list[tuple[str, int]] = asked) -> Choice:
                asked.append(next(fixed, (name, 0)))
                return choices[name][asked[-1][1]]

            architecture = self.decode(suggest)
            if architecture.id not in seen:
                seen.add(architecture.id)
                yield architecture
            while asked and asked[-1][1] + 1 == len(choices[asked[-1][0]]):
                asked.pop()
            if not asked:
                return
            name, index = asked.pop()
            path = [*asked, (name, index + 1)]

    def hand_designed(self) -> dict[Architecture, float]:
        """:attr:`published` and its narrower forms with the width multiplier of each, widest first.

        :raises UserError: if the space was restricted to other blocks.
        """
        found: dict[Architecture, float] = {}
        for multiplier in self.published.multipliers(self._choices):
            found.setdefault(self.from_params(self.published.params(self._choices, multiplier)), multiplier)
        return found

    def sample(self, rng: np.random.Generator) -> Architecture:
        """A random architecture: every active parameter uniformly from its choices."""
        choices = self.choices()
        draws = iter(rng.random(len(choices)).tolist())

        def suggest(name: str) -> Choice:
            options = choices[name]
            return options[int(next(draws) * len(options))]

        return self.decode(suggest)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """A different architecture one step away: one number moves to a neighbouring choice, or one name to another.

        :raises UserError: if no step leads to another network.
        """
        choices = self.choices()
        parent = architecture.parameters
        names = [name for name in parent if len(choices[name]) > 1]
        for _ in range(MOST_STEPS if names else 0):
            name = names[int(rng.integers(len(names)))]
            options = choices[name]
            at = options.index(parent[name])
            if isinstance(parent[name], str):
                candidates = [i for i in range(len(options)) if i != at]
            else:
                candidates = [i for i in (at - 1, at + 1) if 0 <= i < len(options)]
            changed = {**parent, name: options[candidates[int(rng.integers(len(candidates)))]]}
            child = self.decode(self._completing(changed, rng))
            if child != architecture:
                return child
        raise UserError(f"search space {self.name}: no network lies beside {architecture.id}; give it more choices")

    def changed(self, architecture: Architecture, changes: Mapping[str, Choice]) -> Architecture:
        """``architecture`` with other values for some parameters. Those that become active by it are completed, always alike."""
        return self.decode(self._completing({**architecture.parameters, **changes}, np.random.default_rng(0)))

    def resized(self, architecture: Architecture, factor: float) -> Architecture:
        """``architecture`` with ``factor`` times the width in every layer, as near as the choices come to it."""
        values = architecture.parameters
        changes: dict[str, Choice] = {}
        for name in self.widths():
            if name in values:
                wanted = factor * float(values[name])
                changes[name] = min(self._choices[name], key=lambda choice: abs(float(choice) - wanted))
        return self.changed(architecture, changes)

    def crossover(self, a: Architecture, b: Architecture, rng: np.random.Generator) -> Architecture:
        """An architecture whose groups of parameters (the name up to ``_``: a stage, the stem, …) come from either parent."""
        sources: dict[str, Mapping[str, Choice]] = {}
        merged: dict[str, Choice] = {}
        for name in self.choices():
            group = name.split("_", 1)[0]
            if group not in sources:
                sources[group] = (a, b)[int(rng.integers(2))].parameters
            for parent in (sources[group], a.parameters, b.parameters):
                if name in parent:
                    merged[name] = parent[name]
                    break
        return self.decode(self._completing(merged, rng))

    def _completing(self, wanted: dict[str, Choice], rng: np.random.Generator) -> Suggest:
        """A suggest function that follows ``wanted`` and completes what is missing there."""

        def suggest(name: str) -> Choice:
            if name not in wanted:
                wanted[name] = self.complete(name, wanted, rng)
            return wanted[name]

        return suggest
