"""Whether anything fits, and the largest that does."""

from __future__ import annotations

import pytest

from codegen.boards import load_board
from codegen.errors import UserError
from cost_models import Limits, load_cost_model
from nas.study.explanation_text import check_possible
from nas.study.feasibility import Feasibility
from nas.study.largest import largest_feasible
from search_spaces import ImageSpace


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
