"""The project's own build, as its README shows it: on the host, and cross-compiled and run under QEMU."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from projects import export, required_tool, run_tool


def build(cmake: str, project: Path, *options: str) -> str:
    """Configure, build with warnings as errors, test; returns what the test printed."""
    strict = f"-D{project.name.upper()}_STRICT=ON"
    run_tool([cmake, "-B", "build", strict, *options], cwd=project)
    run_tool([cmake, "--build", "build"], cwd=project)
    return run_tool([required_tool("ctest"), "--test-dir", "build", "--verbose", "--no-tests=error"], cwd=project)


@pytest.mark.parametrize("network", ["separable", "two_headed"])
def test_cmake_builds_and_tests_on_the_host(network: str, tmp_path: Path) -> None:
    output = build(required_tool("cmake"), export(network, tmp_path))
    assert f"{network}: 0 of 5 vectors differ" in output


@pytest.mark.parametrize("network", ["convolutional", "separable", "residual", "dense", "two_headed"])
def test_gcc_build_gives_the_same_outputs_under_qemu(network: str, tmp_path: Path) -> None:
    required_tool("arm-none-eabi-gcc")
    required_tool("qemu-system-arm")
    output = build(required_tool("cmake"), export(network, tmp_path), "-DCMAKE_TOOLCHAIN_FILE=cmake/arm-none-eabi.cmake")
    assert f"{network}: 0 of 5 vectors differ" in output


@pytest.mark.parametrize(("core", "machine"), [("cortex-m33", "mps2_an505"), ("cortex-m7", "mps2_an500")])
def test_a_project_runs_under_qemu_on_its_own_core(core: str, machine: str, tmp_path: Path) -> None:
    required_tool("arm-none-eabi-gcc")
    required_tool("qemu-system-arm")
    project = export("separable", tmp_path, core)
    output = build(required_tool("cmake"), project, "-DCMAKE_TOOLCHAIN_FILE=cmake/arm-none-eabi.cmake")
    assert "separable: 0 of 5 vectors differ" in output
    assert (project / "build" / f"separable_{machine}").exists()
    attributes = run_tool([required_tool("arm-none-eabi-readelf"), "-A", project / "build" / f"separable_{machine}"])
    assert "Tag_DSP_extension: Allowed" in attributes or "v7E-M" in attributes


def test_the_projects_test_notices_changed_weights(tmp_path: Path) -> None:
    project = export("dense", tmp_path)
    weights = project / "src" / "dense_weights.c"
    before, begin, rest = weights.read_text().partition("= {")
    values, end, after = rest.partition("};")
    weights.write_text(before + begin + re.sub(r"-?\d+", "0", values) + end + after)
    cmake = required_tool("cmake")
    with pytest.raises(AssertionError, match=r"[1-5] of 5 vectors differ"):
        build(cmake, project)
