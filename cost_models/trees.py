"""Small ensembles of regression trees as plain data: fitted with scikit-learn, kept as JSON, evaluated without it (``trees.c``)."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.native import load_native
from cost_models.regression import Features

FEWEST_ROWS = 16
"""With fewer rows than this, trees would only learn them by heart."""

TREES = 150
DEPTH = 3
_INNER = 2**DEPTH - 1

Tree = tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...]]
"""A complete tree of depth :data:`DEPTH`: feature and threshold of each inner node (the children of node ``i`` are ``2 i + 1``,
taken if the feature is at most the threshold, and ``2 i + 2``), then the values of the leaves from left to right."""


@dataclass(frozen=True)
class Trees:
    """``base`` plus the leaf that each tree leads to; features that a row lacks count as 0."""

    base: float
    features: tuple[str, ...]
    trees: tuple[Tree, ...]

    def __call__(self, row: Features) -> float:
        return self.at(array("d", [row.get(name, 0.0) for name in self.features]))

    def at(self, row: array[float]) -> float:
        """The value for a row of doubles, one for each of the ``features``."""
        if not self.trees:
            return self.base
        return self.base + float(_native().sum_leaves(*self._arrays, len(self.trees), row.buffer_info()[0]))

    def on(self, features: tuple[str, ...]) -> Trees:
        """The same trees for rows of these features, which hold all of their own."""
        place = [features.index(name) for name in self.features]
        trees = tuple((tuple(place[f] for f in nodes), thresholds, leaves) for nodes, thresholds, leaves in self.trees)
        return Trees(self.base, features, trees)

    @cached_property
    def _arrays(self) -> tuple[ctypes.Array[Any], ...]:
        """All trees at once: features, thresholds and leaves."""
        features, thresholds, leaves = (list(chain.from_iterable(part)) for part in zip(*self.trees, strict=True))
        return (
            (ctypes.c_int32 * len(features))(*features),
            (ctypes.c_double * len(thresholds))(*thresholds),
            (ctypes.c_double * len(leaves))(*leaves),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"base": self.base, "features": list(self.features), "trees": [[list(part) for part in tree] for tree in self.trees]}

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Trees:
        """The inverse of :meth:`to_json`."""
        trees = tuple((tuple(f), tuple(map(float, t)), tuple(map(float, v))) for f, t, v in content["trees"])
        return Trees(float(content["base"]), tuple(content["features"]), trees)


@cache
def _native() -> ctypes.CDLL:
    library = load_native(Path(__file__).with_name("trees.c"))
    pointer = ctypes.c_void_p
    library.sum_leaves.argtypes = (pointer, pointer, pointer, ctypes.c_int64, pointer)
    library.sum_leaves.restype = ctypes.c_double
    return library


def fit_trees(rows: Sequence[Features], target: Sequence[float], *, count: int = TREES) -> Trees:
    """Gradient boosting of the squared error (Friedman 2001, https://doi.org/10.1214/aos/1013203451), always with the same seed."""
    mean = float(np.mean(target)) if len(target) else 0.0
    if len(rows) < FEWEST_ROWS or np.ptp(np.asarray(target)) == 0:
        return Trees(mean, (), ())
    names, matrix = _matrix(rows)
    if not names:
        return Trees(mean, (), ())
    from sklearn import config_context
    from sklearn.ensemble import GradientBoostingRegressor

    booster = GradientBoostingRegressor(
        n_estimators=count, max_depth=DEPTH, learning_rate=0.1, subsample=0.8, min_samples_leaf=3, max_features=0.5, random_state=0
    )
    with config_context(skip_parameter_validation=True):  # else anew for each of some 65,000 trees
        booster.fit(matrix, np.asarray(target, dtype=np.float64))
    trees = [_complete(stage[0].tree_, booster.learning_rate) for stage in booster.estimators_]
    used = sorted({feature for features, _, _ in trees for feature in features})
    place = {feature: index for index, feature in enumerate(used)}
    numbered = tuple((tuple(place[f] for f in features), thresholds, leaves) for features, thresholds, leaves in trees)
    return Trees(float(f"{mean:.6g}"), tuple(names[f] for f in used), numbered)


def _matrix(rows: Sequence[Features]) -> tuple[list[str], NDArray[np.float64]]:
    """Names of the features that differ between rows, and their values."""
    names = sorted({name for row in rows for name in row})
    matrix = np.array([[row.get(name, 0.0) for name in names] for row in rows], dtype=np.float64).reshape(len(rows), len(names))
    varied = np.ptp(matrix, axis=0) > 0
    return [name for name, vary in zip(names, varied, strict=True) if vary], matrix[:, varied]


def _complete(tree: Any, rate: float) -> Tree:
    """scikit-learn's tree as a complete one: below an early leaf both ways lead to its value."""
    features, thresholds, leaves = [0] * _INNER, [0.0] * _INNER, [0.0] * (_INNER + 1)
    places = {0: 0}  # node of the complete tree → scikit-learn's node
    for node in range(2 * _INNER + 1):
        source = places[node]
        leaf = tree.children_left[source] < 0
        if node >= _INNER:
            leaves[node - _INNER] = float(f"{rate * tree.value[source, 0, 0]:.4g}")
            continue
        if not leaf:
            features[node] = int(tree.feature[source])
            thresholds[node] = round(float(tree.threshold[source]), 2)
        places[2 * node + 1] = source if leaf else int(tree.children_left[source])
        places[2 * node + 2] = source if leaf else int(tree.children_right[source])
    return tuple(features), tuple(thresholds), tuple(leaves)
