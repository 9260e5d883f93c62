"""An exported project on this machine: built with every sanitizer the compiler has, run in an arena of exactly its size."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from codegen.compile import CompiledModel
from codegen.toolchain import CompileError, ZigCompiler

_WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wcast-align", "-Werror")
_PROGRAM = """\
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "@name@.h"

/* Inputs come from standard input, outputs go to standard output, one inference after the other. The arena is as large as promised
 * and holds garbage before each of them. */
int main(void)
{
    unsigned char seed = 1;
    for (;;) {
        unsigned char *arena = malloc(@bytes@);
        if (arena == NULL) {
            return 2;
        }
        for (size_t i = 0; i < @bytes@; ++i) {
            seed = (unsigned char)(seed * 77u + 13u);
            arena[i] = seed;
        }
        if (@read@) {
            free(arena);
            return ferror(stdin) || fflush(stdout) ? 3 : 0;
        }
        if (@name@_run(arena) != 0) {
            return 4;
        }
@write@
        free(arena);
    }
}
"""


class HostFault(Exception):  # noqa: N818 - what a sanitizer reports is called so
    """The program did what a sanitizer forbids, or failed."""


@cache
def sanitized_compiler() -> tuple[str, str] | None:
    """Path of a compiler with AddressSanitizer and UndefinedBehaviorSanitizer, and its name; None where there is none."""
    for name in ("gcc", "clang"):
        path = shutil.which(name)
        if path is None:
            continue
        probe = [path, "-fsanitize=address,undefined", "-x", "c", "-", "-o", os.devnull]
        if subprocess.run(probe, input="int main(void) { return 0; }", capture_output=True, text=True, check=False).returncode == 0:
            return path, name
    return None


def description() -> str:
    """What the host build is checked with, for reports."""
    found = sanitized_compiler()
    if found is None:
        return "ziglang, UndefinedBehaviorSanitizer only: neither gcc nor clang with AddressSanitizer is installed"
    return f"{found[1]}, AddressSanitizer and UndefinedBehaviorSanitizer"


def run_on_host(model: CompiledModel, project: Path, inputs: Mapping[str, NDArray[Any]]) -> list[dict[str, bytes]]:
    """The bytes of every output of each inference of ``inputs`` ``(n, *sample shape)``.

    :param project: the directory that ``model`` was exported to.
    :raises HostFault: with the first line of what a sanitizer found.
    :raises CompileError: if the project does not compile without warnings.
    """
    graph = model.graph
    program = _build(model, project)
    count = len(next(iter(inputs.values())))
    stimuli = b"".join(inputs[name][i].tobytes() for i in range(count) for name in graph.inputs)
    options = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
    done = subprocess.run([program], input=stimuli, capture_output=True, check=False, env={**os.environ, **options}, timeout=120)
    if done.returncode != 0:
        raise HostFault(_finding(done.stderr.decode(errors="replace"), done.returncode))
    results, at = [], 0
    for _ in range(count):
        outputs = {}
        for name in graph.outputs:
            outputs[name] = done.stdout[at : at + graph[name].nbytes]
            at += graph[name].nbytes
        results.append(outputs)
    if at != len(done.stdout):
        raise HostFault(f"wrote {len(done.stdout)} bytes of output instead of {at}")
    return results


def _build(model: CompiledModel, project: Path) -> Path:
    graph, name = model.graph, model.name

    def labels(side: str, names: tuple[str, ...]) -> list[tuple[str, int]]:
        return [(side if len(names) == 1 else f"{side}_{i}", graph[n].nbytes) for i, n in enumerate(names)]

    reads = [f"fread({name}_{label}(arena), {size}, 1, stdin) != 1" for label, size in labels("input", graph.inputs)]
    writes = [f"        fwrite({name}_{label}(arena), {size}, 1, stdout);" for label, size in labels("output", graph.outputs)]
    values = {
        "name": name,
        "bytes": f"(size_t){name.upper()}_ARENA_BYTES",
        "read": "\n            || ".join(reads),
        "write": "\n".join(writes),
    }
    text = _PROGRAM
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    main, output = project / "host_main.c", project / "host_main"
    main.write_text(text)
    sources, includes = sorted((project / "src").glob("*.c")), [project / "include", project / "src"]
    found = sanitized_compiler()
    if found is None:
        flags = ("-fsanitize=undefined", *_WARNINGS)
        return ZigCompiler().build_host([*sources, main], include_dirs=includes, output=output, flags=flags)
    command = [found[0], "-std=c99", "-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", *_WARNINGS]
    command += [f"-I{folder}" for folder in includes]
    done = subprocess.run([*command, *sources, main, "-o", output], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CompileError(done.stderr.strip())
    return output


def _finding(report: str, status: int) -> str:
    lines = [line.strip() for line in report.splitlines()]
    said = next((line for line in lines if "runtime error" in line or "ERROR: AddressSanitizer" in line), None)
    where = next((line for line in lines if line.startswith("#") and "_run" not in line and "main" not in line), "")
    return f"{said or f'ended with status {status}'} {where}".strip()
