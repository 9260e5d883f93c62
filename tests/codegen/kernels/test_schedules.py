"""A schedule alone decides how fast a kernel is, and never what it computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kernel_runner import prepare, write_source

from codegen.cores import CORES
from codegen.emulator import ModelInterface, execute
from codegen.ir import Conv2D, Graph, Quantization, Tensor, macs
from codegen.kernels import MICRO
from codegen.kernels._patch_tir import Tile
from codegen.kernels.pointwise import PointwiseKernel
from codegen.reference import run
from codegen.toolchain import ZigCompiler

PIXELS, DEPTH, FILTERS = 12, 64, 16


@pytest.fixture(scope="module")
def graph() -> Graph:
    rng = np.random.default_rng(0)
    weights = rng.integers(-127, 128, (FILTERS, 1, 1, DEPTH)).astype(np.int8)
    tensors = (
        Tensor("x", (1, 3, PIXELS // 3, DEPTH), "int8", Quantization((0.05,), -3)),
        Tensor("w", weights.shape, "int8", Quantization((0.005,) * FILTERS, 0, 0), weights),
        Tensor("b", (FILTERS,), "int32", None, rng.integers(-9000, 9000, FILTERS).astype(np.int32)),
        Tensor("y", (1, 3, PIXELS // 3, FILTERS), "int8", Quantization((0.15,), 5)),
    )
    op = Conv2D(name="op", inputs=("x",), output="y", weight="w", bias="b")
    return Graph("g", {t.name: t for t in tensors}, (op,), ("x",), ("y",)).validate()


def cycles(graph: Graph, tile: Tile, directory: Path) -> float:
    """Cycles of the layer on a Cortex-M4 under a schedule; fails if its output is not the reference's."""
    (case,) = prepare(PointwiseKernel(), [graph])
    case = replace(case, spec=replace(case.spec, tile=tile))
    directory.mkdir()
    source = write_source([case], directory)
    types = {"int8": "int8_t", "int32": "int32_t"}
    arrays = [
        f"_Alignas(4) static const {types[str(c.data.dtype)]} {c.name}[] = {{{', '.join(map(str, c.data.tolist()))}}};"
        for c in case.constants
    ]
    x_bytes, y_bytes, scratch = graph["x"].nbytes, graph["y"].nbytes, -(-case.kernel.scratch_bytes(case.spec) // 8) * 8
    arguments = ["p", *(c.name for c in case.constants), f"p + {x_bytes}", f"p + {x_bytes + scratch}"]
    prototype = next(line for line in source.read_text().splitlines() if line.startswith("void case0"))
    main = directory / "main.c"
    main.write_text(
        "\n".join(
            [
                "#include <stdint.h>",
                prototype,
                *arrays,
                f"int run(int8_t *p) {{ case0({', '.join(arguments)}); return 0; }}",
                "int8_t *input(int8_t *p) { return p; }",
                f"int8_t *output(int8_t *p) {{ return p + {x_bytes + scratch}; }}",
            ]
        )
    )
    elf = directory / "layer.elf"
    core = CORES["cortex-m4"]
    roots = ["run", "input", "output"]
    ZigCompiler().link([source, main], include_dirs=[MICRO], core=core, optimize="balanced", roots=roots, output=elf)
    total = x_bytes + scratch + y_bytes
    interface = ModelInterface("run", (("input", x_bytes),), (("output", y_bytes),), total, 8, (("layer", "case0"),))
    x = np.random.default_rng(1).integers(-128, 128, graph["x"].shape).astype(np.int8)
    execution = execute(elf, core, interface, [[x.tobytes()]])
    assert execution.outputs[0][0] == run(graph, {"x": x})["y"].tobytes()
    return execution.layers[0].cycles


def test_only_the_schedule_changes_the_cycles(graph: Graph, tmp_path: Path) -> None:
    (case,) = prepare(PointwiseKernel(), [graph])
    tiles = [spec.tile for spec in case.kernel.schedules(case.spec, CORES["cortex-m4"])]
    measured = [cycles(graph, tile, tmp_path / str(number)) for number, tile in enumerate(tiles)]
    assert len(set(measured)) == len(tiles)
    assert measured[0] == min(measured)
    assert min(measured) / macs(graph.ops[0], graph) < 1.4
