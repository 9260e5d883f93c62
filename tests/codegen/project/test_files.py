"""The files of an exported project: complete, licensed, the same every time, written whole or not at all."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from graphs import random_inputs
from projects import compiled, export

from codegen.boards import load_board
from codegen.errors import UserError
from codegen.graph_file import content_hash, load
from codegen.project import read_project, write_project


def contents(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_layout_is_the_contracts(tmp_path: Path) -> None:
    assert set(contents(export("separable", tmp_path))) == {
        "CMakeLists.txt",
        "LICENSE",
        "README.md",
        "cmake/arm-none-eabi.cmake",
        "examples/inference/inference.ino",
        "examples/timing/cycle_counter.h",
        "examples/timing/main.c",
        "include/separable.h",
        "include/separable.hpp",
        "library.json",
        "library.properties",
        "mcu-nas.separable.pdsc",
        "memory_map.svg",
        "model.safetensors",
        "report.json",
        "src/separable.c",
        "src/separable.h",
        "src/separable.hpp",
        "src/separable_kernels.c",
        "src/separable_kernels.h",
        "src/separable_micro.h",
        "src/separable_step.c",
        "src/separable_weights.c",
        "src/separable_weights.h",
        "test/mps2_an386/linker.ld",
        "test/mps2_an386/main.c",
        "test/mps2_an386/semihosting.h",
        "test/mps2_an386/startup.c",
        "test/separable_self_test.c",
        "test/separable_self_test.h",
        "test/test_host.c",
        "test/vectors.h",
        "zephyr/CMakeLists.txt",
        "zephyr/Kconfig",
        "zephyr/module.yml",
    }


def test_exporting_twice_gives_identical_bytes(tmp_path: Path) -> None:
    first, second = export("residual", tmp_path / "a"), export("residual", tmp_path / "b")
    assert contents(first) == contents(second)


def test_every_generated_text_states_its_licence_and_no_placeholder_is_left(tmp_path: Path) -> None:
    project = export("two_headed", tmp_path)
    for path, data in contents(project).items():
        if path.endswith((".json", ".safetensors")) or path == "LICENSE":
            continue
        text = data.decode()
        first = text.removeprefix('<?xml version="1.0" encoding="UTF-8"?>\n').splitlines()[0]
        assert "SPDX-License-Identifier: Apache-2.0" in first, path
        assert not re.search(r"@\w+@|\bNN_", text), path
    assert json.loads((project / "library.json").read_text())["license"] == "Apache-2.0"


def test_the_licences_text_is_the_repositorys_own(tmp_path: Path) -> None:
    own = Path(__file__).parents[3] / "LICENSE"
    assert (export("dense", tmp_path) / "LICENSE").read_bytes() == own.read_bytes()


def test_header_states_what_the_graph_says(tmp_path: Path) -> None:
    model = compiled("convolutional")
    header = (export("convolutional", tmp_path) / "include" / "convolutional.h").read_text()
    macros = dict(re.findall(r"#define CONVOLUTIONAL_(\w+) (.+)", header))
    tensor = model.graph[model.graph.inputs[0]]
    assert int(macros["ARENA_BYTES"]) == model.plan.arena_bytes
    assert macros["ARENA_ALIGN"] == "8"
    assert macros["INPUT_SHAPE"] == "{ 1, 9, 8, 3 }"
    assert macros["INPUT_RANK"] == "4"
    assert int(macros["INPUT_SIZE"]) == 9 * 8 * 3
    assert np.float32(macros["INPUT_SCALE"].rstrip("f")) == np.float32(tensor.scale)
    assert int(macros["INPUT_ZERO_POINT"].strip("()")) == tensor.zero_point
    assert macros["MODEL_HASH"] == f'"{content_hash(model.graph)}"'


def test_several_inputs_and_outputs_get_numbered_names(tmp_path: Path) -> None:
    header = (export("two_headed", tmp_path) / "include" / "two_headed.h").read_text()
    for prototype in (
        "int8_t *two_headed_input_0(void *arena);",
        "int8_t *two_headed_input_1(void *arena);",
        "const int8_t *two_headed_output_0(const void *arena);",
        "const int32_t *two_headed_output_1(const void *arena);",
    ):
        assert prototype in header
    assert "two_headed_dequantize_output_1" not in header  # an index is no quantized value


def test_report_keeps_what_it_is_given_beside_what_it_knows(tmp_path: Path) -> None:
    model, board = compiled("dense"), load_board("nucleo-l4r5zi")
    write_project(model, tmp_path / "p", board=board, report={"limits": {"ram": 1024}, "trial": {"number": 7}})
    report = json.loads((tmp_path / "p" / "report.json").read_text())
    assert report["limits"] == {"ram": 1024}
    assert report["trial"] == {"number": 7}
    assert (report["board"], report["core"], report["model_hash"]) == ("nucleo-l4r5zi", "cortex-m4", model.hash)
    assert read_project(tmp_path / "p").board == board


def test_the_network_lies_beside_its_code(tmp_path: Path) -> None:
    project = export("dense", tmp_path)
    assert content_hash(load(project / "model.safetensors")) == compiled("dense").hash


def test_given_vectors_are_written_and_capped_to_a_handful(tmp_path: Path) -> None:
    model = compiled("dense")
    given = random_inputs(model.graph, 50, seed=11)[model.graph.inputs[0]]
    write_project(model, tmp_path / "p", board=load_board("nucleo-l4r5zi"), report={}, vectors=given)
    text = (tmp_path / "p" / "test" / "vectors.h").read_text()
    assert "#define DENSE_VECTOR_COUNT 8" in text
    first = re.search(r"dense_vector_input\[\w+\]\[37\] = \{\s*\{(.*?)\}", text, re.DOTALL)
    assert first is not None
    assert [int(n) for n in re.findall(r"-?\d+", first[1])] == given[0].tolist()


def test_a_directory_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "dense"
    target.mkdir()
    (target / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        export("dense", tmp_path)
    assert contents(tmp_path) == {"dense/notes.txt": b"mine"}


def test_an_empty_directory_is_used(tmp_path: Path) -> None:
    (tmp_path / "dense").mkdir()
    assert (export("dense", tmp_path) / "report.json").is_file()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "dense").write_text("")
    with pytest.raises(UserError, match="not a directory"):
        export("dense", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file is not a directory$"):
        export("dense", tmp_path / "file")


def test_a_failed_export_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="test vectors"):
        write_project(
            compiled("dense"), tmp_path / "p", board=load_board("nucleo-l4r5zi"), report={}, vectors=np.zeros((2, 5), np.int8)
        )
    assert list(tmp_path.iterdir()) == []
