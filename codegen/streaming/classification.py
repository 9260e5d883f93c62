"""Which of several classes is there: smoothed probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from codegen.c_text import comment_text, initializer
from codegen.errors import UserError
from codegen.ir import Graph
from codegen.streaming.task import Field, Task
from codegen.streaming.templates import render

ONE = 1 << 15
"""A probability of one: probabilities are in Q15."""
MOST_CLASSES = 32_767
"""What the C code's signed numbers of classes hold."""


@dataclass(frozen=True, slots=True)
class Classification(Task):
    """Of ``classes`` the likeliest one is there for certain where it is none of the ``background`` ones (indices), and its
    probability reaches the threshold (Q15).

    Probabilities are the softmax of the network's outputs; means of them over the last decisions are those of Chen, Parada and
    Heigold, *Small-footprint keyword spotting using deep neural networks* (ICASSP 2014, section 2.3).

    :raises UserError: if ``background`` names no classes.
    """

    classes: tuple[str, ...]
    background: tuple[int, ...] = ()

    value_type: ClassVar[str] = "uint16"
    threshold_type: ClassVar[str] = "uint16"

    def __post_init__(self) -> None:
        if len(self.classes) > MOST_CLASSES:
            raise UserError(f"stream: {len(self.classes)} classes; {MOST_CLASSES} at most")
        if not self.classes or not all(0 <= index < len(self.classes) for index in self.background):
            raise UserError(f"stream: background {list(self.background)} of {len(self.classes)} classes makes no sense")

    @property
    def names(self) -> tuple[str, ...]:
        return self.classes

    @property
    def width(self) -> int:
        return len(self.classes)

    @property
    def most_threshold(self) -> int:
        return ONE

    @property
    def usual_threshold(self) -> int:
        return ONE // 2

    def usual_smoothing(self, window: int) -> int:
        return 2

    def is_event(self) -> list[bool]:
        """Of each class, whether it can be detected."""
        return [index not in self.background for index in range(len(self.classes))]

    def check(self, graph: Graph, smoothing: int) -> None:
        output = graph[graph.outputs[0]]
        if len(graph.outputs) != 1 or output.dtype != "int8" or output.size != len(self.classes):
            raise UserError(f"stream: {len(self.classes)} classes, the network's output is {list(output.shape)}")
        if gives_probabilities(graph):
            raise UserError("stream: the network ends in a softmax of its own; leave it out, the stream computes one")

    def scores(self, inputs: NDArray[np.int8], outputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """The network's outputs, int8 ``(n, classes)``."""
        return outputs.reshape(-1, len(self.classes))

    def values(self, graph: Graph, scores: NDArray[Any]) -> NDArray[np.int64]:
        """Probabilities in Q15."""
        return probabilities(scores, graph[graph.outputs[0]].scale)

    def certain(self, means: NDArray[np.int64], threshold: int) -> NDArray[np.int64]:
        """The class that is there, or -1; of equally likely ones the first is taken."""
        top, most = means.argmax(axis=1), means.max(axis=1, initial=-1)
        return np.where((most >= threshold) & np.array(self.is_event())[top], top, -1)

    def real(self, values: NDArray[np.int64]) -> NDArray[np.float64]:
        return values / ONE

    @property
    def fields(self) -> tuple[Field, ...]:
        """The likeliest class and its probability, smoothed; the network's outputs."""
        return ("top", "<i2"), ("probability", "<u2"), ("scores", "i1", (len(self.classes),))

    @property
    def unknown(self) -> NDArray[Any]:
        nothing = np.zeros((), list(self.fields))
        nothing["top"] = -1
        return nothing

    def known(self, scores: NDArray[Any], means: NDArray[np.int64]) -> NDArray[Any]:
        records = np.zeros(len(scores), list(self.fields))
        records["top"], records["probability"], records["scores"] = means.argmax(axis=1), means.max(axis=1, initial=0), scores
        return records

    def said(self, known: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        top, probability, scores = (known[name].astype(np.int64) for name in ("top", "probability", "scores"))
        return top, probability, scores

    def c_texts(self, graph: Graph, name: str) -> Mapping[str, object]:
        table = powers(graph[graph.outputs[0]].scale).astype(np.uint16)
        return {
            "width": "NN_STREAM_CLASSES",
            "include": "",
            "began": "class stream.detected was detected",
            "about": f"Classes: {', '.join(f'{index} {comment_text(label)}' for index, label in enumerate(self.classes))}.",
            "constants": f"#define NN_STREAM_CLASSES {len(self.classes)}\n",
            "options": render("classification_options.h"),
            "fields": render("classification_fields.h"),
            "functions": render("classification_functions.h"),
            "no_threshold": "options->threshold > 32768u",
            "decide": render(
                "classification.c",
                events=initializer(np.array(self.is_event(), np.uint8)),
                powers=len(table),
                power_values=initializer(table),
            ),
        }

    def to_json(self) -> dict[str, Any]:
        return {"classes": list(self.classes), "background": list(self.background)}


def classification_from_json(value: Mapping[str, Any]) -> Classification:
    """The task that :meth:`Classification.to_json` wrote.

    :raises UserError: if it is damaged.
    """
    try:
        return Classification(tuple(map(str, value["classes"])), tuple(int(index) for index in value["background"]))
    except (KeyError, TypeError, ValueError):
        raise UserError("stream: its classes are damaged; export the project again") from None


def gives_probabilities(graph: Graph) -> bool:
    """Whether a softmax of its own is the last that the network computes."""
    return any(op.kind == "Softmax" and op.output in graph.outputs for op in graph.ops)


def powers(scale: float) -> NDArray[np.int64]:
    """``exp(-d * scale)`` in Q15 for differences ``d`` of two outputs, up to the last one that is not 0."""
    values = np.floor(np.exp(-np.arange(256) * float(scale)) * ONE + 0.5).astype(np.int64)
    positive: NDArray[np.int64] = values[values > 0]
    return positive


def probabilities(scores: NDArray[np.int8], scale: float) -> NDArray[np.int64]:
    """The softmax of int8 ``scores`` ``(n, classes)`` with this scale, in Q15, rounded down."""
    table = np.zeros(256, np.int64)
    known = powers(scale)
    table[: len(known)] = known
    wide = scores.astype(np.int64)
    power = table[wide.max(axis=1, keepdims=True, initial=-128) - wide]
    likely: NDArray[np.int64] = (power << 15) // power.sum(axis=1, keepdims=True)
    return likely
