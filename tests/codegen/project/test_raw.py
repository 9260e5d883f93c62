"""Projects that take numbers as they were recorded: numpy, this machine's C and emulated cores give the same bits."""

from __future__ import annotations

import ctypes
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image
from projects import STRICT, required_tool, run_tool, zig
from raw_networks import RAW_INPUTS, compiled_with_raw_input, network

from codegen.boards import load_board
from codegen.cores import CORES
from codegen.emulator import ModelInterface, execute
from codegen.errors import UserError
from codegen.features import RawInput
from codegen.features.area import fit_area
from codegen.project import read_project, write_project
from codegen.reference import run
from codegen.toolchain import ZigCompiler
from codegen.verify import build, measure

SPECIAL = np.array([0x7FC00000, 0x7F800000, 0xFF800000, 1, 0x80000001, 0x80000000, 0x7F7FFFFF, 0xFF7FFFFF], np.uint32)


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project for each of the raw inputs."""
    folder = tmp_path_factory.mktemp("raw")
    for name in RAW_INPUTS:
        write_project(compiled_with_raw_input(name), folder / name, board=load_board("nucleo-l4r5zi"), report={})
    return folder


def examples(front_end: RawInput, count: int, seed: int = 0) -> NDArray[np.generic]:
    """Numbers around the offsets and far away from them, ``(count, size)``."""
    rng = np.random.default_rng(seed)
    if front_end.dtype == "uint8":
        return rng.integers(0, 256, (count, front_end.raw_size)).astype(np.uint8)
    if front_end.dtype == "int16":
        return (rng.standard_normal((count, front_end.raw_size)) * 10 ** rng.uniform(0, 4, (count, 1))).astype(np.int16)
    spread = 10 ** rng.uniform(-4, 4, (count, 1, 1, 1)) / np.array(front_end.gain)
    made = (rng.standard_normal((count, *front_end.shape)) * spread + np.array(front_end.offset)).astype(np.float32)
    return made.reshape(count, -1)


class HostLibrary:
    """A project's functions on this machine, under checks for undefined behaviour."""

    def __init__(self, project: Path, output: Path) -> None:
        self.name = project.name
        flags = ["-shared", "-fPIC", "-fsanitize=undefined", "-fsanitize-trap=undefined"]
        sources = sorted((project / "src").glob("*.c"))
        built = ZigCompiler().build_host(sources, include_dirs=[project / "include", project / "src"], output=output, flags=flags)
        self.c = ctypes.CDLL(str(built))
        self.front_end = RAW_INPUTS[self.name]

    def stored(self, raw: NDArray[np.generic]) -> NDArray[np.int8]:
        """What ``<m>_quantize_<noun>`` makes of one example ``(size,)``."""
        result = np.full(raw.size + 8, 0x5A, np.int8)
        quantize = getattr(self.c, f"{self.name}_{self.front_end.function}")
        quantize(ctypes.c_void_p(raw.ctypes.data), ctypes.c_void_p(result.ctypes.data))
        assert (result[-8:] == 0x5A).all()
        return result[:-8]


def test_any_single_precision_number_on_this_machine(projects: Path, tmp_path: Path) -> None:
    host = HostLibrary(projects / "motion", tmp_path / "motion.so")
    front_end = RAW_INPUTS["motion"]

    @settings(max_examples=300, deadline=None)
    @given(arrays.arrays(np.uint32, front_end.raw_size, elements=st.integers(0, 2**32 - 1)), st.integers(0, 2**32 - 1))
    def check(bits: NDArray[np.uint32], seed: int) -> None:
        rng = np.random.default_rng(seed)
        raw = bits.copy()
        raw[rng.integers(0, raw.size, 5)] = rng.choice(SPECIAL, 5)
        near = np.flatnonzero(rng.random(raw.size) < 0.5)  # of all numbers few are neither 0 nor far beyond the limits
        raw[near] = examples(front_end, 1, seed)[0].view(np.uint32)[near]
        values = raw.view(np.float32)
        assert np.array_equal(host.stored(values), front_end(values[None]).ravel())

    check()


def test_every_integer_on_this_machine(projects: Path, tmp_path: Path) -> None:
    for name, whole in (
        ("heartbeats", np.resize(np.arange(-32768, 32768).astype(np.int16), (2731, 24))),
        ("murky", np.resize(np.arange(256).astype(np.uint8), (8, 36))),
        ("photos", np.resize(np.arange(256).astype(np.uint8), (3, 108))),
    ):
        host = HostLibrary(projects / name, tmp_path / f"{name}.so")
        expected = RAW_INPUTS[name](whole).reshape(len(whole), -1)
        assert all(np.array_equal(host.stored(row), wanted) for row, wanted in zip(whole, expected, strict=True))


@pytest.mark.parametrize("name", RAW_INPUTS)
def test_emulated_cores_give_the_reference_s_outputs(name: str, projects: Path) -> None:
    front_end, graph = RAW_INPUTS[name], network(name)
    raw = examples(front_end, 5, seed=3)
    if front_end.dtype == "float32":
        raw[0, :4] = SPECIAL.view(np.float32)[:4]
    expected = run(graph, {graph.inputs[0]: front_end(raw)})[graph.outputs[0]]
    for core in ("cortex-m0plus", "cortex-m4", "cortex-m33") if name == "motion" else ("cortex-m0plus",):
        result = measure(projects / name, raw=raw, expect=expected, core=core)
        assert (result.bit_exact, result.inputs) == (True, 5), core
        assert result.network is not None
        assert result.support_routines == result.network.support_routines
        assert result.layers[0].op == "Normalization"
        assert 0 < result.cycles - result.network.cycles - result.layers[0].cycles < 200  # of run_<noun> itself
        assert result.ram.arena == result.network.ram.arena
        assert 0 < result.flash.total - result.network.flash.total < 700
    assert measure(projects / name).bit_exact  # the project's own vectors, which reach both ends of the range
    wrong = expected.copy()
    wrong[2] ^= 1
    assert measure(projects / name, raw=raw, expect=wrong).mismatches == 1


def test_numbers_of_the_network_s_own_still_go_in(projects: Path) -> None:
    graph = network("motion")
    real = np.random.default_rng(1).normal(size=(3, 16, 3)).astype(np.float32)
    alone = measure(projects / "motion", inputs=real)
    assert (alone.bit_exact, alone.network) == (True, None)
    assert alone.layers[0].op == "Conv2D"
    stored = run(graph, {graph.inputs[0]: np.zeros((1, 1, 16, 3), np.int8)})[graph.outputs[0]]
    assert measure(projects / "motion", inputs=np.zeros((1, 16, 3), np.int8), expect=stored).bit_exact
    counts = examples(RAW_INPUTS["heartbeats"], 2)
    assert measure(projects / "heartbeats", inputs=counts).network is not None  # int16 can only be raw
    with pytest.raises(UserError, match="--raw: the array is int8, samples are float32"):
        measure(projects / "motion", raw=np.zeros((1, 48), np.int8))


def test_its_files_say_how_to_give_it_recordings(projects: Path, tmp_path: Path) -> None:
    project = projects / "motion"
    assert {path.name for path in (project / "include").iterdir()} == {"motion.h", "motion.hpp", "motion_window.h"}
    text = (project / "README.md").read_text()
    for words in ("motion_run_window(&arena, window)", "48 of them (1x16x3", "src/motion_window.c"):
        assert words in text
    assert read_project(project).front_end == RAW_INPUTS["motion"]
    assert "static const float motion_vector_samples[MOTION_VECTOR_COUNT][48]" in (project / "test/vectors.h").read_text()
    for path in project.rglob("*.[ch]"):
        assert "@" not in path.read_text()
        assert "NN_" not in path.read_text()
    host = HostLibrary(project, tmp_path / "motion.so").c
    memory = np.zeros(read_project(project).arena_bytes + 16, np.uint8)
    arena = (memory.ctypes.data + 7) // 8 * 8
    window = np.zeros(48, np.float32)
    assert host.motion_run_window(ctypes.c_void_p(arena), ctypes.c_void_p(window.ctypes.data)) == 0
    for bad in ((None, window.ctypes.data), (arena, None), (arena + 4, window.ctypes.data)):
        assert host.motion_run_window(*map(ctypes.c_void_p, bad)) < 0


@pytest.mark.parametrize("name", ["photos", "murky"])
def test_pixels_come_in_any_size_grey_or_coloured(name: str, projects: Path, tmp_path: Path) -> None:
    front_end, graph = RAW_INPUTS[name], network(name)
    c = HostLibrary(projects / name, tmp_path / f"{name}.so").c
    output, take = getattr(c, f"{name}_output"), getattr(c, f"{name}_run_pixels")
    output.restype = ctypes.c_void_p
    memory = np.zeros(read_project(projects / name).arena_bytes + 16, np.uint8)
    arena = ctypes.c_void_p((memory.ctypes.data + 7) // 8 * 8)
    mode = "L" if front_end.shape[2] == 1 else "RGB"

    @settings(max_examples=120, deadline=None)
    @given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.integers(0, 2**32 - 1))
    @example(6, 6, 1, 0)
    @example(6, 6, 3, 0)
    @example(2048, 1, 1, 0)
    @example(2039, 2048, 1, 0)  # weights up to the last bit of 32
    def check(height: int, width: int, channels: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        pixels = (
            rng.integers(0, 256, (height, width, channels), np.uint8)
            if rng.random() < 0.8
            else np.full((height, width, channels), 255, np.uint8)
        )
        assert take(arena, ctypes.c_void_p(pixels.ctypes.data), width, height, channels) == 0
        converted = Image.fromarray(pixels[..., 0] if channels == 1 else pixels).convert(mode)
        seen = fit_area(np.asarray(converted, np.uint8).reshape(height, width, -1), (6, 6))
        expected = run(graph, {graph.inputs[0]: front_end(seen[None])})[graph.outputs[0]]
        assert ctypes.string_at(output(arena), expected.nbytes) == expected.tobytes()

    check()
    pixels = ctypes.c_void_p(np.zeros(108, np.uint8).ctypes.data)
    for arguments, status in (
        ((None, pixels, 6, 6, 3), -1),
        ((arena, None, 6, 6, 3), -1),
        ((ctypes.c_void_p((arena.value or 0) + 4), pixels, 6, 6, 3), -2),
        ((arena, pixels, 6, 6, 2), -5),
        ((arena, pixels, 0, 6, 3), -6),
        ((arena, pixels, 6, 2049, 3), -6),
    ):
        assert take(*arguments) == status


PIXELS_HARNESS = """
#include "{name}_image.h"

/* Width, height and channels, then pixels. */
typedef struct {{
    int32_t width, height, channels;
    uint8_t pixels[];
}} argument;

int {name}_harness(void *arena, const argument *given);

int {name}_harness(void *arena, const argument *given)
{{
    return {name}_run_pixels(arena, given->pixels, given->width, given->height, given->channels);
}}
"""


@pytest.mark.parametrize("name", ["photos", "murky"])
def test_emulated_cores_take_the_same_pixels(name: str, projects: Path, tmp_path: Path) -> None:
    front_end, graph, project = RAW_INPUTS[name], network(name), read_project(projects / name)
    harness = tmp_path / "harness.c"
    harness.write_text(PIXELS_HARNESS.format(name=name))
    mode, size = "L" if front_end.shape[2] == 1 else "RGB", graph[graph.outputs[0]].nbytes
    for core in ("cortex-m0plus", "cortex-m4"):  # with division by software, and by an instruction
        roots = [f"{name}_harness", f"{name}_output"]
        program = build(projects / name, project, CORES[core], roots, tmp_path / f"{core}.elf", beside=[harness])
        for height, width, channels in ((6, 6, 1), (6, 6, 3), (1, 1, 3), (13, 7, 1), (31, 47, 3), (1, 2048, 1)):
            pixels = np.random.default_rng(height).integers(0, 256, (height, width, channels), np.uint8)
            argument = np.array([width, height, channels], "<i4").tobytes() + pixels.tobytes()
            outputs = ((f"{name}_output", size),)
            interface = ModelInterface(
                roots[0], (), outputs, project.arena_bytes, project.arena_align, argument_bytes=len(argument)
            )
            (said,) = execute(program.path, CORES[core], interface, [(argument,)]).outputs
            converted = Image.fromarray(pixels[..., 0] if channels == 1 else pixels).convert(mode)
            seen = fit_area(np.asarray(converted, np.uint8).reshape(height, width, -1), (6, 6))
            expected = run(graph, {graph.inputs[0]: front_end(seen[None])})[graph.outputs[0]]
            assert said == (expected.tobytes(),), (core, height, width, channels)


def test_compilers_have_nothing_to_warn_of(projects: Path, tmp_path: Path) -> None:
    gcc = required_tool("arm-none-eabi-gcc")
    for name, (cpu, level) in itertools.product(("motion", "murky", "photos"), (("m4", "-O3"), ("m0plus", "-Os"))):
        project, noun = projects / name, RAW_INPUTS[name].noun
        includes = [f"-I{project / folder}" for folder in ("include", "src", "test")]
        pixels = [f"src/{name}_run_pixels.c"] if noun == "image" else []
        for source in (*pixels, f"src/{name}_{noun}.c", f"src/{name}_run_{noun}.c", f"test/{name}_self_test.c"):
            output = tmp_path / "warned.o"
            common = [level, *STRICT, *includes, "-c", project / source, "-o", output]
            done = zig("cc", "-target", "thumb-freestanding-eabi", f"-mcpu=cortex_{cpu}", *common)
            assert done.returncode == 0, done.stderr
            run_tool([gcc, f"-mcpu=cortex-{cpu}", "-mthumb", *common])


def test_cmake_builds_it_and_its_vectors_pass(projects: Path, tmp_path: Path) -> None:
    cmake = required_tool("cmake")
    run_tool([cmake, "-S", projects / "motion", "-B", tmp_path / "build", "-DMOTION_STRICT=ON"])
    run_tool([cmake, "--build", tmp_path / "build"])
    assert "0 of 5 vectors differ" in run_tool([tmp_path / "build" / "motion_test"])
