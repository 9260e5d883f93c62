"""The table of a closed search space: every architecture really trained, with what it costs, so that a search is a look-up.

The space is a part of the time series family: ``SPACE`` has {decimation, channels of the stem, block, channels and kernel of the
first stage, block and channels of the second}, 2,160 networks in all. It is made by ``make_search_table.py`` and read by
``bench_search.py``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.files import write_atomically
from search_spaces import Architecture, SearchSpace, TimeSeriesSpace

FORMAT = 1
DEFAULT = Path(__file__).resolve().parent / "data" / "search_table_har.npz"
COSTS = ("ram", "flash", "flash_high", "cycles", "latency_ms", "latency_ms_high", "macs")
"""What the shipped cost model predicts: bytes, cycles, milliseconds; ``_high`` is the upper end at a confidence of 0.95."""
SEEDS = 12
"""Training seeds for which the table has room."""

BLOCKS = ("conv", "depthwise_separable", "inverted_residual")
CHOICES: Mapping[str, tuple[int | str, ...]] = {
    "decimation": (2, 4),
    "stem_channels": (4, 8, 12, 16, 24),
    "stem_kernel": (5,),
    "stem_stride": (1,),
    "stages": (2,),
    "stage1_block": BLOCKS,
    "stage1_channels": (4, 8, 16),
    "stage1_depth": (1,),
    "stage1_kernel": (3, 7),
    "stage1_stride": (2,),
    "stage1_reduction": ("stride",),
    "stage1_expansion": (2,),
    "stage2_block": BLOCKS,
    "stage2_channels": (8, 16, 24, 32),
    "stage2_depth": (1,),
    "stage2_kernel": (5,),
    "stage2_stride": (2,),
    "stage2_reduction": ("stride",),
    "stage2_expansion": (2,),
    "head": ("pool",),
    "pooling": ("average",),
}


def closed_space() -> SearchSpace:
    """Six activities from windows of 128 samples and 6 channels; mutants are in the table because there is nothing else."""
    space = TimeSeriesSpace(128, 6, 6)
    unused = {name: options[:1] for name, options in space.choices().items() if name not in CHOICES}  # later stages
    return space.restricted({**unused, **CHOICES})


@dataclass(frozen=True)
class SearchTable:
    """Results of N architectures, S training seeds and R rungs.

    ``validation`` and ``test`` int16 ``(N, S, R)`` are the windows classified right, of ``about["validation"]["windows"]``
    and ``about["test"]["windows"]``, -1 where nothing was trained; ``seconds`` float32 ``(N, S)``, of one core; ``costs`` float32
    ``(N,)`` by the names of :data:`COSTS`. ``about`` says how all of it was made; ``about["rungs"]`` holds the epochs of the rungs,
    the last one the whole training. Rows are in the order of ``space.enumerate()``.
    """

    ids: NDArray[np.str_]
    validation: NDArray[np.int16]
    test: NDArray[np.int16]
    seconds: NDArray[np.float32]
    costs: Mapping[str, NDArray[np.float32]]
    about: Mapping[str, Any]

    @cached_property
    def trained(self) -> NDArray[np.bool_]:
        """``(N, S)``: which trainings there are."""
        return self.validation[:, :, -1] >= 0

    def with_seeds(self, seeds: int) -> SearchTable:
        """The same with room for so many training seeds, if it has less."""
        lacking = seeds - self.validation.shape[1]
        if lacking <= 0:
            return self
        counts = ((0, 0), (0, lacking), (0, 0))
        validation, test = (np.pad(part, counts, constant_values=-1) for part in (self.validation, self.test))
        return replace(self, validation=validation, test=test, seconds=np.pad(self.seconds, counts[:2]))

    @cached_property
    def row(self) -> Mapping[str, int]:
        """Row by the architecture's id."""
        return {str(name): row for row, name in enumerate(self.ids)}

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs of the rungs."""
        return tuple(self.about["rungs"])

    def accuracy(self, part: str) -> NDArray[np.float64]:
        """``(N, S, R)`` in 0..1 of ``validation`` or ``test``, NaN where nothing was trained."""
        counts: NDArray[np.int16] = getattr(self, part)
        return np.where(counts >= 0, counts / self.about[part]["windows"], np.nan)

    def save(self, path: Path) -> None:
        """Replace the file at ``path``: an ``.npz`` without pickles."""
        arrays = {f"cost_{name}": values for name, values in self.costs.items()}
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            allow_pickle=False,
            format=np.array(FORMAT),
            about=np.array(json.dumps(self.about, sort_keys=True)),
            ids=self.ids,
            validation=self.validation,
            test=self.test,
            seconds=self.seconds,
            **arrays,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())

    @staticmethod
    def load(path: Path) -> SearchTable:
        """The table in a file of :meth:`save`.

        :raises UserError: if the file is missing, damaged, or of another format.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            if int(arrays["format"]) != FORMAT:
                raise UserError(f"{path}: format is {int(arrays['format'])}, this version reads {FORMAT}; make the table anew")
            costs = {name: arrays[f"cost_{name}"] for name in COSTS}
            about = json.loads(str(arrays["about"]))
            return SearchTable(arrays["ids"], arrays["validation"], arrays["test"], arrays["seconds"], costs, about)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; make it with scripts/make_search_table.py") from None
        except (KeyError, ValueError, OSError, EOFError, BadZipFile) as error:
            raise UserError(f"{path}: damaged ({error}); make the table anew") from None


def architectures(space: SearchSpace, table: SearchTable, path: Path) -> list[Architecture]:
    """The architectures of the rows.

    :raises UserError: if the table is of another space than ``space``; ``path`` is named.
    """
    members = list(space.enumerate())
    if [a.id for a in members] != table.ids.tolist():
        raise UserError(f"{path}: holds other architectures than the space of scripts/search_table.py; make the table anew")
    return members
