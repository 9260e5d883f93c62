"""Calibration as the product runs it: on networks of its own search spaces, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from codegen.errors import UserError
from codegen.ir import Graph, total_macs
from cost_models import CostModel
from cost_models.calibration import covering_bundles, sample_bundles
from search_spaces import AudioSpace, AutoencoderSpace, DenseSpace, ImageSpace, SearchSpace, TimeSeriesSpace, spectrograms

SPACES: tuple[SearchSpace, ...] = (
    ImageSpace((8, 8, 1), 10),
    TimeSeriesSpace(128, 6, 6),
    AudioSpace(spectrograms(1000), 12),
    ImageSpace((28, 28, 1), 10),
    AutoencoderSpace((1, 1, 640)),
    TimeSeriesSpace(256, 1, 4),
    ImageSpace((16, 16, 1), 10),
    AudioSpace(spectrograms(600, bands=(8, 10, 13), hops=(20, 30)), 10),
    DenseSpace((1, 1, 64), 10),
    ImageSpace((32, 32, 3), 10),
)
"""What calibration learns from: networks of every family."""
HELD_OUT_SPACES: tuple[SearchSpace, ...] = (
    ImageSpace((10, 10, 1), 6),
    TimeSeriesSpace(100, 2, 3),
    AudioSpace(spectrograms(900, bands=(11, 15, 24), hops=(22,)), 8),
    ImageSpace((20, 20, 3), 4),
    AutoencoderSpace((1, 1, 320)),
    TimeSeriesSpace(180, 8, 7),
    AudioSpace(spectrograms(500, bands=(9, 18), hops=(15, 28)), 6),
    DenseSpace((1, 1, 40), 5),
    ImageSpace((36, 36, 1), 2),
)
"""What it is judged by: inputs of other shapes, as people's data will have them."""
DEPTHWISE_KERNELS = ((1, 3), (1, 5), (1, 7), (1, 9), (3, 1), (5, 1), (7, 1), (9, 1), (3, 3), (5, 3), (3, 5), (5, 5))
"""All that depthwise convolutions of the search spaces have, height by width."""
MOST_MACS = 5_000_000
"""Larger networks are left out: they take long to emulate and tell nothing new of the operators."""
NETWORKS, HELD_OUT = 120, 100
"""Networks whose layers calibration takes operators from, and networks that the fit does not see: the card and the intervals come
from them."""
MOST_REFUSED = 100
"""Networks that may be too large for each one that is not."""


def sample_networks(
    number: int, seed: int, spaces: Sequence[SearchSpace] = SPACES, *, fits: Callable[[Graph], bool] | None = None
) -> list[Graph]:
    """Shape-only graphs of ``number`` random networks, the ``spaces`` in turn; only such that pass ``fits``, if given.

    :raises UserError: if hardly any does.
    """
    rng = np.random.default_rng(seed)
    graphs: list[Graph] = []
    refused = 0
    while len(graphs) < number:
        space = spaces[(len(graphs) + refused) % len(spaces)]
        graph = space.graph(space.sample(rng))
        if total_macs(graph) > MOST_MACS:
            continue
        if fits is None or fits(graph):
            graphs.append(graph)
        else:
            refused += 1
            if refused > MOST_REFUSED * number:
                raise UserError("--serial: hardly any network fits into the RAM that the board offers, code and constants included")
    return graphs


def calibrated_graphs(model: CostModel) -> Iterator[Graph]:
    """Every shape-only graph that a calibration in the emulator with this model's settings learns kernels' costs from, or is judged
    by."""
    yield from (job.graph for job in sample_bundles(model.core, model.optimize, model.samples, model.seed))
    yield from (job.graph for job in covering_bundles(DEPTHWISE_KERNELS, model.core, model.optimize, model.seed))
    yield from sample_networks(NETWORKS, model.seed)
    yield from sample_networks(HELD_OUT, model.seed, HELD_OUT_SPACES)
