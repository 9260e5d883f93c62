"""Networks with weights of four bits are predicted as well as others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from codegen.boards import load_board
from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.errors import UserError
from codegen.ir import total_macs
from cost_models import load_cost_model
from cost_models.measurement import measure
from cost_models.random_weights import fill
from search_spaces import AudioSpace, AutoencoderSpace, ImageSpace, SearchSpace, TimeSeriesSpace, spectrograms

MOST_MACS = 1_500_000
SPACES = (
    ImageSpace((14, 14, 3), 5),
    AudioSpace(spectrograms(700, bands=(10, 14), hops=(20,)), 6),
    TimeSeriesSpace(90, 4, 5),
    AutoencoderSpace((1, 1, 200)),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("board", "optimize"), [("nucleo-l4r5zi", "balanced"), ("nucleo-l4r5zi", "size"), ("nucleo-g0b1re", "balanced")]
)
@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_a_built_network_is_as_predicted(space: SearchSpace, board: str, optimize: str) -> None:
    where, model = load_board(board), load_cost_model(load_board(board).core, optimize=optimize)
    space, rng, built = space.with_weight_bits(4), np.random.default_rng(8), 0
    while built < 3:
        graph = space.graph(space.sample(rng))
        if total_macs(graph) > MOST_MACS or not any(t.dtype == "int4" for t in graph.tensors.values()):
            continue
        built += 1
        found = measure(fill(graph, rng), CORES[where.core], model.optimize, rng)
        # The interval of one network may be missed at the usual confidence.
        predicted = model.predict(graph, where, confidence=0.999)
        assert predicted.ram.arena == found.arena
        assert found.stack <= predicted.ram.stack <= found.stack + 160
        assert found.cycles in predicted.cycles
        assert found.code + found.constants in predicted.flash
        reads = model.totals(lay_out(graph, CORES[where.core], model.optimize)).reads
        assert reads == pytest.approx(found.reads, rel=0.1)


def test_a_model_that_knows_nothing_of_it_says_so() -> None:
    board = load_board("nucleo-l4r5zi")
    model = load_cost_model(board.core)
    older = replace(model, parts=replace(model.parts, unpacking=None))
    space, rng = SPACES[0], np.random.default_rng(0)
    architecture = next(
        a
        for a in iter(lambda: space.sample(rng), None)
        if any(t.dtype == "int4" for t in space.with_weight_bits(4).graph(a).tensors.values())
    )
    assert older.predict_chain(space.chain(architecture), board).macs > 0
    with pytest.raises(UserError, match="nothing of weights of 4 bits; recalibrate with 'nas calibrate --board nucleo-l4r5zi'"):
        older.predict_chain(space.with_weight_bits(4).chain(architecture), board)


def test_layers_of_both_kinds_share_nothing_but_the_unpacking() -> None:
    """What is around grows by the routine once, however many layers call it."""
    board = load_board("nucleo-l4r5zi")
    model = load_cost_model(board.core)
    space, rng = SPACES[0], np.random.default_rng(3)
    for _ in range(20):
        architecture = space.sample(rng)
        eight, four = (model.predict(space.with_weight_bits(bits).graph(architecture), board) for bits in (8, 4))
        names = {t.name for t in space.with_weight_bits(4).graph(architecture).tensors.values() if t.dtype == "int4"}
        unpacking = model.parts.unpacking
        assert unpacking is not None
        if not names:
            assert eight == four
            continue
        calls = sum(a.code > 0 and a.constants != b.constants for a, b in zip(eight.layers, four.layers, strict=True))
        saved = sum(a.constants - b.constants for a, b in zip(eight.layers, four.layers, strict=True))
        expected = eight.flash.value - saved + unpacking.function + calls * unpacking.added.code
        assert four.flash.value == pytest.approx(expected, abs=8 * calls), "a call may pass scratch that had none before"
        assert four.cycles.value > eight.cycles.value
