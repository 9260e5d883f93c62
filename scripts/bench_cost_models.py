"""How fast the cost models are: candidates per second, from parameters to verdict.

Run it as ``python scripts/bench_cost_models.py [--json]``. How good they are is for ``scripts/judge_cost_models.py`` to say.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from codegen.boards import load_board
from codegen.optimize import OPTIMIZE, Optimize
from cost_models import Interval, Limits, load_cost_model
from cost_models.model import DEFAULT_CONFIDENCE
from nas.calibration import SPACES
from nas.garbage import fewer_collections
from nas.study.feasibility import Feasibility
from search_spaces import Choice, SearchSpace

FAMILIES = tuple({type(space): space for space in reversed(SPACES)}.values())[::-1]
"""The first space of each family."""
MOST_DRAWS = 4
"""Draws for each candidate that is wanted, until a space counts as having no more of them."""
LIMITS = Limits(ram=16 * 1024, flash=64 * 1024, latency_ms=50.0)


@dataclass(frozen=True, slots=True)
class SpeedRun:
    """What to measure on one space in a process of its own: the first ``cold`` candidates; after ``warm`` more, or as many as the
    space has, ``timed`` ones."""

    model: str
    optimize: Optimize
    board: str
    space: SearchSpace
    cold: int
    warm: int
    timed: int
    seed: int


@fewer_collections()
def measure_speed(run: SpeedRun) -> dict[str, float]:
    """From parameters to verdict on distinct candidates, each judged once, by what the samplers ask (:class:`Feasibility`), with
    garbage collected as seldom as in a search.

    Parameter assignments are drawn beforehand; decoding them is timed, and so is everything that is worked out anew. What is known
    of layers is kept from one candidate to the next, a candidate as a whole never comes up again. Afterwards every candidate that
    was timed is laid out by the compiler and compared.
    """
    board = load_board(run.board)
    model = load_cost_model(run.model, optimize=run.optimize)
    fits = Feasibility(run.space, model, board, LIMITS, DEFAULT_CONFIDENCE)
    fits(run.space.smallest())  # loads schedules and native code
    rng = np.random.default_rng(run.seed)
    genomes: dict[str, Mapping[str, Choice]] = {}
    wanted = run.cold + run.warm + run.timed
    for _ in range(MOST_DRAWS * wanted):
        if len(genomes) == wanted:
            break
        architecture = run.space.sample(rng)
        genomes.setdefault(architecture.id, run.space.params(architecture))
    drawn = list(genomes.values())
    first, between, last = drawn[: run.cold], drawn[run.cold : -run.timed], drawn[-run.timed :]

    def judge(some: Sequence[Mapping[str, Choice]]) -> tuple[float, float, int]:
        """How many a second by the clock and by the processor's time; how many fit."""
        began, used = time.perf_counter(), time.process_time()
        feasible = sum(not fits(run.space.from_params(genome)) for genome in some)
        return len(some) / (time.perf_counter() - began), len(some) / (time.process_time() - used), feasible

    cold, cold_processor, _ = judge(first)
    if between:
        judge(between)
    before = model.new_links
    rate, processor, feasible = judge(last)
    new_links = model.new_links - before
    differences = {"ram": 0, "flash": 0, "latency": 0, "macs": 0}
    for genome in (*first, *last):
        architecture = run.space.from_params(genome)
        quick, general = fits.predict(architecture), model.predict(run.space.graph(architecture), board)
        differences["ram"] += quick.ram != general.ram
        differences["flash"] += not _equal(quick.flash, general.flash)
        differences["latency"] += not _equal(quick.latency_ms, general.latency_ms)
        differences["macs"] += quick.macs != general.macs
    return {
        "per_second": rate,
        "per_processor_second": processor,
        "candidates": len(last),
        "after": len(first) + len(between),
        "new_layers_per_candidate": new_links / len(last),
        "cold_per_second": cold,
        "cold_per_processor_second": cold_processor,
        "cold_candidates": len(first),
        "feasible": feasible / len(last),
        "compared": len(first) + len(last),
        **{f"{figure}_differences": count for figure, count in differences.items()},
    }


def _equal(a: Interval, b: Interval) -> bool:
    """Up to the rounding of sums."""
    return np.allclose((a.value, a.low, a.high), (b.value, b.low, b.high), rtol=1e-12, atol=0)


def _speed_text(name: str, figures: Mapping[str, float]) -> str:
    differences = ", ".join(f"{figure} of {figures[figure + '_differences']}" for figure in ("ram", "flash", "latency", "macs"))
    return (
        f"{name}\n"
        f"{'':20} {figures['per_second']:8,.0f} candidates/s, {figures['per_processor_second']:,.0f} by processor time, after "
        f"{figures['after']:,} ({figures['new_layers_per_candidate']:.2f} new layers each; "
        f"{100 * figures['feasible']:.0f} % feasible)\n"
        f"{'':20} {figures['cold_per_second']:8,.0f} candidates/s, {figures['cold_per_processor_second']:,.0f} by processor time, "
        f"for the first {figures['cold_candidates']:,}\n"
        f"{'':20} against the compiler's layout of all {figures['compared']:,} that were timed, other figures for {differences}"
    )


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", default="nucleo-l4r5zi")
    parser.add_argument("--optimize", choices=OPTIMIZE, default="balanced")
    parser.add_argument("--model", help="a cost-model file; default: the one that is shipped for the board's core")
    parser.add_argument("--timed", type=int, default=10_000, help="candidates to time on each space, and the first 1,000 beside")
    parser.add_argument("--families", action="store_true", help="time candidates of one space of each family only")
    parser.add_argument("--warm", type=int, default=50_000, help="candidates that are judged in between")
    parser.add_argument("--seed", type=int, default=20_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    board = load_board(options.board)
    source = options.model or board.core
    speed = {}
    for space in FAMILIES if options.families else SPACES:
        run = SpeedRun(source, options.optimize, options.board, space, 1_000, options.warm, options.timed, options.seed)
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            speed[space.name] = process.submit(measure_speed, run).result()
    result = {"board": board.name, "speed": speed}
    if options.json:
        print(json.dumps(result, indent=2))
        return
    for name, figures in speed.items():
        print(_speed_text(name, figures))


if __name__ == "__main__":
    main()
