"""The project's sources under strict compilers, and what their objects hold."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from graphs import NETWORKS
from projects import STRICT, export, required_tool, run_tool, sources, zig

from codegen.cores import CORES

LEVELS = ("-O2", "-O3", "-Os")
ALLOWED_UNDEFINED = re.compile(r"memcpy|memset|memmove|__aeabi_\w+|__\w+[sd]i\d")  # routines that a compiler itself calls


def compile_with_zig(project: Path, cpu: str, level: str, output: Path) -> list[Path]:
    """Object files of the model and its self-test; every warning fails."""
    objects = []
    for source in [*sources(project), project / "test" / f"{project.name}_self_test.c"]:
        target = output / f"{source.stem}{level}-{cpu}.o"
        arguments = ["cc", "-target", "thumb-freestanding-eabi", f"-mcpu={cpu}", level, *STRICT, "-c", source, "-o", target]
        done = zig(*arguments, f"-I{project / 'include'}", f"-I{project / 'src'}", f"-I{project / 'test'}")
        assert done.returncode == 0, done.stderr
        objects.append(target)
    return objects


@pytest.mark.parametrize("network", NETWORKS)
def test_clang_has_nothing_to_warn_of(network: str, tmp_path: Path) -> None:
    project = export(network, tmp_path)
    for cpu, level in itertools.product(("cortex_m4", "cortex_m0plus"), LEVELS):
        compile_with_zig(project, cpu, level, tmp_path)


def test_objects_hold_only_prefixed_symbols_and_no_variables(tmp_path: Path) -> None:
    project = export("separable", tmp_path)
    defined: set[str] = set()
    undefined: set[str] = set()
    for path in compile_with_zig(project, "cortex_m0plus", "-O2", tmp_path):
        if path.name.startswith("separable_self_test"):
            continue
        with path.open("rb") as file:
            image = ELFFile(file)
            for section in image.iter_sections():
                if section.name.startswith((".data", ".bss")):
                    assert section["sh_size"] == 0, f"{path.name} has variables in {section.name}"
            for symbol in image.get_section_by_name(".symtab").iter_symbols():
                if symbol["st_info"]["bind"] == "STB_LOCAL" or not symbol.name:
                    continue
                (undefined if symbol["st_shndx"] == "SHN_UNDEF" else defined).add(symbol.name)
    assert {"separable_run", "separable_input", "separable_output"} <= defined
    assert all(name.startswith("separable_") for name in defined)
    assert all(ALLOWED_UNDEFINED.fullmatch(name) for name in undefined - defined), undefined - defined


@pytest.mark.parametrize("network", NETWORKS)
def test_the_header_is_cpp_too(network: str, tmp_path: Path) -> None:
    project = export(network, tmp_path)
    unit = tmp_path / "unit.cpp"
    unit.write_text(f'#include "{network}.h"\n#include "{network}.h"\nint main() {{ return {network}_run(nullptr); }}\n')
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wcast-align", "-Werror"]
    done = zig("c++", *flags, f"-I{project / 'include'}", "-c", unit, "-o", tmp_path / "unit.o")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("network", NETWORKS)
def test_gcc_for_arm_has_nothing_to_warn_of(network: str, tmp_path: Path) -> None:
    gcc = required_tool("arm-none-eabi-gcc")
    project = export(network, tmp_path)
    includes = [f"-I{project / d}" for d in ("include", "src", "test")]
    for cpu, level in itertools.product(("cortex-m4", "cortex-m0plus"), LEVELS):
        for source in [*sources(project), project / "test" / f"{network}_self_test.c"]:
            target = tmp_path / f"{source.stem}.o"
            run_tool([gcc, f"-mcpu={cpu}", "-mthumb", level, *STRICT, *includes, "-c", source, "-o", target])


@pytest.mark.parametrize("core", ["cortex-m33", "cortex-m7"])
def test_neither_compiler_warns_on_the_larger_cores(core: str, tmp_path: Path) -> None:
    gcc = required_tool("arm-none-eabi-gcc")
    project = export("residual", tmp_path, core)
    includes = [f"-I{project / d}" for d in ("include", "src", "test")]
    for level in LEVELS:
        compile_with_zig(project, CORES[core].zig_cpu, level, tmp_path)
        for source in [*sources(project), project / "test" / "residual_self_test.c"]:
            run_tool(
                [gcc, f"-mcpu={core}", "-mthumb", level, *STRICT, *includes, "-c", source, "-o", tmp_path / f"{source.stem}.o"]
            )


def test_weights_can_be_placed_in_a_section(tmp_path: Path) -> None:
    project = export("dense", tmp_path)
    target = tmp_path / "weights.o"
    define = '-DDENSE_WEIGHTS_SECTION=__attribute__((section(".model_weights")))'
    done = zig(
        "cc", "-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4", *STRICT, define,
        "-c", project / "src" / "dense_weights.c", "-o", target,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with target.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".model_weights")
        assert section["sh_size"] >= 37 * 16 * 2
