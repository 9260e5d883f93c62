"""Several ensembles of trees on one row of numbers, evaluated by one call of native code (``trees.c``)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from itertools import chain, repeat
from pathlib import Path
from struct import Struct
from typing import Any

from codegen.native import load_native
from cost_models.regression import Features
from cost_models.trees import Trees


class _Ensembles(ctypes.Structure):
    """As ``trees.c`` has it."""

    _fields_ = (
        ("count", ctypes.c_int64),
        ("trees", ctypes.c_void_p),
        ("features", ctypes.c_void_p),
        ("thresholds", ctypes.c_void_p),
        ("leaves", ctypes.c_void_p),
    )


class JointTrees:
    """The value of each ensemble on a row, as it gives it alone."""

    def __init__(self, ensembles: Sequence[Trees]) -> None:
        self._features = tuple(dict.fromkeys(name for trees in ensembles for name in trees.features))
        numbered = [tree for trees in ensembles for tree in trees.on(self._features).trees]
        features = list(chain.from_iterable(tree[0] for tree in numbered))
        thresholds, leaves = (list(chain.from_iterable(tree[part] for tree in numbered)) for part in (1, 2))
        self._arrays: tuple[ctypes.Array[Any], ...] = (
            (ctypes.c_int64 * len(ensembles))(*(len(trees.trees) for trees in ensembles)),
            (ctypes.c_int32 * len(features))(*features),
            (ctypes.c_double * len(thresholds))(*thresholds),
            (ctypes.c_double * len(leaves))(*leaves),
        )
        addresses = (ctypes.addressof(numbers) for numbers in self._arrays)
        self._ensembles = _Ensembles(len(ensembles), *addresses)
        self._address = ctypes.addressof(self._ensembles)
        self._bases = [trees.base for trees in ensembles]
        self._row = Struct(f"={len(self._features)}d")
        self._sums = ctypes.c_double * len(ensembles)

    def __call__(self, described: Features) -> list[float]:
        """The ensembles' values; features that a row lacks count as 0."""
        row, sums = self._row.pack(*map(described.get, self._features, repeat(0.0))), self._sums()
        _native().sum_ensembles(self._address, row, sums)
        return [base + leaves for base, leaves in zip(self._bases, sums, strict=True)]


@cache
def _native() -> ctypes.CDLL:
    library = load_native(Path(__file__).with_name("trees.c"))
    library.sum_ensembles.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    library.sum_ensembles.restype = None
    return library
