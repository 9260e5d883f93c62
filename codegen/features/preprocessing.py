"""What stands before a network in a program: from raw numbers, as firmware has them, to the network's input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from codegen.ir import Graph


class Preprocessing(ABC):
    """Turns raw numbers into a network's input, as a numpy function and as C with the same bits.

    ``entry`` is the C function that takes raw numbers and runs the network, ``function`` the one in it that comes before the first
    layer, ``operator`` what tables of layers call that; all without the model's prefix. ``linked`` are functions beside ``entry``
    that firmware may call instead and that are charged to flash, as those of sound's columns are.
    """

    __slots__ = ()
    operator: ClassVar[str]
    linked: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def noun(self) -> str:
        """What the network takes at once, such as a ``window``; ``include/<m>_<noun>.h`` declares :attr:`entry`."""

    @property
    def entry(self) -> str:
        """``int run_<noun>(void *arena, const raw_type *raw)``."""
        return f"run_{self.noun}"

    @property
    @abstractmethod
    def function(self) -> str:
        """Such as ``features``."""

    @property
    @abstractmethod
    def raw_type(self) -> np.dtype[Any]:
        """Of the raw numbers."""

    @property
    @abstractmethod
    def raw_size(self) -> int:
        """How many of them the network takes at once."""

    @property
    def state_bytes(self) -> int:
        """Bytes of the caller's that live between calls where raw numbers come in pieces."""
        return 0

    @abstractmethod
    def arena_bytes(self, network: int) -> int:
        """Bytes of the arena that serves this and a network that needs so many."""

    @abstractmethod
    def __call__(self, raw: NDArray[Any]) -> NDArray[np.int8]:
        """int8 inputs of ``n`` raw examples, ``(n, *shape)`` with the shape that the network takes.

        :raises UserError: for another dtype or shape.
        """

    @abstractmethod
    def fit(self, raw: Any, what: str) -> NDArray[Any]:
        """Raw examples that a person gives as ``(n, raw_size)`` of :attr:`raw_type`.

        :param what: names the array in messages.
        :raises UserError: if it does not fit.
        """

    @abstractmethod
    def check(self, graph: Graph) -> None:
        """Check that ``graph`` takes what this gives.

        :raises UserError: if it has several inputs, or one of another shape, scale or zero point.
        """

    @abstractmethod
    def typical(self) -> NDArray[Any]:
        """One raw example ``(raw_size,)`` to measure costs on, always the same."""

    def made_up(self) -> NDArray[Any]:
        """A few raw examples ``(n, raw_size)`` that reach both ends of the range, always the same."""
        size, rng = self.raw_size, np.random.default_rng(0)
        if self.raw_type.kind == "f":
            return np.stack([self.typical() * np.float32(factor) for factor in (0, 1, -1, 4, -64)])
        limits = np.iinfo(self.raw_type)
        ramp = limits.min + np.arange(size) * (limits.max - limits.min) // max(size - 1, 1)
        noise = rng.integers(limits.min, limits.max, (2, size), endpoint=True)
        return np.stack([np.full(size, limits.min), np.full(size, limits.max), ramp, *noise]).astype(self.raw_type)

    @abstractmethod
    def sources(self, name: str, input_offset: int, arena_bytes: int) -> dict[str, str]:
        """Path → text of the C files, in a project whose symbols begin with ``name``.

        :param input_offset: where the network's input lies in the arena of ``arena_bytes``.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """What :func:`codegen.features.front_end_from_json` reads."""


def one_array(raw: Any, what: str) -> NDArray[Any]:
    """What a person gives as raw examples, named ``what`` in messages, as an array.

    :raises UserError: if it is several, by their names.
    """
    if isinstance(raw, Mapping):
        raise UserError(f"{what}: is several arrays; give one")
    return np.asarray(raw)
