"""Measures schedules and writes what comes with the package: which one each layer of known networks gets by default.

Run it as ``python scripts/tune_schedules.py --models DIR [--networks N] [--core CORE] [--optimize LEVEL ...]`` when kernels have
changed, before ``nas calibrate``. The layers are those of every ``model.tflite`` in a folder of ``DIR`` and of random networks of
the search spaces; the file goes to ``codegen/data/``. Layers that were measured before come from the cache.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import codegen
from codegen.cores import find_core
from codegen.ir import Graph
from codegen.optimize import OPTIMIZE
from codegen.process_map import ProcessMap
from codegen.schedules import Schedules, shipped_schedules
from codegen.toolchain import ZigCompiler
from cost_models.random_weights import fill
from nas.calibration import sample_networks
from nas.programs.sources import find_source, trained
from nas.programs.tuning import tune

SEED = 0


def known_networks(models: Path, count: int) -> list[Graph]:
    """The networks of a folder, and ``count`` random ones with random weights."""
    graphs = [trained(find_source(str(path))).graph for path in sorted(models.glob("*/model.tflite"))]
    rng = np.random.default_rng(SEED)
    return [*graphs, *(fill(graph, rng) for graph in sample_networks(count, SEED))]


def tuned(graphs: Sequence[Graph], rule: Schedules, workers: int) -> Schedules:
    """The best schedules for all layers, measured from scratch; only those that differ from the kernels' own rules."""
    choices: dict[str, int] = {}
    for number, graph in enumerate(graphs, 1):
        found = tune(graph, rule.core, rule.optimize, ProcessMap(workers), lambda done, total: None)
        choices.update(found.choices)
        print(f"{number}/{len(graphs)}  {graph.name}: {len(choices)} layers", flush=True)
    return Schedules(rule.core, rule.optimize, {key: position for key, position in choices.items() if position})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True, metavar="DIR", help="folder of networks")
    parser.add_argument("--networks", type=int, default=10, metavar="N", help="random networks beside them [10]")
    parser.add_argument("--core", default="cortex-m4")
    parser.add_argument("--optimize", choices=OPTIMIZE, nargs="+", default=list(OPTIMIZE))
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="builds at a time [all cores]")
    options = parser.parse_args()
    core = find_core(options.core)
    graphs = known_networks(options.models, options.networks)
    for optimize in options.optimize:
        path = Path(codegen.__file__).parent / "data" / f"{core.name}-{optimize}.json"
        path.unlink(missing_ok=True)  # what was known before must not outlive its reasons
        shipped_schedules.cache_clear()
        schedules = tuned(graphs, Schedules(core, optimize, {}), options.workers)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(schedules.to_json(ZigCompiler().identity), indent=1) + "\n", encoding="utf-8")
        print(f"{path}: {len(schedules.choices)} schedules other than the rule's")


if __name__ == "__main__":
    main()
