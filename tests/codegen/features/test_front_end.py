"""Features before a network: where they lie in its arena, what they cost, and what they are refused for."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sound_networks import FRONT_END, compiled_with_features, network, sounds

from codegen.boards import load_board
from codegen.cores import find_core
from codegen.errors import UserError
from codegen.features import FrontEnd, features, front_end_from_json, log_mel, mfcc
from codegen.features.front_end_costs import front_end_costs
from codegen.optimize import Optimize
from codegen.verify import measure_model


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 8192), st.integers(0, 8192))
def test_columns_and_scratch_share_no_byte_of_the_arena(bands: int, frames: int, before: int, behind: int) -> None:
    front_end = FrontEnd(mfcc(8000, bands), frames)
    arena = front_end.arena_bytes(before + front_end.column_bytes + behind)
    assert arena == max(before + front_end.column_bytes + behind, -(-front_end.column_bytes // 4) * 4 + 4 * 256)
    placement = front_end.place(before, arena)
    columns = range(placement.columns, placement.columns + front_end.column_bytes)
    scratch = range(placement.scratch, placement.scratch + front_end.scratch_bytes)
    assert placement.scratch % 4 == 0
    assert columns.start in (0, before)
    assert max(columns.stop, scratch.stop) <= arena
    assert columns.stop <= scratch.start or scratch.stop <= columns.start


def test_the_window_is_what_the_frames_are_taken_of() -> None:
    clips = sounds(FRONT_END, 3)
    longer = np.concatenate([clips, np.full((3, 500), 77, np.int16)], axis=1)
    assert FRONT_END(longer).shape == (3, *FRONT_END.shape)
    assert (FRONT_END(longer) == features(FRONT_END.settings, clips)).all()
    with pytest.raises(UserError, match=r"\[3, 1000\]; \(clips, 1536 samples\) are needed"):
        FRONT_END(clips[:, :1000])


def test_json_round_trip_and_damage() -> None:
    assert front_end_from_json(json.loads(json.dumps(FRONT_END.to_json()))) == FRONT_END
    for damaged in ({}, {"frames": 0, "settings": FRONT_END.settings.to_json()}, {"frames": 3, "settings": None}):
        with pytest.raises(UserError, match="frames and settings are needed"):
            front_end_from_json(damaged)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (FrontEnd(log_mel(8000, bands=13), 9), r"of shape \[9, 13, 1\], the network takes int8 \[9, 12, 1\]"),
        (FrontEnd(FRONT_END.settings, 8), r"of shape \[8, 12, 1\]"),
        (FrontEnd(dataclasses.replace(FRONT_END.settings, zero_point=3), 9), "zero point 3, the network's input has 0.03125 and 0"),
    ],
)
def test_a_network_of_other_inputs_is_refused(other: FrontEnd, words: str) -> None:
    with pytest.raises(UserError, match=words):
        other.check(network())


@pytest.mark.parametrize(("core", "optimize"), [("cortex-m4", "balanced"), ("cortex-m0plus", "balanced"), ("cortex-m4", "size")])
def test_costs_are_what_a_built_program_shows(core: str, optimize: Optimize) -> None:
    """The share of the features, known before there is a network, and the network's own figures add up to the program's."""
    board = load_board({"cortex-m4": "nucleo-l4r5zi", "cortex-m0plus": "nucleo-g0b1re"}[core])
    costs = front_end_costs(FRONT_END, find_core(core), optimize)
    built = measure_model(compiled_with_features(FRONT_END, core, optimize), board=board, inputs=sounds(FRONT_END, 4))
    alone = built.network
    assert built.bit_exact
    assert alone is not None
    assert built.ram.arena == FRONT_END.arena_bytes(alone.ram.arena)
    assert built.ram.state == FRONT_END.state_bytes
    assert built.ram.total == built.ram.arena + built.ram.stack + built.ram.static + built.ram.state
    assert 0 <= max(costs.stack, alone.ram.stack + costs.call) - built.ram.stack <= 8
    assert abs(alone.flash.total + costs.flash.total - built.flash.total) <= 0.01 * built.flash.total
    assert abs(alone.cycles + costs.cycles - built.cycles) <= 0.02 * built.cycles
    assert (built.layers[0].name, built.layers[0].op) == ("features", "Spectrogram")
    assert built.layers[0].cycles <= costs.cycles * 1.02
