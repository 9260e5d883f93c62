"""The project as a library of the build systems that firmware is made with, all of it in the one layout that there is.

A Zephyr module, a PlatformIO and Arduino library, a CMSIS-Pack; CMake's package is ``CMakeLists.txt`` itself. Each description
names the same sources and the flags that the figures were measured with, where the build system lets a library have its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from codegen.project.cpp_header import cpp_header, sketch
from codegen.project.templates import render
from codegen.toolchain import FIRMWARE_FLAGS, OPTIMIZE

if TYPE_CHECKING:
    from codegen.compile import CompiledModel

VENDOR = "mcu-nas"
"""Whose pack it is, in CMSIS's sense."""
_LONGEST_COMPONENT = 32
"""Characters of a component's name (PACK.xsd, ``CsubType``)."""
_LONGEST_LIBRARY = 63
"""Characters of a library's name (Arduino's library specification)."""


def build_flags() -> str:
    """Compiler flags of the model's sources, without the language's version and the level of optimisation."""
    return " ".join(flag for flag in FIRMWARE_FLAGS if not flag.startswith("-std="))


def package_version(generator: str) -> str:
    """``major.minor.patch`` of the generator's version, whatever else that says."""
    numbers = re.match(r"\d+(?:\.\d+){0,2}", generator)
    parts = [str(int(part)) for part in numbers[0].split(".")] if numbers else []
    return ".".join([*parts, "0", "0", "0"][:3])


def packaging_files(model: CompiledModel, interface: Sequence[str], sources: Sequence[str], version: str) -> dict[str, str]:
    """Path → text of all that other build systems, C++ and licensing ask for.

    :param interface: names of the C headers in ``include``.
    :param sources: names of the C files in ``src``, which may not be all that lie there.
    :param version: ``major.minor.patch``.
    """
    name = model.name
    headers = [*interface, f"{name}.hpp"]
    return {
        "LICENSE": render("LICENSE"),
        f"include/{name}.hpp": cpp_header(model),
        **{f"src/{header}": render("forward.h", header=header) for header in headers},
        "library.json": _library_json(model, headers, version),
        "library.properties": render(
            "library.properties",
            m=name,
            name=name[:_LONGEST_LIBRARY],
            version=f"{version}+{model.hash[:12]}",
            sentence=_description(model),
            paragraph=f"Arena of {model.arena_bytes} bytes, given by the caller; no heap, no dependencies.",
        ),
        f"{VENDOR}.{name}.pdsc": _pack(model, headers, sources, version),
        **_zephyr_module(model, sources),
        "examples/inference/inference.ino": sketch(model),
        "examples/timing/main.c": render("timing.c", m=name, M=name.upper()),
        "examples/timing/cycle_counter.h": render("cycle_counter.h"),
    }


def _description(model: CompiledModel) -> str:
    return f"An int8 neural network as freestanding C99, generated for {model.core.title}"


def _library_json(model: CompiledModel, headers: Sequence[str], version: str) -> str:
    example = {"name": "inference", "base": "examples/inference", "files": ["inference.ino"]}
    manifest = {
        "$schema": "https://raw.githubusercontent.com/platformio/platformio-core/develop/platformio/assets/schema/library.json",
        "name": model.name,
        "version": f"{version}+{model.hash[:12]}",
        "description": _description(model),
        "keywords": "neural network, int8",
        "license": "Apache-2.0",
        "frameworks": "*",
        "platforms": "*",
        "headers": list(headers),
        "examples": [example],
        "build": {"srcDir": "src", "includeDir": "include", "flags": f"{OPTIMIZE[model.optimize]} {build_flags()}"},
    }
    return json.dumps(manifest, indent=2) + "\n"


def _pack(model: CompiledModel, headers: Sequence[str], sources: Sequence[str], version: str) -> str:
    rows = [f'<file category="header" name="include/{header}"/>' for header in headers]
    rows += [f'<file category="source" name="src/{source}"/>' for source in sources]
    return render(
        "pack.pdsc",
        m=model.name,
        sub=model.name[:_LONGEST_COMPONENT],
        version=version,
        hash=model.hash,
        description=_description(model),
        files="\n".join(f"        {row}" for row in rows),
    )


def _zephyr_module(model: CompiledModel, sources: Sequence[str]) -> dict[str, str]:
    name, upper = model.name, model.name.upper()
    return {
        "zephyr/module.yml": render("zephyr_module.yml", m=name),
        "zephyr/Kconfig": render("zephyr_Kconfig", m=name, M=upper, arena_bytes=f"{model.arena_bytes:,}"),
        "zephyr/CMakeLists.txt": render(
            "zephyr_CMakeLists.txt",
            m=name,
            M=upper,
            sources="\n".join(f"    ${{{upper}_DIR}}/src/{source}" for source in sources),
            flags=f"{OPTIMIZE[model.optimize]} {build_flags()}",
        ),
    }
