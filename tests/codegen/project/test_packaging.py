"""The project as a library of other build systems: built by CMake in both ways, the other descriptions read and checked.

Zephyr, Arduino and CMSIS tools are not on the package index; ``docs/packaging.md`` says what was tried by hand beside these tests.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import kconfiglib
import pytest
import yaml
from projects import compiled, export, required_tool, run_tool, sources
from sound_networks import FRONT_END, NAME, compiled_with_features, sounds

from codegen.boards import load_board
from codegen.project import write_project
from codegen.project.packaging import package_version

CONSUMER = """
cmake_minimum_required(VERSION 3.14)
project(consumer LANGUAGES C)
if(FROM_FOLDER)
  include(FetchContent)
  FetchContent_Declare(separable SOURCE_DIR ${SOURCES})
  FetchContent_MakeAvailable(separable)
else()
  find_package(separable CONFIG REQUIRED)
endif()
if(TARGET separable_test OR BUILD_TESTING)
  message(FATAL_ERROR "somebody else's tests are here")
endif()
add_executable(consumer ${SOURCES}/test/test_host.c ${SOURCES}/test/separable_self_test.c)
target_include_directories(consumer PRIVATE ${SOURCES}/test)
target_link_libraries(consumer PRIVATE separable::separable)
"""
ZEPHYR = """
# The commands that Zephyr's documentation ("extensions") gives to a module's CMakeLists.txt, for one library.
cmake_minimum_required(VERSION 3.13)
project(application LANGUAGES C)
set(CONFIG_SEPARABLE_NETWORK y)
set(CONFIG_SEPARABLE_SELF_TEST y)
macro(zephyr_library)
  add_library(module STATIC)
endmacro()
macro(zephyr_library_sources)
  target_sources(module PRIVATE ${ARGN})
endmacro()
macro(zephyr_library_compile_options)
  target_compile_options(module PRIVATE ${ARGN})
endmacro()
macro(zephyr_include_directories)
  include_directories(${ARGN})
endmacro()
add_subdirectory(${MODULE} module)
include_directories(${MODULE}/../include ${MODULE}/../test)
add_executable(application ${MODULE}/../test/test_host.c)
target_link_libraries(application PRIVATE module)
"""


def exported_sound(directory: Path) -> Path:
    """A project with a front end, the one with the most files."""
    project = directory / NAME
    write_project(compiled_with_features(), project, board=load_board("nucleo-l4r5zi"), report={}, vectors=sounds(FRONT_END, 1))
    return project


def test_cmake_finds_it_installed_and_takes_it_as_a_folder(tmp_path: Path) -> None:
    cmake, project = required_tool("cmake"), export("separable", tmp_path)
    run_tool([cmake, "-B", "build", "-DSEPARABLE_STRICT=ON"], cwd=project)
    run_tool([cmake, "--build", "build"], cwd=project)
    run_tool([cmake, "--install", "build", "--prefix", tmp_path / "prefix"], cwd=project)
    assert {p.name for p in (tmp_path / "prefix" / "include").iterdir()} == {"separable.h", "separable.hpp"}
    consumer = tmp_path / "consumer"
    consumer.mkdir()
    (consumer / "CMakeLists.txt").write_text(CONSUMER)
    for label, options in (("package", [f"-DCMAKE_PREFIX_PATH={tmp_path / 'prefix'}"]), ("folder", ["-DFROM_FOLDER=ON"])):
        run_tool([cmake, "-B", label, f"-DSOURCES={project}", *options], cwd=consumer)
        run_tool([cmake, "--build", label], cwd=consumer)
        assert "0 of 5 vectors differ" in run_tool([consumer / label / "consumer"])


def test_zephyrs_module_names_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cmake, project = required_tool("cmake"), export("separable", tmp_path)
    module = yaml.safe_load((project / "zephyr" / "module.yml").read_text())
    assert module == {"name": "separable", "build": {"cmake": "zephyr", "kconfig": "zephyr/Kconfig"}}
    monkeypatch.setenv("KCONFIG_WARN_UNDEF", "y")
    (tmp_path / "Kconfig").write_text(f'mainmenu "application"\nosource "{project / module["build"]["kconfig"]}"\n')
    kconfig = kconfiglib.Kconfig(str(tmp_path / "Kconfig"))
    assert kconfig.warnings == []
    assert {s.name for s in kconfig.unique_defined_syms} == {"SEPARABLE_NETWORK", "SEPARABLE_SELF_TEST"}
    network, test = kconfig.syms["SEPARABLE_NETWORK"], kconfig.syms["SEPARABLE_SELF_TEST"]
    assert (network.str_value, test.visibility) == ("n", 0)
    network.set_value("y")
    assert test.visibility == 2
    application = tmp_path / "application"
    application.mkdir()
    (application / "CMakeLists.txt").write_text(ZEPHYR)
    run_tool([cmake, "-B", "build", f"-DMODULE={project / module['build']['cmake']}"], cwd=application)
    run_tool([cmake, "--build", "build"], cwd=application)
    assert "0 of 5 vectors differ" in run_tool([application / "build" / "application"])


def test_platformios_and_arduinos_manifests_agree_and_name_what_is_there(tmp_path: Path) -> None:
    for project in (export("separable", tmp_path), exported_sound(tmp_path)):
        library = json.loads((project / "library.json").read_text())
        lines = (project / "library.properties").read_text().splitlines()
        properties = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
        assert library["name"] == properties["name"] == project.name
        assert library["version"] == properties["version"]
        assert re.fullmatch(r"\d+\.\d+\.\d+\+[0-9a-f]{12}", library["version"])
        assert library["license"] == properties["license"] == "Apache-2.0"
        # Arduino's library specification: what has to be there, and its own words for the rest
        assert all(properties[key] for key in ("author", "maintainer", "sentence", "paragraph", "url", "architectures"))
        assert properties["category"] == "Data Processing"
        interface = sorted(p.name for p in (project / library["build"]["includeDir"]).iterdir())
        assert sorted(library["headers"]) == interface
        assert properties["includes"] in interface
        for header in interface:  # Arduino looks into src alone
            assert f'#include "../include/{header}"' in (project / "src" / header).read_text()
        for example in library["examples"]:
            assert all((project / example["base"] / name).is_file() for name in example["files"])
        assert (project / "examples" / "inference" / "inference.ino").is_file()  # named as its folder, for Arduino


def test_the_pack_description_follows_the_schema_and_names_all_sources(tmp_path: Path) -> None:
    for project in (export("separable", tmp_path), exported_sound(tmp_path)):
        (path,) = project.glob("*.pdsc")
        package = ElementTree.parse(path).getroot()
        vendor, name = package.findtext("vendor"), package.findtext("name")
        assert path.name == f"{vendor}.{name}.pdsc"
        assert all(text and re.fullmatch(r"[\-_A-Za-z0-9]+", text) for text in (vendor, name))
        assert [child.tag for child in package] == [
            "vendor", "name", "description", "url", "license", "licenseSets", "releases", "keywords", "conditions", "components",
        ]  # fmt: skip
        (release,) = package.iterfind("releases/release")
        assert re.fullmatch(r"\d+\.\d+\.\d+", release.attrib["version"])
        network, test = package.iterfind("components/component")
        for component in (network, test):
            assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_+()'/\-\s.]{1,31}", component.attrib[k]) for k in ("Cclass", "Cgroup"))
            assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_+():/\- .]{0,31}", component.attrib["Csub"])
            for file in component.iterfind("files/file"):
                place = project / file.attrib["name"]
                assert place.is_dir() if file.attrib["category"] == "include" else place.is_file()
        (condition,) = package.iterfind("conditions/condition")
        assert test.attrib["condition"] == condition.attrib["id"]
        (required,) = condition.iterfind("require")
        assert required.attrib == {key: network.attrib[key] for key in ("Cclass", "Cgroup", "Csub")}
        files = [f.attrib for f in network.iterfind("files/file") if "attr" not in f.attrib]
        assert [f["name"] for f in files if f["category"] == "source"] == [f"src/{p.name}" for p in sources(project)]
        assert package.findtext("license") == "LICENSE"


def test_long_names_are_cut_where_a_format_limits_them(tmp_path: Path) -> None:
    name = "a" * 70
    write_project(replace(compiled("dense"), name=name), tmp_path / "p", board=load_board("nucleo-l4r5zi"), report={})
    package = ElementTree.parse(tmp_path / "p" / f"mcu-nas.{name}.pdsc").getroot()
    assert {c.attrib["Csub"] for c in package.iterfind("components/component")} == {"a" * 32}
    assert f"\nname={'a' * 63}\n" in (tmp_path / "p" / "library.properties").read_text()


@pytest.mark.parametrize(
    ("generator", "version"), [("0.1.0", "0.1.0"), ("1.2", "1.2.0"), ("2.0.1.dev3+gabc", "2.0.1"), ("0", "0.0.0"), ("x", "0.0.0")]
)
def test_the_packages_version_is_three_numbers(generator: str, version: str) -> None:
    assert package_version(generator) == version
