import json
from pathlib import Path

import pytest

from codegen.boards import load_board
from codegen.cores import CORES
from codegen.errors import UserError
from codegen.kernels import library_hash
from codegen.optimize import OPTIMIZE
from cost_models import find_cost_model, load_cost_model, save
from search_spaces.image import ImageSpace


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return save(load_cost_model("cortex-m4"), tmp_path / "model.json")


def test_a_file_gives_the_same_predictions_and_the_same_bytes(written: Path, tmp_path: Path) -> None:
    shipped, loaded = load_cost_model("cortex-m4"), load_cost_model(written)
    assert loaded == shipped
    space, board = ImageSpace((8, 8, 1), 10), load_board("nucleo-l4r5zi")
    graph = space.graph(space.smallest())
    assert loaded.predict(graph, board).to_json() == shipped.predict(graph, board).to_json()
    assert save(loaded, tmp_path / "again.json").read_bytes() == written.read_bytes()


@pytest.mark.parametrize(
    ("core", "optimize"), [*((core, "balanced") for core in CORES), *(("cortex-m4", level) for level in OPTIMIZE)]
)
def test_the_shipped_models_belong_to_the_present_kernels_and_are_good(core: str, optimize: str) -> None:
    model = load_cost_model(core, optimize=optimize)
    command = f"nas calibrate --board {model.board} --optimize {optimize} --out cost_models/data/{core}-{optimize}.json"
    assert model.kernel_library == library_hash(), f"kernels changed: run '{command}'"
    assert not model.stale
    assert model.warning is None
    assert model.core == core
    card = model.card
    assert card.arena_exact
    assert card.stack_gap[0] >= 0
    assert card.figures["cycles of networks"].mape < 0.01
    assert card.figures["cycles of networks"].spearman > 0.995
    assert card.figures["flash of networks"].mape < 0.02
    assert card.figures["cycles by MACs alone"].mape > 0.1


def test_a_board_finds_the_model_of_its_core_or_takes_one_from_a_file(written: Path) -> None:
    assert find_cost_model(load_board("rpi-pico"), "balanced").core == "cortex-m0plus"
    assert find_cost_model(load_board("nrf52840-dk"), "balanced", written) == load_cost_model("cortex-m4")
    with pytest.raises(UserError, match="is for cortex-m4, but rpi-pico has a cortex-m0plus"):
        find_cost_model(load_board("rpi-pico"), "balanced", written)
    with pytest.raises(UserError, match="was calibrated for --optimize balanced, not speed"):
        find_cost_model(load_board("nrf52840-dk"), "speed", written)
    with pytest.raises(UserError, match=r"no cost model for --optimize speed .* --model FILE"):
        find_cost_model(load_board("rpi-pico"), "speed")


def test_a_model_of_other_kernels_says_so_and_offers_recalibration(written: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    old = load_cost_model(save(replace(load_cost_model(written), kernel_library="0" * 64), tmp_path / "old.json"))
    assert old.stale
    assert old.warning is not None
    assert "nas calibrate --board nucleo-l4r5zi" in old.warning


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "cut short"),
        (lambda text: text.replace('"core": "cortex-m4"', '"core": "cortex-m3"', 1), "edited or damaged"),
        (lambda text: json.dumps({**json.loads(text), "format": 99}), "format 99"),
        (lambda text: json.dumps({**json.loads(text), "format": 0}), "format 0"),
        (lambda text: text.replace('"format": 5', '"format": 4'), "is of format 4, this version reads format 5; make it anew"),
        (lambda text: "{}", "not a cost model"),
        (lambda text: "[1, 2]", "not a cost model"),
        (lambda text: "", "cut short"),
    ],
)
def test_a_damaged_file_is_refused_by_name(written: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    written.write_text(damage(written.read_text()))
    with pytest.raises(UserError, match=message) as refused:
        load_cost_model(written)
    assert str(written) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_single_number_is_under_the_checksum(written: Path) -> None:
    content = json.loads(written.read_text())
    content["run"]["stack"] += 1
    written.write_text(json.dumps(content))
    with pytest.raises(UserError, match="checksum"):
        load_cost_model(written)


def test_missing_files_and_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.json"):
        load_cost_model(tmp_path / "none.json")
    with pytest.raises(UserError, match="--optimize"):
        load_cost_model("cortex-m4", optimize="nothing")


def test_a_board_with_another_core_is_refused() -> None:
    space = ImageSpace((8, 8, 1), 10)
    with pytest.raises(UserError, match="rpi-pico"):
        load_cost_model("cortex-m4").predict(space.graph(space.smallest()), load_board("rpi-pico"))


def test_saving_over_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(OSError, match="taken"):
        save(load_cost_model("cortex-m4"), target)
    assert list(tmp_path.iterdir()) == [target]
