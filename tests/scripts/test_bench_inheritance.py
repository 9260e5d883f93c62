"""Weights from parents: what corresponds is taken over, and the measure of what that is worth."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import bench_inheritance
import numpy as np
import pytest
import torch
from bench_inheritance import FRESH, INHERITED, SHORT, TRAININGS, Result, jackknife_error, table
from inherited_weights import corresponding, inherit
from torch import Tensor, nn

from nas.learning.training import build_module
from nas.study.recipes import FINISHING
from search_spaces import Architecture, AudioSpace, Choice, DenseSpace, ImageSpace, SearchSpace, TimeSeriesSpace, spectrograms

pytestmark = pytest.mark.usefixtures("one_thread")
SPACE = TimeSeriesSpace(64, 6, 5)
SPACES: tuple[SearchSpace, ...] = (SPACE, ImageSpace((16, 16, 3), 4), AudioSpace(spectrograms(600), 4), DenseSpace((1, 1, 24), 2))


def trained(space: SearchSpace, architecture: Architecture, seed: int) -> nn.Module:
    """As a training leaves a module: with statistics and scales that are none of a fresh one's."""
    module = build_module(space, architecture, seed)
    generator = torch.Generator().manual_seed(seed)
    for name, values in module.state_dict().items():
        if "_norm." in name and values.is_floating_point():
            values.copy_(torch.rand(values.shape, generator=generator) + 0.5)
    return module.eval()


def examples(space: SearchSpace, architecture: Architecture) -> Tensor:
    height, width, channels = space.input_shape(architecture)
    return torch.randn(4, channels, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name.partition("(")[0])
def test_mutants_take_over_what_they_can(space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    for seed in range(15):
        parent = space.sample(rng)
        module, twin = trained(space, parent, seed), build_module(space, parent, seed + 1)
        assert inherit(space, parent, twin, parent, module.state_dict()) == 1
        assert torch.equal(twin.eval()(examples(space, parent)), module(examples(space, parent)))
        child = space.mutate(parent, rng)
        heir = build_module(space, child, seed)
        assert 0 < inherit(space, child, heir, parent, module.state_dict()) <= 1
        assert heir.eval()(examples(space, child)).isfinite().all()
        pairs = corresponding(space.layers(child), space.layers(parent))
        for layers, own in ((space.layers(child), [a for a, _ in pairs]), (space.layers(parent), [b for _, b in pairs])):
            places = [layers.index(layer) for layer in own]
            assert places == sorted(set(places))


@pytest.fixture(scope="module")
def parent() -> Architecture:
    return SPACE.from_params(
        {"decimation": 1, "stem_channels": 8, "stem_kernel": 5, "stem_stride": 2, "stages": 2,
         "stage1_block": "conv", "stage1_channels": 16, "stage1_depth": 1, "stage1_kernel": 3, "stage1_stride": 2,
         "stage1_reduction": "stride", "stage2_block": "inverted_residual", "stage2_channels": 16, "stage2_depth": 2,
         "stage2_kernel": 3, "stage2_stride": 1, "stage2_expansion": 2, "head": "pool", "pooling": "average"}
    )  # fmt: skip


@pytest.mark.parametrize(
    "change", [{"stage1_channels": 20}, {"stem_kernel": 9}, {"stage2_kernel": 5}, {"stage2_expansion": 3}], ids=str
)
def test_a_wider_one_begins_as_its_parent(parent: Architecture, change: Mapping[str, Choice]) -> None:
    """Where no Add joins what is new to what was there."""
    child = SPACE.changed(parent, {**change, **({"stage2_channels": 20} if "stage1_channels" in change else {})})
    heir, module = build_module(SPACE, child, 0), trained(SPACE, parent, 1)
    assert inherit(SPACE, child, heir, parent, module.state_dict()) < 1
    x = examples(SPACE, parent)
    assert torch.allclose(heir.eval()(x), module(x), atol=1e-5)


def test_a_narrower_one_has_the_first_channels_and_a_deeper_one_a_fresh_block(parent: Architecture) -> None:
    state = trained(SPACE, parent, 1).state_dict()
    narrow = SPACE.changed(parent, {"stem_channels": 4})
    heir = build_module(SPACE, narrow, 0)
    assert inherit(SPACE, narrow, heir, parent, state) == 1
    assert torch.equal(heir.state_dict()["block1.weight"], state["block1.weight"][:, :4])
    assert torch.equal(heir.state_dict()["stem_norm.running_var"], state["stem_norm.running_var"][:4])
    deep = SPACE.changed(parent, {"stage1_depth": 2})
    fresh, heir = (build_module(SPACE, deep, 0) for _ in range(2))
    inherit(SPACE, deep, heir, parent, state)
    assert torch.equal(heir.state_dict()["block2.weight"], fresh.state_dict()["block2.weight"])
    for name in ("depthwise", "project_norm"):
        assert torch.equal(heir.state_dict()[f"block4_{name}.weight"], state[f"block3_{name}.weight"])


def results() -> list[Result]:
    """Mutants whose inherited accuracy tells what they reach, while the one from fresh weights tells the opposite."""
    made = []
    for at in range(8):
        curves = {name: [0.1] * recipe.epochs for name, (_, recipe) in TRAININGS.items()}
        curves[INHERITED + SHORT][-1], curves[FRESH + SHORT][-1] = 0.5 + at / 100, 0.4 - at / 100
        seconds = {name: float(recipe.epochs) for name, (_, recipe) in TRAININGS.items()}
        made.append(Result("ItalyPowerDemand", at % 2, at // 2, 0, 0.5, 0.6, 0.8 + at / 100, curves, seconds))
    return made


def test_the_table_tells_who_ranks_better() -> None:
    assert jackknife_error([1.0, 2.0, 3.0]) == pytest.approx(np.sqrt(4 / 3))
    rows = [line.split(" | ") for line in table(results()) if " | " in line]
    cells = [cell for row, cell, *_ in rows if row == "| inherited, cycle of 4 epochs"]
    assert cells == ["+17.0 ± 1.7", "1.00 ± 0.00", "+2.00 ± 0.00", "1.00 ± 0.00"]
    assert [cell for row, cell, *_ in rows if row.startswith("| seconds of inherited, short")] == ["0.50"]


def test_the_bench_goes_on_where_it_stopped(
    tmp_path: Path, shared_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven of eight mutants are known; the last one's epochs are short here."""
    monkeypatch.setattr(bench_inheritance, "FINISHING", replace(FINISHING, least_steps=3))
    short = {name: (way, replace(recipe, least_steps=3)) for name, (way, recipe) in TRAININGS.items()}
    monkeypatch.setattr(bench_inheritance, "TRAININGS", short)
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(dataclasses.asdict(result)) + "\n" for result in results()[:-1]))
    options = ["--data", str(shared_dir / "data"), "--only", "ItalyPowerDemand", "--parents", "2", "--results", str(path)]
    bench_inheritance.main(options)
    *_, last = [Result(**json.loads(line)) for line in path.read_text().splitlines()]
    assert (last.parent, last.mutant) == (1, 3)
    assert {name: len(curve) for name, curve in last.curves.items()} == {name: r.epochs for name, (_, r) in TRAININGS.items()}
    assert 0.5 < last.reached <= 1
    assert last.inherited > 0
    assert "| parents, mutants times seeds | 2, 8 |" in capsys.readouterr().out
