"""How good the cost models are, on networks whose layers are in no calibration.

Run it as ``python scripts/judge_cost_models.py [--board BOARD] [--optimize LEVEL] [--networks N] [--weight-bits 8|4]
[--models DIR] [--scatter FILE] [--json]``. Networks are drawn from every family of search spaces, for inputs that calibration does
not have, and left out if any layer has a shape that it has. Each is compiled with random weights, run in the emulator and compared
with what was predicted from its shapes. ``--models`` adds networks that nobody here designed (a folder with ``model.tflite`` for
each).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from svg_scatter import scatter_svg

from codegen.boards import Board, load_board
from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.int4 import WeightBits
from codegen.ir import Graph, total_macs
from codegen.kernels import library_hash
from codegen.optimize import OPTIMIZE
from codegen.process_map import ProcessMap
from codegen.toolchain import ZigCompiler
from cost_models import CostModel, Prediction, find_cost_model
from cost_models.calibration import Job, measure_all, run_job
from cost_models.card import Accuracy
from cost_models.measured import MeasuredProgram
from cost_models.measurement import shape_key
from cost_models.prediction import Interval
from cost_models.result_cache import ResultCache
from nas.calibration import calibrated_graphs
from search_spaces import AudioSpace, AutoencoderSpace, DenseSpace, ImageSpace, SearchSpace, TimeSeriesSpace, spectrograms

FAMILIES: Mapping[str, Sequence[SearchSpace]] = {
    "image": (ImageSpace((12, 12, 1), 7), ImageSpace((24, 24, 3), 5), ImageSpace((40, 40, 1), 2)),
    "audio": (AudioSpace(spectrograms(800, bands=(12, 16, 26), hops=(24,)), 9),),
    "time series": (TimeSeriesSpace(96, 3, 5), TimeSeriesSpace(200, 9, 8)),
    "dense": (DenseSpace((1, 1, 50), 7), DenseSpace((1, 1, 90), 3)),
    "autoencoder": (AutoencoderSpace((1, 1, 240)), AutoencoderSpace((1, 1, 480))),
}
"""Spaces for inputs that no space of the calibration has."""
FOREIGN = ("kws", "ic", "vww", "ad", "sww")
MOST_MACS = 5_000_000
MOST_DRAWS = 500
"""Draws for each network that is wanted, until a space counts as having no more of unseen layers."""
SEED = 31_337


@dataclass(frozen=True, slots=True)
class Judged:
    """A network's prediction beside what its program measured."""

    predicted: Prediction
    measured: MeasuredProgram


def unseen_networks(
    spaces: Sequence[SearchSpace], count: int, seen: frozenset[str], shapes: Callable[[Graph], set[str]]
) -> list[Graph]:
    """Random networks of the spaces in turn, each once, none of whose layers has a shape that is ``seen``."""
    rng = np.random.default_rng(SEED)
    graphs: dict[str, Graph] = {}
    for draw in range(MOST_DRAWS * count):
        if len(graphs) == count:
            break
        space = spaces[draw % len(spaces)]
        architecture = space.sample(rng)
        graph = space.graph(architecture)
        if architecture.id not in graphs and total_macs(graph) <= MOST_MACS and not shapes(graph) & seen:
            graphs[architecture.id] = graph
    return list(graphs.values())


def judge(
    model: CostModel, board: Board, graphs: Sequence[Graph], workers: int, weight_bits: WeightBits | None = None
) -> list[Judged]:
    """Builds and runs every network that was not measured before (results are kept with those of calibrations)."""
    jobs = [Job(graph, model.core, model.optimize, SEED + i, weight_bits=weight_bits) for i, graph in enumerate(graphs)]
    results = ResultCache.open(
        core=model.core, optimize=model.optimize, compiler=ZigCompiler().identity, kernel_library=library_hash()
    )

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty() or done == total:
            print(f"\r{done}/{total} networks built and run", end="" if done < total else "\n", file=sys.stderr, flush=True)

    measured = measure_all(jobs, run_job, results, ProcessMap(workers), progress)
    return [Judged(model.predict(graph, board), program) for graph, program in zip(graphs, measured, strict=True)]


def figures(judged: Sequence[Judged]) -> dict[str, Any]:
    """All that the targets are about."""
    cycles = [(j.predicted.cycles, j.measured.cycles) for j in judged]
    flash = [(j.predicted.flash, j.measured.code + j.measured.constants) for j in judged]
    macs = [(j.measured.macs, j.measured.cycles) for j in judged]
    factor = float(np.median([c / m for m, c in macs]))
    gaps = [j.predicted.ram.stack - j.measured.stack for j in judged]
    return {
        "cycles": asdict(
            Accuracy.of([p.value for p, _ in cycles], [m for _, m in cycles], float(np.mean([m in p for p, m in cycles])))
        ),
        "cycles_interval": _half_width([p for p, _ in cycles]),
        "cycles_within_5_percent": float(np.mean([abs(p.value / m - 1) <= 0.05 for p, m in cycles])),
        "flash": asdict(
            Accuracy.of([p.value for p, _ in flash], [m for _, m in flash], float(np.mean([m in p for p, m in flash])))
        ),
        "flash_interval": _half_width([p for p, _ in flash]),
        "flash_within_1_percent_or_256_bytes": float(np.mean([abs(p.value - m) <= max(0.01 * m, 256) for p, m in flash])),
        "arena_errors": sum(j.predicted.ram.arena != j.measured.arena for j in judged),
        "stack_gap": [min(gaps), max(gaps)],
        "stack_within_64_bytes": float(np.mean([0 <= gap <= 64 for gap in gaps])),
        "cycles_by_macs_alone": asdict(Accuracy.of([factor * m for m, _ in macs], [c for _, c in macs])),
    }


def _half_width(intervals: Sequence[Interval]) -> float:
    """Mean of how far the upper end lies above the estimate, relative to it: limits are checked there, so wide ones cost."""
    return float(np.mean([interval.high / interval.value - 1 for interval in intervals]))


def foreign(model: CostModel, board: Board, models: Path) -> dict[str, dict[str, float]]:
    """Cycles, flash and stack of networks from elsewhere, predicted and measured on one input."""
    from codegen.compile import compile_graph
    from codegen.verify import measure_model
    from nas.programs.sources import find_source, trained

    found = {}
    for name in FOREIGN:
        graph = trained(find_source(str(models / name / "model.tflite"))).graph
        prediction = model.predict(graph, board)
        compiled = compile_graph(graph, CORES[model.core], name=name, optimize=model.optimize)
        built = measure_model(compiled, board=board, inputs=np.load(models / name / "inputs.npy")[:1]).to_json()
        found[name] = {
            "predicted_cycles": prediction.cycles.value,
            "measured_cycles": built["cycles"],
            "error": prediction.cycles.value / built["cycles"] - 1,
            "predicted_flash": prediction.flash.value,
            "measured_flash": built["flash"]["total"],
            "stack_gap": prediction.ram.stack - built["ram"]["stack"],
            "arena_error": prediction.ram.arena - built["ram"]["arena"],
        }
    return found


def _text(name: str, result: Mapping[str, Any]) -> str:
    cycles, flash, by_macs = result["cycles"], result["flash"], result["cycles_by_macs_alone"]
    low, high = result["stack_gap"]
    return (
        f"{name:12} {cycles['n']:5} networks\n"
        f"  cycles     MAPE {cycles['mape']:.2%} (by MACs alone {by_macs['mape']:.1%}), worst {cycles['worst']:.1%}, "
        f"within 5 % {result['cycles_within_5_percent']:.1%}, Spearman {cycles['spearman']:.4f}, "
        f"in the 95 % interval {cycles['coverage']:.1%} (+{result['cycles_interval']:.2%})\n"
        f"  flash      MAPE {flash['mape']:.2%}, within max(1 %, 256 bytes) {result['flash_within_1_percent_or_256_bytes']:.1%}, "
        f"in the 95 % interval {flash['coverage']:.1%} (+{result['flash_interval']:.2%})\n"
        f"  RAM        arena off on {result['arena_errors']}, stack bound above measured by {low} to {high} bytes "
        f"({result['stack_within_64_bytes']:.1%} within 0 to 64)"
    )


def main() -> None:
    """Parse arguments, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--board", default="nucleo-l4r5zi")
    parser.add_argument("--optimize", choices=OPTIMIZE, default="balanced")
    parser.add_argument("--model", type=Path, help="a cost-model file; default: the one that is shipped for the board's core")
    parser.add_argument("--networks", type=int, default=150, help="of each family")
    parser.add_argument("--weight-bits", type=int, choices=(8, 4), default=8, help="of wide layers")
    parser.add_argument("--models", type=Path, help="folder with networks from elsewhere")
    parser.add_argument("--scatter", type=Path, help="SVG file to draw cycles into, predicted against measured")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    board = load_board(options.board)
    model = find_cost_model(board, options.optimize, options.model)

    def shapes(graph: Graph) -> set[str]:
        layout = lay_out(graph, CORES[model.core], model.optimize)
        return {shape_key(s.op, layout.graph) for s in layout.selections}

    seen = frozenset(shape for graph in calibrated_graphs(model) for shape in shapes(graph))
    drawn = {
        family: unseen_networks([space.with_weight_bits(options.weight_bits) for space in spaces], options.networks, seen, shapes)
        for family, spaces in FAMILIES.items()
    }
    short = 4 if options.weight_bits == 4 else None
    everything = judge(model, board, [graph for graphs in drawn.values() for graph in graphs], options.workers, short)
    judged: dict[str, list[Judged]] = {}
    for family, graphs in drawn.items():
        judged[family], everything = everything[: len(graphs)], everything[len(graphs) :]
    results = {family: figures(found) for family, found in judged.items() if found}
    results["together"] = figures([j for found in judged.values() for j in found])
    elsewhere = {} if options.models is None else foreign(model, board, options.models)
    if options.scatter is not None:
        points = {family: [(j.measured.cycles, j.predicted.cycles.value) for j in found] for family, found in judged.items()}
        title = f"{model.core}, {model.optimize}: {sum(map(len, points.values()))} networks with layers of unseen shapes"
        options.scatter.write_text(scatter_svg(title, "cycles", points), encoding="utf-8")
    if options.json:
        print(json.dumps({"core": model.core, "optimize": model.optimize, "families": results, "elsewhere": elsewhere}, indent=1))
        return
    for name, result in results.items():
        print(_text(name, result))
    for name, figure in elsewhere.items():
        print(
            f"{name:12} cycles {figure['predicted_cycles']:,.0f} predicted, {figure['measured_cycles']:,.0f} measured "
            f"({figure['error']:+.2%}); flash {figure['predicted_flash']:,.0f} and {figure['measured_flash']:,}; "
            f"arena off by {figure['arena_error']}, stack bound above measured by {figure['stack_gap']}"
        )


if __name__ == "__main__":
    main()
