"""How fast and how good the cost models are: candidates per second, and predictions against builds of fresh random networks.

Run it as ``python scripts/bench_cost_models.py [--networks N] [--json]``. The networks are drawn with a seed that calibration does
not use; each one is compiled with random weights, run in the emulator and compared with what was predicted from its shapes.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

import numpy as np

from codegen.boards import Board, load_board
from codegen.ir import Graph, total_macs
from codegen.optimize import OPTIMIZE
from cost_models import CostModel, Limits, load_cost_model, violations
from cost_models.calibration import Job, run_job
from cost_models.card import Accuracy
from cost_models.process_map import ProcessMap
from search_spaces.image import ImageSpace

SPACES = (ImageSpace((8, 8, 1), 10), ImageSpace((16, 16, 1), 10), ImageSpace((28, 28, 1), 10), ImageSpace((32, 32, 3), 10))
LIMITS = Limits(ram=16 * 1024, flash=64 * 1024, latency_ms=50.0)


def candidates_per_second(model: CostModel, board: Board, space: ImageSpace, seconds: float, seed: int) -> dict[str, float]:
    """From parameters to verdict on distinct candidates, each judged once, on one core."""
    rng = np.random.default_rng(seed)
    seen: set[str] = set()
    feasible = 0
    spent = 0.0
    while spent < seconds:
        fresh = []
        while len(fresh) < 200:
            architecture = space.sample(rng)
            if architecture.id not in seen:
                seen.add(architecture.id)
                fresh.append(architecture)
        start = time.perf_counter()
        for architecture in fresh:
            feasible += not violations(model.predict(space.graph(architecture), board), LIMITS)
        spent += time.perf_counter() - start
    return {"candidates": len(seen), "per_second": len(seen) / spent, "feasible": feasible / len(seen)}


def fresh_networks(count: int, seed: int, most_macs: int) -> list[Graph]:
    """Random networks of every space in turn."""
    rng = np.random.default_rng(seed)
    graphs: list[Graph] = []
    while len(graphs) < count:
        space = SPACES[len(graphs) % len(SPACES)]
        graph = space.graph(space.sample(rng))
        if total_macs(graph) <= most_macs:
            graphs.append(graph)
    return graphs


def accuracy(model: CostModel, board: Board, graphs: list[Graph], workers: int, seed: int) -> dict[str, Any]:
    """Builds and runs every network and compares."""
    jobs = [Job(graph, model.core, model.optimize, seed + i) for i, graph in enumerate(graphs)]
    built = dict(ProcessMap(workers)(run_job, jobs))
    predictions = [model.predict(graph, board) for graph in graphs]
    measured = [built[i] for i in range(len(graphs))]
    pairs = list(zip(predictions, measured, strict=True))
    flash = [m.code + m.constants for m in measured]
    return {
        "cycles": Accuracy.of(
            [p.cycles.value for p in predictions],
            [m.cycles for m in measured],
            float(np.mean([m.cycles in p.cycles for p, m in pairs])),
        ),
        "flash": Accuracy.of(
            [p.flash.value for p in predictions],
            flash,
            float(np.mean([size in p.flash for p, size in zip(predictions, flash, strict=True)])),
        ),
        "flash_error_bytes": sorted(round(p.flash.value - size) for p, size in zip(predictions, flash, strict=True)),
        "arena_errors": sum(p.ram.arena != m.arena for p, m in pairs),
        "stack_gap": [min(p.ram.stack - m.stack for p, m in pairs), max(p.ram.stack - m.stack for p, m in pairs)],
    }


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", default="nucleo-l4r5zi")
    parser.add_argument("--optimize", choices=OPTIMIZE, default="balanced")
    parser.add_argument("--model", help="a cost-model file; default: the one that is shipped for the board's core")
    parser.add_argument("--networks", type=int, default=40, help="networks to build and run (0: speed only)")
    parser.add_argument("--most-macs", type=int, default=3_000_000, help="leave out networks with more")
    parser.add_argument("--seconds", type=float, default=5.0, help="time for each space's speed")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=20_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    board = load_board(options.board)
    model = load_cost_model(options.model or board.core, optimize=options.optimize)
    result: dict[str, Any] = {
        "board": board.name,
        "speed": {space.name: candidates_per_second(model, board, space, options.seconds, options.seed) for space in SPACES},
    }
    if options.networks:
        graphs = fresh_networks(options.networks, options.seed, options.most_macs)
        result["accuracy"] = accuracy(model, board, graphs, options.workers, options.seed)
    if options.json:
        print(json.dumps(result, default=lambda figure: {name: getattr(figure, name) for name in Accuracy.__slots__}, indent=2))
        return
    for name, speed in result["speed"].items():
        print(f"{name:20} {speed['per_second']:8,.0f} candidates/s ({100 * speed['feasible']:.0f} % feasible)")
    for name, value in result.get("accuracy", {}).items():
        print(f"{name:20} {value}")


if __name__ == "__main__":
    main()
