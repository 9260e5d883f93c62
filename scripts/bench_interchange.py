"""How exported files compute in other runtimes: the share of output bytes that differ from the numpy reference's, by how many steps
at most, and on which share of inputs the greatest output stays the same.

Run it as ``python scripts/bench_interchange.py [--models DIR] [--runs DIR] [--most N]``. ``--models`` holds a folder per network
with ``model.tflite`` and ``inputs.npy``; ``--runs`` search runs, whose winners see their data's test part.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import other_runtimes
from numpy.typing import NDArray

from codegen.exporters.onnx import export_onnx
from codegen.exporters.tflite import export_tflite
from codegen.ir import Graph
from codegen.reference import run
from nas.datasets import load_test
from nas.inputs.spectrograms import network_form
from nas.learning.quantization import quantize_input
from nas.programs.sources import find_source, shapes
from nas.run_directory import RunDirectory
from nas.study.settings import read_run_settings

RUNTIMES: Mapping[str, tuple[Callable[[Graph], bytes], other_runtimes.Runtime]] = {
    "TensorFlow Lite Micro": (export_tflite, other_runtimes.lite_micro),
    "LiteRT, reference kernels": (export_tflite, other_runtimes.lite_reference),
    "LiteRT": (export_tflite, other_runtimes.lite_xnnpack),
    "ONNX Runtime, unoptimised": (export_onnx, other_runtimes.onnx_literal),
    "ONNX Runtime": (export_onnx, other_runtimes.onnx_runtime),
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """Outputs of a runtime beside the reference's: shares of bytes that differ and of inputs with the same greatest output, and the
    largest difference in steps of the output's quantization. ``accuracy`` is the runtime's, where labels are known."""

    differing: float
    steps: int
    top1: float
    accuracy: float | None = None

    def __str__(self) -> str:
        accuracy = "" if self.accuracy is None else f", accuracy {self.accuracy:.2%}"
        return f"{self.differing:.2%}, {self.steps}, {self.top1:.2%}{accuracy}"


def agreement(computed: NDArray[Any], expected: NDArray[Any], labels: NDArray[Any] | None = None) -> Agreement:
    """Compare int8 outputs ``(n, ...)``."""
    ours, theirs = (array.reshape(len(array), -1).astype(int) for array in (expected, computed))
    difference = np.abs(ours - theirs)
    best = theirs.argmax(1)
    accuracy = None if labels is None else float((best == labels).mean())
    return Agreement(float((difference > 0).mean()), int(difference.max()), float((best == ours.argmax(1)).mean()), accuracy)


def compare(graph: Graph, x: NDArray[np.int8], labels: NDArray[Any] | None = None) -> dict[str, Agreement]:
    """The network on int8 inputs ``(n, ...)`` in every runtime."""
    inputs = {graph.inputs[0]: x}
    expected = run(graph, inputs)[graph.outputs[0]]
    found = {"numpy reference": agreement(expected, expected, labels)}
    for name, (export, runtime) in RUNTIMES.items():
        found[name] = agreement(runtime(export(graph), graph, inputs)[graph.outputs[0]], expected, labels)
    return found


Network: TypeAlias = "tuple[str, Graph, NDArray[np.int8], NDArray[Any] | None]"
"""Name, graph, inputs, and labels where they are known."""


def networks(models: Path | None, runs: Path | None, most: int) -> Iterator[Network]:
    """Those of both folders, each with at most ``most`` inputs."""
    for file in sorted(models.glob("*/model.tflite")) if models else []:
        yield file.parent.name, shapes(find_source(str(file))).graph, np.load(file.with_name("inputs.npy"))[:most], None
    for report in sorted(runs.glob("*/winner/report.json")) if runs else []:
        folder = report.parent.parent
        directory = RunDirectory.open(folder)
        settings = read_run_settings(directory)
        network = shapes(find_source(str(folder)))
        test = load_test(settings.data, settings.reading)
        test = test.subset(np.arange(len(test))[:: -(-len(test) // most)])
        if network.front_end is not None:
            test = network_form(test, network.front_end)
        yield folder.name, network.graph, quantize_input(network.graph, test.x), test.y


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of networks with inputs")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="folder of search runs")
    parser.add_argument("--most", type=int, default=500, metavar="N", help="inputs of a network, spread over its test part [500]")
    options = parser.parse_args()
    if options.models is None and options.runs is None:
        parser.error("give --models or --runs: a folder that holds networks or search runs")
    for name, graph, x, labels in networks(options.models, options.runs, options.most):
        print(f"{name}: {len(x)} inputs; bytes that differ, most steps, same greatest output", flush=True)
        for runtime, found in compare(graph, x, labels).items():
            print(f"  {runtime:<26}  {found}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
