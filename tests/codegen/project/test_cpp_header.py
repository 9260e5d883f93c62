"""The C++ header: strict compilers of two standards, the self-test through it, a microcontroller without a C++ library, Arduino."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from graphs import NETWORKS
from projects import export, sources, zig
from raw_networks import RAW_INPUTS, compiled_with_raw_input
from sound_networks import FRONT_END, NAME, compiled_with_features, sounds

from codegen.boards import load_board
from codegen.project import write_project
from codegen.toolchain import ZigCompiler

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
BARE = ("-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fsanitize-trap=undefined")

VECTORS_THROUGH_CPP = """
#include <separable.hpp>
#include "vectors.h"

using namespace separable_nn;

static_assert(arena_bytes == SEPARABLE_ARENA_BYTES && input_size == 64 && output_size == 10, "sizes are constant expressions");
static_assert(input_shape[1] == 8 && span<int8_t, input_size>::size() == 64, "and so is what is made of them");
static_assert(sizeof(arena) >= arena_bytes && alignof(arena) == arena_align, "the arena is aligned");

struct application {
    arena memory;
    class network network{memory};
};

static application app;
static arena shared;

static int differ(const network &net, bool stepped)
{
    int failures = 0;
    for (size_t v = 0; v < SEPARABLE_VECTOR_COUNT; ++v) {
        const auto input = net.input();
        for (size_t i = 0; i < input.size(); ++i) {
            input[i] = separable_vector_input[v][i];
        }
        if (stepped) {
            step_state state;
            uint32_t steps_taken = 1;
            while (net.step(state) == 1) {
                ++steps_taken;
            }
            failures += steps_taken != steps;
        } else {
            failures += net.run() != 0;
        }
        const int8_t *expected = separable_vector_output[v];
        for (const auto value : net.output()) {
            failures += value != *expected++;
        }
    }
    return failures;
}

int main()
{
    const network elsewhere(static_cast<void *>(&shared));
    const bool converts = quantize_input(-1e9f) == -128 && dequantize_output(int8_t(output_zero_point)) == 0.0f;
    const bool refuses = network(nullptr).run() == SEPARABLE_ERROR_NULL;
    return differ(app.network, false) + differ(elsewhere, true) + !converts + !refuses;
}
"""

ARDUINO = """
#include <stddef.h>
#include <stdint.h>
unsigned long micros();
void delay(unsigned long);
struct Printer {
    void begin(unsigned long);
    void print(const char *);
    void print(unsigned long);
    void print(int);
    void println(float);
    void println(int);
    void println(unsigned long);
};
extern Printer Serial;
"""


@pytest.mark.parametrize("standard", ["c++11", "c++17"])
def test_the_vectors_pass_through_it_on_the_host(standard: str, tmp_path: Path) -> None:
    project = export("separable", tmp_path)
    unit, built = tmp_path / "unit.cpp", tmp_path / "unit.o"
    unit.write_text(VECTORS_THROUGH_CPP)
    includes = [f"-I{project / folder}" for folder in ("include", "test")]
    done = zig("c++", f"-std={standard}", *WARNINGS, *BARE, *includes, "-c", unit, "-o", built)
    assert done.returncode == 0, done.stderr
    program = ZigCompiler().build_host([*sources(project), built], include_dirs=[project / "include"], output=tmp_path / "program")
    assert subprocess.run([program], check=False).returncode == 0


@pytest.mark.parametrize("network", [*NETWORKS, NAME, *RAW_INPUTS])
def test_sketch_and_header_need_nothing_but_the_compiler(network: str, tmp_path: Path) -> None:
    if network == NAME:
        project = tmp_path / NAME
        write_project(compiled_with_features(), project, board=load_board("nucleo-l4r5zi"), report={}, vectors=sounds(FRONT_END, 1))
    elif network in RAW_INPUTS:
        project = tmp_path / network
        write_project(compiled_with_raw_input(network), project, board=load_board("nucleo-l4r5zi"), report={})
    else:
        project = export(network, tmp_path)
    # as Arduino does: its header goes before the sketch, and of a library it looks into src alone
    (tmp_path / "Arduino.h").write_text(ARDUINO)
    sketch = tmp_path / "sketch.cpp"
    sketch.write_text('#include "Arduino.h"\n' + (project / "examples" / "inference" / "inference.ino").read_text())
    for standard, cpu in (("gnu++11", "cortex_m0plus"), ("gnu++17", "cortex_m4")):
        done = zig(
            "c++", "-target", "thumb-freestanding-eabi", f"-mcpu={cpu}", f"-std={standard}", "-nostdinc++", *WARNINGS, *BARE,
            f"-I{project / 'src'}", "-c", sketch, "-o", tmp_path / "sketch.o",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
