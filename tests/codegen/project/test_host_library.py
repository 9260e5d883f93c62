"""The project's C, built for this machine and called through its interface: same bits as the reference, errors, conversion."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
from graphs import NETWORKS, random_inputs
from numpy.typing import NDArray
from projects import compiled, export, sources

from codegen.ir import Graph
from codegen.reference import run
from codegen.samples import quantize
from codegen.toolchain import ZigCompiler


class Library:
    """A model built as a shared library, with an arena of its own."""

    def __init__(self, project: Path, output: Path, extra: tuple[Path, ...] = ()) -> None:
        self.name = project.name
        includes = [project / "include", project / "src"]
        flags = ["-shared", "-fPIC", "-fsanitize=undefined", "-fsanitize-trap=undefined"]
        ZigCompiler().build_host([*sources(project), *extra], include_dirs=includes, output=output, flags=flags)
        self.c = ctypes.CDLL(str(output))
        self.arena_bytes = compiled(self.name).plan.arena_bytes
        # The arena lies between guard bytes that the model must leave alone.
        self._memory = np.full(self.arena_bytes + 64, 0x5A, np.uint8)
        self.arena = int(self._memory.ctypes.data + 31) // 8 * 8
        self._begin = self.arena - int(self._memory.ctypes.data)

    def run(self, arena: int | None) -> int:
        return int(getattr(self.c, f"{self.name}_run")(ctypes.c_void_p(arena)))

    def accessor(self, label: str) -> int:
        function = getattr(self.c, f"{self.name}_{label}")
        function.restype = ctypes.c_void_p
        return int(function(ctypes.c_void_p(self.arena)))

    def infer(self, graph: Graph, sample: dict[str, NDArray[np.int8]]) -> dict[str, NDArray[np.generic]]:
        def labels(side: str, names: tuple[str, ...]) -> dict[str, str]:
            return {name: side if len(names) == 1 else f"{side}_{i}" for i, name in enumerate(names)}

        for name, label in labels("input", graph.inputs).items():
            ctypes.memmove(self.accessor(label), sample[name].tobytes(), sample[name].nbytes)
        assert self.run(self.arena) == 0
        return {
            name: np.frombuffer(ctypes.string_at(self.accessor(label), graph[name].nbytes), graph[name].dtype)
            for name, label in labels("output", graph.outputs).items()
        }

    def guards_intact(self) -> bool:
        end = self._begin + self.arena_bytes
        return bool(np.all(self._memory[: self._begin] == 0x5A) and np.all(self._memory[end:] == 0x5A))


@pytest.mark.parametrize("network", NETWORKS)
def test_host_build_gives_the_bits_of_the_reference(network: str, tmp_path: Path) -> None:
    graph = compiled(network).graph
    library = Library(export(network, tmp_path), tmp_path / "model.so")
    inputs = random_inputs(graph, 40, seed=7)
    expected = run(graph, inputs)
    for i in range(40):
        outputs = library.infer(graph, {name: array[i] for name, array in inputs.items()})
        for name in graph.outputs:
            assert outputs[name].tobytes() == expected[name][i].tobytes(), f"sample {i}, output {name}"
    assert library.guards_intact()


def test_null_and_misaligned_arenas_are_refused_untouched(tmp_path: Path) -> None:
    library = Library(export("dense", tmp_path), tmp_path / "model.so")
    before = ctypes.string_at(library.arena, library.arena_bytes)
    assert library.run(None) < 0
    for offset in range(1, 8):
        assert library.run(library.arena + offset) < 0
    assert library.run(None) != library.run(library.arena + 1)
    assert ctypes.string_at(library.arena, library.arena_bytes) == before


def test_conversion_helpers_do_what_verification_does(tmp_path: Path) -> None:
    project = export("dense", tmp_path)
    wrapper = tmp_path / "wrapper.c"
    wrapper.write_text(
        '#include "dense.h"\n'
        "void quantize_all(const float *v, int8_t *q, int n)\n"
        "{\n    for (int i = 0; i < n; ++i) q[i] = dense_quantize_input(v[i]);\n}\n"
        "void dequantize_all(const int8_t *q, float *v, int n)\n"
        "{\n    for (int i = 0; i < n; ++i) v[i] = dense_dequantize_output(q[i]);\n}\n"
    )
    library = Library(project, tmp_path / "model.so", (wrapper,))
    graph = compiled("dense").graph
    tensor = graph[graph.inputs[0]]
    rng = np.random.default_rng(3)
    halves = (np.arange(-600, 600) / 2 * tensor.scale).astype(np.float32)
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, -3e38, 1e-45], np.float32)
    values = np.concatenate([halves, special, rng.normal(0, 6, 20_000).astype(np.float32)])
    stored = np.empty(values.size, np.int8)
    library.c.quantize_all(ctypes.c_void_p(values.ctypes.data), ctypes.c_void_p(stored.ctypes.data), values.size)
    assert np.array_equal(stored, quantize(values, tensor.scale, tensor.zero_point))

    codes = np.arange(-128, 128).astype(np.int8)
    real = np.empty(256, np.float32)
    library.c.dequantize_all(ctypes.c_void_p(codes.ctypes.data), ctypes.c_void_p(real.ctypes.data), 256)
    output = graph[graph.outputs[0]]
    assert np.array_equal(real, np.float32(output.scale) * (codes.astype(np.int32) - output.zero_point).astype(np.float32))
