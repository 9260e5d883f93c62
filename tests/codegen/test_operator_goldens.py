"""Every single-operator model, compiled: the outputs of TensorFlow Lite Micro on the host and on emulated cores."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from projects import BOARDS

from codegen.boards import load_board
from codegen.compile import compile_graph, lay_out
from codegen.cores import find_core
from codegen.errors import UserError
from codegen.fuzzing.host import run_on_host
from codegen.importers.tflite import import_tflite
from codegen.ir import Graph, Op, Tensor, Weighted
from codegen.project import write_project
from codegen.verify import measure

Arrays = dict[str, NDArray[Any]]

Golden = tuple[Graph, Arrays, Arrays]
"""A model's graph, and by tensor six inputs and the outputs that belong to them."""

PARTS = 4
"""Builds that the models are shared out to."""
WITHOUT_KERNEL: tuple[str, ...] = ()
"""Models that no kernel computes yet."""


@pytest.fixture(scope="session")
def goldens(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Golden]:
    """Every model by name."""
    folder = tmp_path_factory.mktemp("operators")
    with zipfile.ZipFile(shared_dir / "models/ops/ops.zip") as archive:
        archive.extractall(folder)
    arrays = np.load(shared_dir / "models/ops/goldens.npz")
    found = {}
    for path in sorted(folder.glob("*.tflite")):
        graph = import_tflite(path)
        inputs = {name: arrays[f"{path.stem}__in{i}"] for i, name in enumerate(graph.inputs)}
        found[path.stem] = (graph, inputs, {graph.outputs[0]: arrays[f"{path.stem}__out"]})
    return found


def side_by_side(models: dict[str, Golden]) -> Golden:
    """All models as one graph, the names of each behind a prefix of its own."""
    tensors: dict[str, Tensor] = {}
    ops: list[Op] = []
    inputs: Arrays = {}
    outputs: Arrays = {}
    for model, (graph, given, wanted) in models.items():
        prefix = f"{model}_"
        tensors.update({prefix + t.name: replace(t, name=prefix + t.name) for t in graph.tensors.values()})
        for op in graph.ops:
            moved = replace(op, name=prefix + op.name, inputs=tuple(prefix + n for n in op.inputs), output=prefix + op.output)
            if isinstance(moved, Weighted):
                bias = None if moved.bias is None else prefix + moved.bias
                moved = replace(moved, weight=prefix + moved.weight, bias=bias)
            ops.append(moved)
        inputs.update({prefix + name: array for name, array in given.items()})
        outputs.update({prefix + name: array for name, array in wanted.items()})
    return Graph("operators", tensors, tuple(ops), tuple(inputs), tuple(outputs)).validate(), inputs, outputs


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus"])
def test_compiled_operators_equal_their_golden_outputs(core: str, part: int, goldens: dict[str, Golden], tmp_path: Path) -> None:
    names = [name for name in goldens if name not in WITHOUT_KERNEL][part::PARTS]
    graph, inputs, outputs = side_by_side({name: goldens[name] for name in names})
    model = compile_graph(graph, find_core(core), optimize="balanced")
    project = tmp_path / model.name
    write_project(model, project, board=load_board(BOARDS[core]), report={})
    on_host = run_on_host(model, project, inputs)
    different = [
        name for name, wanted in outputs.items() if any(on_host[i][name] != wanted[i].tobytes() for i in range(len(wanted)))
    ]
    assert different == []
    assert measure(project, inputs=inputs, expect=outputs).bit_exact


def test_models_without_a_kernel_are_refused_by_name(goldens: dict[str, Golden]) -> None:
    assert len(goldens) == 187
    for name in WITHOUT_KERNEL:
        with pytest.raises(UserError, match=f"graph '{name}': no kernel computes operator"):
            lay_out(goldens[name][0], find_core("cortex-m4"), "balanced")
