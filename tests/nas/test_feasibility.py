"""Whether anything fits, the largest that does, and what one draws by hand."""

from __future__ import annotations

import math

import pytest

from codegen.boards import load_board
from codegen.errors import UserError
from cost_models import Limits, load_cost_model
from nas.study.explanation_text import check_possible
from nas.study.feasibility import Feasibility
from nas.study.hand_designed import hand_designed, too_wide
from nas.study.largest import largest_feasible
from search_spaces import (
    AudioSpace,
    AutoencoderSpace,
    DenseSpace,
    ImageSpace,
    SearchSpace,
    SpectrogramInput,
    TimeSeriesSpace,
    spectrograms,
)


def test_a_network_smaller_in_ram_than_the_one_of_fewest_weights_is_found() -> None:
    board, model = load_board("nucleo-l4r5zi"), load_cost_model("cortex-m4")
    space = ImageSpace((8, 8, 1), 10)
    least = Feasibility(space, model, board, Limits(), 0.95).predict(space.smallest()).ram.total
    tight = Feasibility(space, model, board, Limits(ram=least - 1), 0.95)
    check_possible(tight)
    assert tight.predict(tight.modest()).ram.total < least
    assert tight.modest() == tight.modest()
    assert tight.predict(largest_feasible(tight, 0)[0]).ram.total < least
    with pytest.raises(UserError, match=r"--budget: no network fits into 300 bytes.* on nucleo-l4r5zi, most in \w+ \(\w+\)"):
        check_possible(Feasibility(space, model, board, Limits(ram=300), 0.95))


@pytest.mark.parametrize(
    "space",
    [
        ImageSpace((8, 8, 1), 10),
        ImageSpace((64, 64, 3), 2),
        AudioSpace(spectrograms(1000, bands=(10, 40), hops=(20,)), 12),
        TimeSeriesSpace(128, 6, 6),
        DenseSpace((1, 1, 40), 3),
        AutoencoderSpace((1, 60, 8)),
        AutoencoderSpace(SpectrogramInput(10, 32, 64)),
    ],
    ids=lambda space: space.name,
)
def test_the_hand_designed_network_is_as_wide_as_the_limits_allow(space: SearchSpace) -> None:
    board, model = load_board("nucleo-l4r5zi"), load_cost_model("cortex-m4")
    unlimited = Feasibility(space, model, board, Limits(), 0.95)
    designs = list(space.hand_designed())
    assert hand_designed(unlimited) == designs
    for number, design in enumerate(designs):
        needs = unlimited.predict(design)
        limits = Limits(needs.ram.total, math.ceil(needs.flash.high), needs.latency_ms.high, needs.macs)
        fits = Feasibility(space, model, board, limits, 0.95)
        found = hand_designed(fits)
        assert found == [other for other in designs[number:] if not fits(other)]  # 20 channels may take longer than 24
        assert found[0] == design
        less = Feasibility(space, model, board, Limits(macs=needs.macs - 1), 0.95)
        assert hand_designed(less) == designs[number + 1 :]


def test_a_hand_designed_network_that_does_not_fit_is_told_in_a_line() -> None:
    fits = Feasibility(
        ImageSpace((8, 8, 1), 10), load_cost_model("cortex-m4"), load_board("nucleo-l4r5zi"), Limits(ram=700, macs=20_000), 0.95
    )
    assert hand_designed(fits) == []
    assert too_wide(fits) == "plain ResNet-8 does not fit, at its narrowest it needs 26.5 k MACs, the limit is 20.0 k MACs"
