from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from codegen.boards import load_board
from codegen.errors import UserError
from codegen.ir import Graph, total_macs
from cost_models import load_cost_model, save
from cost_models.calibration import BUNDLE, Job, calibrate, sample_bundles, serial_map
from cost_models.measured import MeasuredProgram
from cost_models.measurement import shape_key
from cost_models.result_cache import ResultCache
from search_spaces.image import ImageSpace


def networks(count: int, seed: int) -> list[Graph]:
    space, rng = ImageSpace((8, 8, 1), 10), np.random.default_rng(seed)
    found: list[Graph] = []
    while len(found) < count:
        graph = space.graph(space.sample(rng))
        if total_macs(graph) < 200_000:
            found.append(graph)
    return found


def refuse(_: Callable[[Job], MeasuredProgram], jobs: Sequence[Job]) -> Iterator[tuple[int, MeasuredProgram]]:
    assert not jobs, "everything is in the cache"
    return iter(())


@pytest.mark.slow
def test_calibration_goes_on_where_it_stopped_and_gives_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path / "cache"))
    board, learn, judge = load_board("nucleo-l4r5zi"), networks(10, 1), networks(10, 2)
    steps: list[tuple[int, int]] = []

    def stopping(function: Callable[[Job], MeasuredProgram], jobs: Sequence[Job]) -> Iterator[tuple[int, MeasuredProgram]]:
        for index, program in serial_map(function, jobs):
            if index == 4:
                raise KeyboardInterrupt
            yield index, program

    def progress(done: int, total: int) -> None:
        steps.append((done, total))

    with pytest.raises(KeyboardInterrupt):
        calibrate(board, samples=BUNDLE, networks=learn, held_out=judge, map=stopping)
    model = calibrate(board, samples=BUNDLE, networks=learn, held_out=judge, progress=progress)
    assert steps == [(done, 21) for done in range(4, 22)]
    again = calibrate(board, samples=BUNDLE, networks=learn, held_out=judge, map=refuse)
    first, second = save(model, tmp_path / "first.json"), save(again, tmp_path / "second.json")
    assert first.read_bytes() == second.read_bytes()
    assert load_cost_model(first) == model
    assert not model.stale
    prediction = model.predict(judge[0], board)
    assert prediction.cycles.low < prediction.cycles.value < prediction.cycles.high
    assert model.card.arena_exact
    assert model.card.figures["cycles of networks"].spearman > 0.9


def test_more_samples_begin_with_the_same_bundles() -> None:
    few, many = sample_bundles("cortex-m4", "balanced", 2 * BUNDLE, 0), sample_bundles("cortex-m4", "balanced", 4 * BUNDLE, 0)
    assert [job.key for job in many[:2]] == [job.key for job in few]
    assert sample_bundles("cortex-m4", "balanced", BUNDLE, 1)[0].key != few[0].key
    shapes = [shape_key(op, job.graph) for job in many for op in job.graph.ops]
    assert len(set(shapes)) == len(shapes) == 4 * BUNDLE


def test_too_little_to_learn_from_is_refused() -> None:
    board = load_board("nucleo-l4r5zi")
    with pytest.raises(UserError, match="networks"):
        calibrate(board, networks=networks(9, 1), held_out=networks(10, 2))
    with pytest.raises(UserError, match="--samples"):
        calibrate(board, samples=3, networks=networks(10, 1), held_out=networks(10, 2))


def test_a_line_that_a_kill_left_unfinished_is_left_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path))
    program = MeasuredProgram((), {"runs": 1.0}, 1.0, 2, 3, 4, {"memcpy": 5}, 6, 7, 0, 8, 9, 10.0, 11.0, 12, 13)

    def opened() -> ResultCache:
        return ResultCache.open(core="cortex-m4", optimize="balanced", compiler="c", kernel_library="k")

    cache = opened()
    cache.put("one", program)
    cache.put("two", program)
    cache.path.write_bytes(cache.path.read_bytes()[:-40])
    torn = opened()
    assert torn.get("one") == program
    assert torn.get("two") is None
    torn.put("two", program)
    assert opened().get("two") == program
    assert ResultCache.open(core="cortex-m4", optimize="balanced", compiler="c", kernel_library="other").get("one") is None
