"""What a stream decides about: which of several classes is there, or whether something is wrong."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Graph

Field = tuple[str, str] | tuple[str, str, tuple[int, ...]]
"""Name, type and shape of a member of a C structure, as numpy has them."""


class Task(ABC):
    """From a network's outputs to what is detected.

    A decision makes :attr:`width` numbers of them, its *values*, which are smoothed; by their means it says what is there for
    certain, if anything is. In C the values are ``value_type``, a threshold is ``threshold_type``; :attr:`fields` are what the
    caller may read of the state.
    """

    __slots__ = ()
    value_type: ClassVar[str]
    threshold_type: ClassVar[str]

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Of what can be detected, by its number."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Values of a decision."""

    @property
    @abstractmethod
    def most_threshold(self) -> int:
        """The highest threshold that makes sense; the lowest is 0."""

    @property
    @abstractmethod
    def usual_threshold(self) -> int:
        """The threshold of which nothing is known but the task."""

    @abstractmethod
    def usual_smoothing(self, window: int) -> int:
        """Decisions that means are over where nothing else is known, of so many in the time of a window."""

    @abstractmethod
    def check(self, graph: Graph, smoothing: int) -> None:
        """Check that the output of ``graph`` is what this decides by, and that sums of so many values fit the C code.

        :raises UserError: if not.
        """

    @abstractmethod
    def scores(self, inputs: NDArray[np.int8], outputs: NDArray[np.int8]) -> NDArray[Any]:
        """What is known of ``n`` windows by themselves, ``(n, k)``, from the network's int8 inputs and outputs."""

    @abstractmethod
    def values(self, graph: Graph, scores: NDArray[Any]) -> NDArray[np.int64]:
        """The values ``(n, width)`` of the decisions with these :meth:`scores`."""

    @abstractmethod
    def certain(self, means: NDArray[np.int64], threshold: int) -> NDArray[np.int64]:
        """What is there at each decision by the smoothed values ``(n, width)``: a number of :attr:`names`, or -1."""

    @abstractmethod
    def real(self, values: NDArray[np.int64]) -> NDArray[np.float64]:
        """Values or thresholds as real numbers."""

    @property
    @abstractmethod
    def fields(self) -> tuple[Field, ...]:
        """What the state says of the last decision, in the order of the C structure."""

    @property
    def unknown(self) -> NDArray[Any]:
        """:attr:`fields` before the first decision, ``()``."""
        return np.zeros((), list(self.fields))

    @abstractmethod
    def known(self, scores: NDArray[Any], means: NDArray[np.int64]) -> NDArray[Any]:
        """:attr:`fields` after each of ``n`` decisions, ``(n,)``, from their :meth:`scores` and smoothed values ``(n, width)``."""

    @abstractmethod
    def said(self, known: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of ``n`` :attr:`fields`: the number of what is likeliest ``(n,)``, its smoothed value ``(n,)``, the scores ``(n, k)``."""

    @abstractmethod
    def c_texts(self, graph: Graph, name: str) -> Mapping[str, object]:
        """What the templates of a stream of ``graph`` take of this, in a project whose symbols begin with ``name``."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """What the settings of a stream in ``report.json`` have of this."""
