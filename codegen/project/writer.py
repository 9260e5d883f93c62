"""Write the exported project: all files into a directory beside the target, then one rename."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.new_directory import check_new_directory, new_directory
from codegen.project import kernel_source, model_source
from codegen.project.memory_map_svg import memory_map_svg
from codegen.project.packaging import build_flags, package_version, packaging_files
from codegen.project.qemu_board import qemu_board
from codegen.project.readme import readme
from codegen.project.report import report_json, report_text
from codegen.project.templates import render
from codegen.project.vectors import choose, self_test_source, vector_count, vectors_header
from codegen.samples import Arrays

if TYPE_CHECKING:
    from codegen.boards.board import Board
    from codegen.compile import CompiledModel
    from codegen.measurement import Verification
    from codegen.streaming import Stream

_BUILD_TYPES = {"speed": "Release", "balanced": "RelWithDebInfo", "size": "MinSizeRel"}  # CMake's names for -O3, -O2 and -Os


def write_project(
    model: CompiledModel,
    directory: Path,
    *,
    board: Board,
    report: Mapping[str, Any],
    vectors: Arrays | None = None,
    built: Verification | None = None,
) -> None:
    """Write ``model`` as a C project into ``directory``, which must not exist or be empty; all of it or nothing.

    :param report: keys of ``report.json`` beside those known here (limits, predicted, test, trial and so on).
    :param vectors: inputs ``(n, *sample shape)``, int8 or float32, per name where there are several; of a model with a front end
        raw ``(n, size)``; the first few become ``test/vectors.h``.
    :param built: what was measured of this very model, for ``report.json`` and the README.
    :raises UserError: if the directory is not empty or cannot be written.
    """
    check_new_directory(directory)
    files = project_files(model, board=board, report=report, vectors=vectors, built=built)
    with new_directory(directory) as staging:
        _write_all(files, model, staging)


def project_files(
    model: CompiledModel,
    *,
    board: Board,
    report: Mapping[str, Any],
    vectors: Arrays | None = None,
    built: Verification | None = None,
) -> dict[str, str]:
    """Every text file of the project: path → content. Equal arguments give equal text."""
    from codegen.toolchain import ZigCompiler

    name, names = model.name, {"m": model.name, "M": model.name.upper()}
    chosen = choose(model, vectors)
    count = vector_count(chosen)
    qemu = qemu_board(model.core)
    full_report = report_json(model, board, report, ZigCompiler().identity, built)
    files = model_sources(model)
    interface, sources = _in_folder(files, "include", ".h"), _in_folder(files, "src", ".c")
    library_version = package_version(_generator_version())
    files |= packaging_files(model, interface, sources, library_version)
    files |= {
        "test/vectors.h": vectors_header(model, chosen),
        f"test/{name}_self_test.h": render("self_test.h", **names),
        f"test/{name}_self_test.c": self_test_source(model),
        "test/test_host.c": render("test_host.c", **names, count=count),
        f"test/{qemu.directory}/main.c": render("qemu_main.c", **names, machine=qemu.machine, count=count),
        f"test/{qemu.directory}/startup.c": render("startup.c", systick_handler="fault_handler"),
        f"test/{qemu.directory}/semihosting.h": render("semihosting.h", **names),
        f"test/{qemu.directory}/linker.ld": render(
            "linker.ld",
            board=f"QEMU's {qemu.machine} ({qemu.core}): 4 MB for code, 4 MB for data",
            code=f"{qemu.code:#010x}",
            code_bytes="4M",
            data=f"{qemu.data:#010x}",
            data_bytes="4M",
        ),
        "cmake/arm-none-eabi.cmake": render("arm-none-eabi.cmake", cpu=model.core.gcc_cpu),
        "CMakeLists.txt": render(
            "CMakeLists.txt",
            **names,
            version=library_version,
            build_type=_BUILD_TYPES[model.optimize],
            sources="".join(f"\n  src/{source}" for source in sources),
            flags=build_flags(),
            machine=qemu.machine,
            machine_directory=qemu.directory,
        ),
        "memory_map.svg": memory_map_svg(model),
        "README.md": readme(model, board, full_report, chosen, None if built is None else built.support_routines),
        "report.json": report_text(full_report),
    }
    return files


def model_sources(model: CompiledModel) -> dict[str, str]:
    """The C of the model, all that has to be compiled and what it includes: path → content."""
    name = model.name
    files = {
        f"include/{name}.h": model_source.header(model, _generator_version()),
        f"src/{name}.c": model_source.run_source(model),
        f"src/{name}_kernels.h": kernel_source.prototypes(name, model.functions),
        f"src/{name}_kernels.c": kernel_source.kernels(
            name, model.shared_functions, model.functions, micro=bool(model.micro_kernels)
        ),
        f"src/{name}_weights.h": model_source.weights_header(model),
        f"src/{name}_weights.c": model_source.weights_source(model),
    }
    if model.micro_kernels:
        files[f"src/{name}_micro.h"] = kernel_source.micro_header(name, model.micro_kernels)
    files |= front_end_sources(model)
    if model.detector is not None:
        files |= model.detector.sources(name)
    return files if model.stream is None else files | _stream_sources(model, model.stream)


def front_end_sources(model: CompiledModel) -> dict[str, str]:
    """The files by which raw numbers become the network's input, and the one that takes steps, of sound from its columns on."""
    from codegen.features import FrontEnd
    from codegen.features.c_source import step_columns

    name, front_end, columns = model.name, model.front_end, ""
    offset = model.plan.offsets[model.graph.inputs[0]]
    files = {} if front_end is None else front_end.sources(name, offset, model.arena_bytes)
    if isinstance(front_end, FrontEnd):
        columns = step_columns(front_end.place(offset, model.arena_bytes), offset, name)
    return files | {f"src/{name}_step.c": model_source.step_source(model, columns)}


def _stream_sources(model: CompiledModel, stream: Stream) -> dict[str, str]:
    """The files by which the network listens all the time."""
    from codegen.streaming.c_source import stream_sources

    return stream_sources(stream, model.graph, model.name)


def _in_folder(files: Mapping[str, str], folder: str, ending: str) -> list[str]:
    """Names of the files of one kind, sorted."""
    return sorted(path.removeprefix(f"{folder}/") for path in files if path.startswith(f"{folder}/") and path.endswith(ending))


def _write_all(files: Mapping[str, str], model: CompiledModel, staging: Path) -> None:
    from codegen.graph_file import save

    for path, text in sorted(files.items()):
        target = staging / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
    save(model.graph, staging / "model.safetensors")


def _generator_version() -> str:
    try:
        return version("mcu-nas")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0"
