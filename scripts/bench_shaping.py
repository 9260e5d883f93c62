"""What shaping a search space by a budget does: the networks of the space as it is, and of its shaped part.

Run it as ``python scripts/bench_shaping.py``. For each space and its limits it prints the share of random networks that fit, the
mean part of the tightest limit that those use, and the product: what a random network makes of the budget.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from codegen.boards import load_board
from cost_models import Limits, load_cost_model
from nas.study.feasibility import Feasibility
from search_spaces import AudioSpace, AutoencoderSpace, ImageSpace, SearchSpace, TimeSeriesSpace, shape_by_budget, spectrograms

KB = 1024
CASES: tuple[tuple[str, SearchSpace, Limits], ...] = (
    ("digits", ImageSpace((8, 8, 1), 10), Limits(ram=3 * KB, flash=16 * KB)),
    ("activities", TimeSeriesSpace(128, 6, 6), Limits(ram=round(10.8 * KB), flash=round(19.3 * KB))),
    ("anomalies", AutoencoderSpace((1, 60, 8)), Limits(flash=32 * KB)),
    ("keywords", AudioSpace(spectrograms(1000), 12), Limits(ram=22 * KB, flash=60 * KB, macs=2_700_000)),
    (
        "small photos",
        ImageSpace((32, 32, 3), 10, resolutions=(16, 20, 24, 28, 32), grey=True),
        Limits(ram=32 * KB, flash=64 * KB, latency_ms=300),
    ),
)


def judged(space: SearchSpace, feasibility: Feasibility, networks: int, seed: int) -> tuple[float, float]:
    """Share of random networks that fit, and the mean part of the tightest limit that those use."""
    rng = np.random.default_rng(seed)
    used = np.array([1 + max(feasibility.margins(space.sample(rng)).values()) for _ in range(networks)])
    return float((used <= 1).mean()), float(used[used <= 1].mean())


def main() -> None:
    """Parse arguments, shape, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", default="nucleo-l4r5zi")
    parser.add_argument("--samples", type=int, default=1000, help="networks of a draw while shaping")
    parser.add_argument("--networks", type=int, default=500, help="fresh random networks to judge by")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=[name for name, *_ in CASES], help="one of the cases")
    parser.add_argument("--choices", action="store_true", help="print the ranges that changed")
    options = parser.parse_args()
    board = load_board(options.board)
    model = load_cost_model(board.core)
    print(f"{'':14}{'checks':>8}{'s':>5}   fit        of limit   product")
    for name, space, limits in CASES:
        if options.only not in (None, name):
            continue
        feasibility = Feasibility(space, model, board, limits, 0.95)
        start = time.perf_counter()
        shaped = shape_by_budget(space, feasibility, seed=options.seed, samples=options.samples)
        seconds = time.perf_counter() - start
        (share, use), (shaped_share, shaped_use) = (
            judged(part, feasibility, options.networks, options.seed + 1) for part in (space, shaped.space)
        )
        print(
            f"{name:14}{shaped.checks:8,}{seconds:5.0f}   {share:.2f} → {shaped_share:.2f}   {use:.2f} → {shaped_use:.2f}   "
            f"{share * use:.2f} → {shaped_share * shaped_use:.2f}",
            flush=True,
        )
        if options.choices:
            for parameter, kept in shaped.space.choices().items():
                if kept != space.choices()[parameter]:
                    print(f"    {parameter}: {kept}")


if __name__ == "__main__":
    main()
