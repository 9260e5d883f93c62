"""Networks that nobody here designed, from file to C project: golden outputs to the bit, and the figures promised."""

from __future__ import annotations

import itertools
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from projects import BOARDS, STRICT, required_tool, run_tool, sources

from codegen.boards import load_board
from codegen.compile import CompiledModel, compile_graph
from codegen.cores import find_core
from codegen.measurement import Verification
from codegen.optimize import Optimize
from codegen.project import write_project
from codegen.verify import measure_model
from nas.programs.sources import find_source, trained

NETWORKS = ("ad", "ic", "kws", "mcunet_vww", "sww", "vww")
ARENA = {"ad": 768, "ic": 36_500, "kws": 10_500, "mcunet_vww": 80_000, "sww": 6_656, "vww": 40_000}
"""Most bytes of the arena, optimised for size."""
CYCLES = {"ad": 0.56e6, "ic": 21e6, "kws": 5.6e6, "sww": 1.7e6, "vww": 12e6}
"""Most cycles of an inference on a Cortex-M4, optimised for speed."""
INPUTS = 2


@cache
def compiled(file: Path, core: str, optimize: Optimize) -> CompiledModel:
    graph = trained(find_source(str(file))).graph
    return compile_graph(graph, find_core(core), name=file.parent.name, optimize=optimize)


def measured(shared_dir: Path, network: str, core: str, optimize: Optimize) -> Verification:
    """The network on some of its golden inputs, the first and the last among them."""
    folder = shared_dir / "models" / network
    inputs, outputs = (np.load(folder / f"{name}.npy") for name in ("inputs", "outputs"))
    chosen = np.linspace(0, len(inputs) - 1, INPUTS).astype(int)
    model = compiled(folder / "model.tflite", core, optimize)
    return measure_model(model, board=load_board(BOARDS[core]), inputs=inputs[chosen], expect=outputs[chosen])


@pytest.mark.parametrize("network", NETWORKS)
def test_optimised_for_speed_it_is_fast(shared_dir: Path, network: str) -> None:
    result = measured(shared_dir, network, "cortex-m4", "speed")
    assert result.bit_exact
    assert result.cycles <= CYCLES.get(network, np.inf)


@pytest.mark.parametrize("network", NETWORKS)
def test_optimised_for_size_it_is_small(shared_dir: Path, network: str) -> None:
    result = measured(shared_dir, network, "cortex-m4", "size")
    assert result.bit_exact
    assert result.ram.arena <= ARENA[network]


@pytest.mark.slow
@pytest.mark.parametrize(("network", "core"), list(itertools.product(NETWORKS, ("cortex-m0plus", "cortex-m3"))))
def test_cores_without_dsp_give_the_same_bits(shared_dir: Path, network: str, core: str) -> None:
    assert measured(shared_dir, network, core, "speed").bit_exact


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
def test_gcc_builds_it_without_a_warning_and_qemu_runs_it(shared_dir: Path, network: str, tmp_path: Path) -> None:
    gcc, cmake = required_tool("arm-none-eabi-gcc"), required_tool("cmake")
    required_tool("qemu-system-arm")
    folder = shared_dir / "models" / network
    model = compiled(folder / "model.tflite", "cortex-m4", "speed")
    project = tmp_path / network
    write_project(model, project, board=load_board("nucleo-l4r5zi"), report={}, vectors=np.load(folder / "inputs.npy"))
    includes = [f"-I{project / d}" for d in ("include", "src", "test")]
    for level in ("-O2", "-O3", "-Os"):
        for source in sources(project):
            target = tmp_path / f"{source.stem}.o"
            run_tool([gcc, "-mcpu=cortex-m4", "-mthumb", level, *STRICT, *includes, "-c", source, "-o", target])
    run_tool(
        [cmake, "-B", "build", f"-D{network.upper()}_STRICT=ON", "-DCMAKE_TOOLCHAIN_FILE=cmake/arm-none-eabi.cmake"], cwd=project
    )
    run_tool([cmake, "--build", "build"], cwd=project)
    output = run_tool([required_tool("ctest"), "--test-dir", "build", "--verbose", "--no-tests=error"], cwd=project)
    assert re.search(rf"{network}: 0 of [1-8] vectors differ", output)
