"""What the generated C costs: networks nobody here designed, and winners of searches, built and run in the emulator.

Run it as ``python scripts/bench_codegen.py --models DIR [--runs DIR] [--core CORE] [--optimize LEVEL] [--json]``. ``--models``
holds a folder per network with ``model.tflite``, ``inputs.npy``, ``outputs.npy``; every input is run and every byte compared.
``--runs`` adds the winner of each search in a folder. The ratios are to figures of CMSIS-NN and TensorFlow Lite Micro that were
counted with the same emulated instructions (CMSIS-NN 2026-07, GCC 12.2 -O3); below one is better.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codegen.boards import Board, load_board
from codegen.compile import compile_graph
from codegen.cores import find_core
from codegen.ir import Conv2D, Graph, Op
from codegen.measurement import LayerMeasurement, Verification
from codegen.optimize import OPTIMIZE, Optimize
from codegen.verify import measure, measure_model

BOARDS = {
    "cortex-m0plus": "nucleo-g0b1re",
    "cortex-m3": "nucleo-f103rb",
    "cortex-m4": "nucleo-l4r5zi",
    "cortex-m33": "nucleo-u575zi-q",
    "cortex-m7": "nucleo-h7a3zi-q",
}
"""The board that stands for each core; others are named with ``--board``."""

CMSIS_NN: Mapping[str, Mapping[str, tuple[float, float | None]]] = {
    "cortex-m4": {
        "kws": (7.84e6, 9.26e6),
        "ic": (29.87e6, 36.3e6),
        "vww": (24.71e6, 29.6e6),
        "ad": (0.579e6, 0.717e6),
        "sww": (2.22e6, 2.69e6),
    },
    "cortex-m33": {
        "kws": (7.80e6, 8.12e6),
        "ic": (29.93e6, 31.31e6),
        "vww": (24.53e6, 25.73e6),
        "ad": (0.579e6, 0.656e6),
        "sww": (2.22e6, None),
    },
    "cortex-m7": {
        "kws": (7.76e6, 5.39e6),
        "ic": (29.93e6, 21.54e6),
        "vww": (24.47e6, 17.18e6),
        "ad": (0.579e6, 0.422e6),
        "sww": (2.18e6, None),
    },
    "cortex-m0plus": {
        "kws": (29.0e6, None),
        "ic": (97.6e6, None),
        "vww": (86.9e6, None),
        "ad": (1.76e6, None),
        "sww": (9.32e6, None),
    },
}
"""Instructions and, where they were counted, cycles of an inference with CMSIS-NN by the same rules."""

TFLM_ARENA = {"kws": 22_820, "ic": 54_996, "vww": 100_708, "ad": 2_580, "sww": 16_596, "mcunet_vww": 219_808}
"""Arena bytes that TensorFlow Lite Micro uses."""


@dataclass(frozen=True, slots=True)
class Result:
    """One network: what was measured, how long export took, and the kind of each layer."""

    name: str
    verification: Verification
    seconds: float | None
    kinds: Mapping[str, str]

    def per_mac(self) -> dict[str, tuple[float, float]]:
        """Instructions and cycles per MAC of each kind of layer that has MACs."""
        layers: dict[str, list[LayerMeasurement]] = {}
        for layer in self.verification.layers:
            if layer.macs:
                layers.setdefault(self.kinds.get(layer.name, layer.op), []).append(layer)
        return {
            kind: (sum(x.instructions for x in group) / macs, sum(x.cycles for x in group) / macs)
            for kind, group in sorted(layers.items())
            if (macs := sum(x.macs for x in group))
        }


def kind(op: Op, graph: Graph) -> str:
    """``op``'s kind, with 1x1 convolutions on their own."""
    if isinstance(op, Conv2D):
        rows, columns = graph[op.weight].shape[1:3]
        return "Pointwise" if rows == columns == 1 else f"Conv2D {rows}x{columns}"
    return op.kind


def bench_model(directory: Path, board: Board, optimize: Optimize) -> Result:
    """Import, compile, build and run one network on all of its inputs."""
    from nas.programs.sources import find_source, trained

    start = time.perf_counter()
    graph = trained(find_source(str(directory / "model.tflite"))).graph
    model = compile_graph(graph, find_core(board.core), name=directory.name, optimize=optimize)
    inputs, outputs = (np.load(directory / f"{name}.npy") for name in ("inputs", "outputs"))
    compiled = time.perf_counter() - start
    verification = measure_model(model, board=board, inputs=inputs, expect=outputs)
    lowered = model.layout.graph
    return Result(directory.name, verification, compiled, {op.name: kind(op, lowered) for op in lowered.ops})


def bench_winner(run: Path) -> Result:
    """The winner's project of a search, measured as it lies there."""
    return Result(run.name, measure(run / "winner"), None, {})


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text; the first is the head, the first column is left-aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )


def ratio(value: float, baseline: float | None) -> str:
    """``value`` as a share of the baseline."""
    return "-" if baseline is None else f"{value / baseline:.2f}"


def render(results: Sequence[Result], core: str) -> str:
    """Both tables: whole networks, then layers by kind."""
    rows = [
        (
            "network",
            "equal",
            "instructions",
            "/CMSIS-NN",
            "cycles",
            "/CMSIS-NN",
            "arena",
            "/TFLM",
            "stack",
            "code",
            "constants",
            "compile s",
        )
    ]
    for r in results:
        v = r.verification
        instructions, cycles = CMSIS_NN.get(core, {}).get(r.name, (None, None))
        arena = TFLM_ARENA.get(r.name)
        rows.append(
            (
                r.name,
                f"{v.inputs - v.mismatches}/{v.inputs}",
                f"{v.instructions:,.0f}",
                ratio(v.instructions, instructions),
                f"{v.cycles:,.0f}",
                ratio(v.cycles, cycles),
                f"{v.ram.arena:,}",
                ratio(v.ram.arena, arena),
                f"{v.ram.stack:,}",
                f"{v.flash.code:,}",
                f"{v.flash.constants:,}",
                "-" if r.seconds is None else f"{r.seconds:.1f}",
            )
        )
    layers = [("per MAC: instructions (cycles)", *(r.name for r in results))]
    per_mac = [r.per_mac() for r in results]
    layers += [
        (name, *(f"{g[name][0]:.2f} ({g[name][1]:.2f})" if name in g else "-" for g in per_mac))
        for name in sorted({name for group in per_mac for name in group})
    ]
    return f"{table(rows)}\n\n{table(layers)}"


def to_json(result: Result) -> dict[str, Any]:
    """All figures of one network under the names of ``nas verify --json``, with those per kind of layer."""
    per_mac = {name: {"instructions": i, "cycles": c} for name, (i, c) in result.per_mac().items()}
    return {"network": result.name, "compile_seconds": result.seconds, "per_mac": per_mac, **result.verification.to_json()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of networks with golden outputs")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these networks of --models alone")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="folder of search runs whose winners are measured too")
    parser.add_argument("--core", default="cortex-m4", help="core to build for [cortex-m4]")
    parser.add_argument("--board", help="board instead of the one that stands for the core")
    parser.add_argument("--optimize", choices=OPTIMIZE, default="speed")
    parser.add_argument("--json", action="store_true", help="one JSON object per network and line")
    options = parser.parse_args()
    core = find_core(options.core).name
    board = load_board(options.board or BOARDS[core])
    folders = sorted(p.parent for p in options.models.glob("*/model.tflite")) if options.models else []
    if options.only:
        folders = [f for f in folders if f.name in options.only]
    winners = sorted(p.parent.parent for p in options.runs.glob("*/winner/report.json")) if options.runs else []
    if not folders and not winners:
        parser.error("give --models or --runs: a folder that holds networks or search runs")
    results = []
    for result in (*(bench_model(f, board, options.optimize) for f in folders), *map(bench_winner, winners)):
        if options.json:
            print(json.dumps(to_json(result)), flush=True)
        results.append(result)
    if not options.json:
        about = f"{board.core} on {board.name}, --optimize {options.optimize}, {results[0].verification.compiler}"
        if note := find_core(board.core).timing_note:
            about += f"; cycles: {note}"
        print(f"{about}\n\n{render(results, board.core)}")
    return 0 if all(r.verification.bit_exact for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
