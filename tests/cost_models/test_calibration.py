from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from harness_board import TICKS_PER_INSTRUCTION, board, firmware, running

from codegen import elf
from codegen.boards import load_board
from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.errors import UserError
from codegen.harness import Device
from codegen.ir import Graph, total_macs
from codegen.process_map import serial_map
from cost_models import load_cost_model, save
from cost_models.calibration import BUNDLE, Job, calibrate, program_bytes, sample_bundles
from cost_models.measured import MeasuredProgram
from cost_models.measurement import build, shape_key
from cost_models.random_weights import fill
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
    assert steps == [(done, 28) for done in range(4, 29)]
    again = calibrate(board, samples=BUNDLE, networks=learn, held_out=judge, map=refuse)
    first, second = save(model, tmp_path / "first.json"), save(again, tmp_path / "second.json")
    assert first.read_bytes() == second.read_bytes()
    assert load_cost_model(first) == model
    assert not model.stale
    prediction = model.predict(judge[0], board)
    assert prediction.cycles.low < prediction.cycles.value < prediction.cycles.high
    assert model.card.arena_exact
    assert model.card.figures["cycles of networks"].spearman > 0.9
    assert model.card.figures["flash of networks"].n == len(model.flash_scores.scores) == 20


def test_more_samples_begin_with_the_same_bundles() -> None:
    few, many = ([job for job in sample_bundles("cortex-m4", "balanced", n * BUNDLE, 0) if job.bounded] for n in (2, 4))
    assert [job.key for job in many[:2]] == [job.key for job in few]
    assert sample_bundles("cortex-m4", "balanced", BUNDLE, 1)[0].key != few[0].key
    shapes = [shape_key(op, job.graph) for job in many for op in job.graph.ops]
    assert len(set(shapes)) == len(shapes) == 4 * BUNDLE


def test_every_tenth_operator_is_there_in_the_long_form_of_requantisation() -> None:
    jobs = [job for job in sample_bundles("cortex-m4", "balanced", 5 * BUNDLE, 0) if not job.bounded]
    (job,) = jobs
    assert len(job.graph.ops) == 12
    rng = np.random.default_rng(job.seed)
    filled = fill(job.graph, rng, bounded=False)
    for selection in lay_out(filled, CORES["cortex-m4"], "balanced").selections:
        assert not selection.spec.requantization.bounded  # type: ignore[attr-defined]
    assert job.key != replace(job, bounded=True).key


@pytest.mark.parametrize("most_bytes", [20_000, 120_000])
def test_bundles_for_a_board_fit_into_its_ram(most_bytes: int) -> None:
    jobs = sample_bundles("cortex-m4", "balanced", 2 * BUNDLE, 0, most_bytes=most_bytes)
    assert sum(len(job.graph.ops) for job in jobs if job.bounded) == 2 * BUNDLE
    assert len(jobs) > 2
    assert max(program_bytes(job.graph, "cortex-m4", "balanced") for job in jobs) <= most_bytes


def test_a_board_with_next_to_no_ram() -> None:
    with pytest.raises(UserError, match="hardly any operator fits into 4,096 bytes"):
        sample_bundles("cortex-m4", "balanced", BUNDLE, 0, most_bytes=4096)


@pytest.mark.parametrize("number", [0, 1])
def test_the_bound_of_a_programs_bytes_holds(number: int, tmp_path: Path) -> None:
    job = sample_bundles("cortex-m4", "speed", BUNDLE, 0, most_bytes=60_000)[number]
    rng = np.random.default_rng(job.seed)
    built = build(fill(job.graph, rng), CORES[job.core], job.optimize, tmp_path)
    program = elf.read(built.program)
    assert program.code + program.constants + built.interface.arena_bytes <= program_bytes(job.graph, job.core, job.optimize)


@pytest.mark.slow
def test_a_board_calibrates_a_model_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_CACHE_DIR", str(tmp_path / "cache"))
    target, learn, judge = board(tmp_path), networks(10, 1), networks(10, 2)
    with running(firmware(tmp_path, "cortex-m4")) as (port, process), Device.open(port, target) as device:

        def stopping(done: int, total: int) -> None:
            if done == 5:
                process.kill()
                process.wait()

        with pytest.raises(UserError, match="what was measured is kept"):
            calibrate(target, samples=BUNDLE, networks=learn, held_out=judge, device=device, progress=stopping)
    steps: list[int] = []
    with running(firmware(tmp_path, "cortex-m4")) as (port, _), Device.open(port, target) as device:
        model = calibrate(
            target, samples=BUNDLE, networks=learn, held_out=judge, device=device, progress=lambda done, total: steps.append(done)
        )
    assert steps == list(range(5, 29))
    loaded = load_cost_model(save(model, tmp_path / "board.json"))
    assert loaded == model
    assert "cycles: counted by mps2-an386 over a serial line (QEMU's mps2-an386, emulated, no real board" in loaded.card.render()
    measured = ResultCache.open(
        core="cortex-m4",
        optimize="balanced",
        compiler=model.compiler,
        kernel_library=model.kernel_library,
        measured_by=model.card.measured_by,
    )
    prediction = loaded.predict(judge[0], target)
    job = Job(judge[0], "cortex-m4", "balanced", 500_000 + len(learn))
    counted = measured.get(job.key)
    assert counted is not None
    assert counted.cycles == pytest.approx(TICKS_PER_INSTRUCTION * counted.instructions, rel=1e-3)
    assert prediction.cycles.value == pytest.approx(counted.cycles, rel=0.2)


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
