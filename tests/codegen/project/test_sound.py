"""Projects that take sound: the same scores from a whole window, from pieces, and from the columns in Python."""

from __future__ import annotations

import ctypes
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from projects import STRICT, required_tool, run_tool, zig
from sound_networks import FRONT_END, NAME, compiled_with_features, network, sounds

from codegen.boards import load_board
from codegen.compile import CompiledModel
from codegen.cores import CORES
from codegen.errors import UserError
from codegen.features import FrontEnd
from codegen.features.placement import Placement
from codegen.project import read_project, write_project
from codegen.reference import run
from codegen.toolchain import ZigCompiler
from codegen.verify import measure

BOARD = "nucleo-l4r5zi"


class MovedColumns(FrontEnd):
    """Writes columns to the arena's begin, as is done where the network's input leaves no room for the scratch memory beside it."""

    def place(self, input_offset: int, arena_bytes: int) -> Placement:
        """The last resort of :meth:`FrontEnd.place`."""
        return Placement(0, -(-self.column_bytes // 4) * 4)


FRONT_ENDS = {"in place": FRONT_END, "moved": MovedColumns(FRONT_END.settings, FRONT_END.frames)}


def exported(directory: Path, front_end: FrontEnd = FRONT_END) -> tuple[CompiledModel, Path]:
    model = compiled_with_features(front_end)
    write_project(model, directory / NAME, board=load_board(BOARD), report={}, vectors=sounds(front_end, 5))
    return model, directory / NAME


def scores(clips: NDArray[np.int16]) -> NDArray[np.int8]:
    """What the Python reference says of sounds."""
    graph = network()
    outputs: NDArray[np.int8] = run(graph, {graph.inputs[0]: FRONT_END(clips)})[graph.outputs[0]].reshape(len(clips), -1)
    return outputs


def test_its_files_say_how_to_give_it_sound(tmp_path: Path) -> None:
    model, project = exported(tmp_path)
    headers = {"keywords.h", "keywords.hpp", *(f"keywords_{part}.h" for part in ("features", "samples", "stream"))}
    assert {p.name for p in (project / "include").iterdir()} == headers
    text = (project / "README.md").read_text()
    for words in ("keywords_run_samples(&arena, samples)", "1,536", f"| arena | {model.arena_bytes:,} |", "| 516 |", "| 3,072 |"):
        assert words in text
    assert read_project(project).front_end == FRONT_END
    assert json.loads((project / "report.json").read_text())["project"]["arena_bytes"] == model.arena_bytes
    assert "static const int16_t keywords_vector_samples[KEYWORDS_VECTOR_COUNT][1536]" in (project / "test/vectors.h").read_text()
    for path in project.rglob("*.[ch]"):
        assert "@" not in path.read_text()
        assert "NN_" not in path.read_text()


@pytest.mark.parametrize("placed", FRONT_ENDS)
def test_whole_windows_and_pieces_on_this_machine(placed: str, tmp_path: Path) -> None:
    model, project = exported(tmp_path, FRONT_ENDS[placed])
    if placed == "moved":
        assert model.plan.offsets[model.graph.inputs[0]] > 0  # else nothing is moved and this test says nothing
    flags = ["-shared", "-fPIC", "-fsanitize=undefined", "-fsanitize-trap=undefined"]
    sources = sorted((project / "src").glob("*.c"))
    library = ZigCompiler().build_host(
        sources, include_dirs=[project / "include", project / "src"], output=tmp_path / "model.so", flags=flags
    )
    c = ctypes.CDLL(str(library))
    for name in ("scratch", "columns", "output"):
        getattr(c, f"keywords_{name}").restype = ctypes.c_void_p
    c.keywords_features_push.restype = ctypes.c_size_t
    memory = np.full(model.arena_bytes + 64, 0x5A, np.uint8)
    arena = (memory.ctypes.data + 31) // 8 * 8
    begin = arena - memory.ctypes.data
    clips = sounds(FRONT_END, 12, seed=3)
    for clip, expected in zip(clips, scores(clips), strict=True):
        memory[begin : begin + model.arena_bytes] = 0xA5
        given = np.ascontiguousarray(clip)
        assert c.keywords_run_samples(ctypes.c_void_p(arena), ctypes.c_void_p(given.ctypes.data)) == 0
        whole = ctypes.string_at(c.keywords_output(ctypes.c_void_p(arena)), expected.nbytes)
        assert whole == expected.tobytes()
        state = (ctypes.c_int32 * (FRONT_END.state_bytes // 4))()
        c.keywords_features_start(state)
        count, at = 0, 0
        while count < FRONT_END.frames:
            n = min(101, len(given) - at)
            assert n > 0
            columns = c.keywords_columns(ctypes.c_void_p(arena)) + count * FRONT_END.settings.columns
            count += c.keywords_features_push(
                state,
                ctypes.c_void_p(c.keywords_scratch(ctypes.c_void_p(arena))),
                ctypes.c_void_p(given.ctypes.data + 2 * at),
                ctypes.c_size_t(n),
                ctypes.c_void_p(columns),
            )
            at += n
        assert c.keywords_run_columns(ctypes.c_void_p(arena)) == 0
        assert ctypes.string_at(c.keywords_output(ctypes.c_void_p(arena)), expected.nbytes) == whole
    assert (memory[:begin] == 0x5A).all()
    assert (memory[begin + model.arena_bytes :] == 0x5A).all()
    for bad in ((None, given.ctypes.data), (arena, None), (arena + 4, given.ctypes.data)):
        assert c.keywords_run_samples(*map(ctypes.c_void_p, bad)) < 0
    assert c.keywords_run_columns(ctypes.c_void_p(None)) < 0
    assert c.keywords_run_columns(ctypes.c_void_p(arena + 4)) < 0


@pytest.mark.parametrize("placed", FRONT_ENDS)
def test_emulated_cores_hear_the_same(placed: str, tmp_path: Path) -> None:
    _, project = exported(tmp_path, FRONT_ENDS[placed])
    clips = sounds(FRONT_END, 6, seed=5)
    for core in CORES:
        result = measure(project, inputs=clips, expect=scores(clips), core=core)
        assert result.bit_exact, core
        assert [np.frombuffer(outputs[0], np.int8).tolist() for outputs in result.outputs] == scores(clips).tolist()
    own = measure(project)
    assert (own.inputs, own.bit_exact) == (5, True)
    alone = measure(project, inputs=FRONT_END(clips))
    assert alone.bit_exact
    assert alone.network is None
    assert alone.ram.state == 0
    assert alone.cycles < own.cycles
    wrong = scores(clips)
    wrong[3, 1] ^= 1
    assert measure(project, inputs=clips, expect=wrong).mismatches == 1


def test_sounds_that_do_not_fit_are_one_clear_line(tmp_path: Path) -> None:
    _, project = exported(tmp_path)
    with pytest.raises(UserError, match=r"--inputs: the array has the shape \[2, 100\], sounds are \(n, 1536 samples or more\)"):
        measure(project, inputs=np.zeros((2, 100), np.int16))
    with pytest.raises(UserError, match="test vectors: the array is float32, sounds are int16"):
        write_project(
            compiled_with_features(), tmp_path / "b", board=load_board(BOARD), report={}, vectors=np.zeros((1, 1536), np.float32)
        )


@pytest.mark.parametrize("placed", FRONT_ENDS)
def test_compilers_have_nothing_to_warn_of(placed: str, tmp_path: Path) -> None:
    _, project = exported(tmp_path, FRONT_ENDS[placed])
    gcc = required_tool("arm-none-eabi-gcc")
    includes = [f"-I{project / folder}" for folder in ("include", "src", "test")]
    for cpu, level in itertools.product(("m4", "m0plus"), ("-O2", "-O3", "-Os")):
        for source in (project / "src" / "keywords_samples.c", project / "test" / "keywords_self_test.c"):
            output = tmp_path / "warned.o"
            arguments = ["cc", "-target", "thumb-freestanding-eabi", f"-mcpu=cortex_{cpu}", level, *STRICT, *includes]
            done = zig(*arguments, "-c", source, "-o", output)
            assert done.returncode == 0, done.stderr
            run_tool([gcc, f"-mcpu=cortex-{cpu}", "-mthumb", level, *STRICT, *includes, "-c", source, "-o", output])


def test_cmake_builds_it_and_its_vectors_pass(tmp_path: Path) -> None:
    cmake = required_tool("cmake")
    _, project = exported(tmp_path)
    run_tool([cmake, "-B", "build", "-DKEYWORDS_STRICT=ON"], cwd=project)
    run_tool([cmake, "--build", "build"], cwd=project)
    assert "0 of 5 vectors differ" in run_tool([project / "build" / "keywords_test"])
