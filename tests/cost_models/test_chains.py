"""Chains that the quick way does not cover, and kernels that were not calibrated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from codegen.boards import load_board
from codegen.errors import UserError
from cost_models import CostModel, load_cost_model
from search_spaces._layers import Convolution, Dense, Pool, Residual, layer_chain, shape_graph

BOARD = load_board("nucleo-l4r5zi")


@pytest.fixture(scope="module")
def model() -> CostModel:
    return load_cost_model(BOARD.core, optimize="balanced")


def test_what_a_pass_changes_is_laid_out_as_a_whole(model: CostModel) -> None:
    """A pool of one cell is an identity, which a pass removes."""
    layers = [Convolution("a", 8, (3, 3), (2, 2)), Pool("b", "average"), Pool("c", "average"), Dense("d", 4)]
    graph = shape_graph("network", (8, 8, 1), layers)
    quick, general = model.predict_chain(layer_chain((8, 8, 1), layers), BOARD), model.predict(graph, BOARD)
    assert len(general.layers) == 3
    assert (quick.ram, quick.macs, quick.flash) == (general.ram, general.macs, general.flash)


def test_layers_that_share_their_function_are_told(model: CostModel) -> None:
    layers = [Convolution(name, 8, (3, 3)) for name in "abcd"]
    quick = model.predict_chain(layer_chain((8, 8, 8), layers), BOARD)
    general = model.predict(shape_graph("network", (8, 8, 8), layers), BOARD)
    assert [layer.code > 0 for layer in general.layers] == [True, False, False, False]
    assert quick.flash.value == pytest.approx(general.flash.value, rel=1e-12)
    assert quick.cycles.high == pytest.approx(general.cycles.high, rel=1e-12)


def test_another_confidence_and_board_are_heeded(model: CostModel) -> None:
    layers = [Convolution("a", 8, (3, 3)), Dense("b", 4)]
    graph, chain = shape_graph("network", (8, 8, 1), layers), layer_chain((8, 8, 1), layers)
    board = load_board("nrf52840-dk")
    quick, general = model.predict_chain(chain, board, confidence=0.6), model.predict(graph, board, confidence=0.6)
    assert np.allclose([quick.latency_ms.low, quick.latency_ms.high], [general.latency_ms.low, general.latency_ms.high], rtol=1e-12)
    assert (quick.board, quick.confidence) == ("nrf52840-dk", 0.6)
    with pytest.raises(UserError, match="--board rpi-pico"):
        model.predict_chain(chain, load_board("rpi-pico"))


@pytest.mark.parametrize("share", [0.8, 1.5])
def test_a_limit_that_takes_strips_is_met_as_the_graph_meets_it(model: CostModel, share: float) -> None:
    layers = [
        Convolution("a", 8, (3, 3)),
        Convolution("b", 8, (3, 3)),
        Convolution("c", 8, (3, 3), (2, 2)),
        Pool("d", "average"),
        Dense("e", 4),
    ]
    graph, chain = shape_graph("network", (16, 16, 3), layers), layer_chain((16, 16, 3), layers)
    whole = model.predict(graph, BOARD)
    limit = int(share * whole.ram.total)
    quick, general = model.predict_chain(chain, BOARD, ram_limit=limit), model.predict(graph, BOARD, ram_limit=limit)
    assert quick.ram == general.ram
    assert (quick.ram.total < whole.ram.total) == (share < 1)
    assert quick.cycles.value == pytest.approx(general.cycles.value, rel=1e-12)


def test_a_kernel_that_was_not_calibrated_is_named(model: CostModel) -> None:
    kernels = {name: costs for name, costs in model.parts.kernels.items() if name != "average_pool2d"}
    less = replace(model, parts=replace(model.parts, kernels=kernels))
    chain = layer_chain((8, 8, 1), [Convolution("a", 8, (3, 3)), Pool("b", "average")])
    with pytest.raises(UserError, match="knows no kernel 'average_pool2d'; recalibrate"):
        less.predict_chain(chain, BOARD)
    assert model.predict_chain(chain, BOARD).macs > 0


def test_what_was_forgotten_is_worked_out_again(model: CostModel, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [Convolution("a", 8, (3, 3)), Convolution("b", 8, (3, 3)), Residual("c", 1), Pool("d", "average"), Dense("e", 4)]
    fresh = replace(model)
    before = fresh.predict_chain(layer_chain((8, 8, 8), layers), BOARD)
    assert fresh.predict_chain(layer_chain((8, 8, 8), layers), BOARD) == before
    assert fresh.new_links == len(layers)
    monkeypatch.setattr("cost_models.functions.MOST_LINKS", 2)
    chain = layer_chain((8, 8, 8), [Convolution("x", 9, (3, 3)), *layers[1:]])
    fresh.predict_chain(chain, BOARD)
    assert fresh.predict_chain(layer_chain((8, 8, 8), layers), BOARD) == before
    assert fresh.new_links > 2 * len(layers)


def test_sums_of_one_shape_differ_by_their_zero_points(model: CostModel) -> None:
    """Each is judged like its graph, also where another one with the same shape was judged before."""
    fresh = replace(model)
    for count in (1, 2, 3, 5):
        body = [Convolution(f"a{i}", 8, (3, 3), activation=i % 2 == 0) for i in range(count)]
        layers = [Convolution("first", 8, (3, 3)), *body, Residual("sum", count), Dense("last", 4)]
        quick = fresh.predict_chain(layer_chain((6, 6, 8), layers), BOARD)
        general = model.predict(shape_graph("network", (6, 6, 8), layers), BOARD)
        assert quick.ram == general.ram
        for mine, theirs in ((quick.flash, general.flash), (quick.cycles, general.cycles), (quick.latency_ms, general.latency_ms)):
            assert np.allclose(mine, theirs, rtol=1e-12)
