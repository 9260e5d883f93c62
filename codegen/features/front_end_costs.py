"""What a front end adds to the network behind it, measured on an emulated core before there is a network."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from codegen import elf
from codegen.cache import cache_dir
from codegen.cores import Core
from codegen.emulator import Execution, ModelInterface, execute
from codegen.features.preprocessing import Preprocessing
from codegen.features.templates import render
from codegen.measurement import Flash
from codegen.optimize import Optimize
from codegen.rendering import prefixed
from codegen.toolchain import ZigCompiler

_VERSION = 1
"""Of what is in the cache; to be raised where the emulator or this module comes to count otherwise."""
_NAME = "measured"
_DEPTH = 4096
"""Stack in bytes of the function that stands for the network; more than that of any features."""
_ALIGN = 8


@dataclass(frozen=True, slots=True)
class FrontEndCosts:
    """What ``<m>_run_samples`` and its like cost beside the network; bytes, and counts per window of samples or image.

    ``stack`` is the deepest one while features are computed, ``call`` what is on the stack when the network is entered.
    ``flash`` includes the functions by which sound comes in pieces and what is linked of the compiler's support routines.
    ``flash_reads`` are bytes of constants that loads read.
    """

    stack: int
    call: int
    flash: Flash
    instructions: float
    cycles: float
    flash_reads: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(content: dict[str, Any]) -> FrontEndCosts:
        """The inverse of :meth:`to_json`."""
        return FrontEndCosts(**{**content, "flash": Flash(**content["flash"])})


@lru_cache(maxsize=256)
def front_end_costs(front_end: Preprocessing, core: Core, optimize: Optimize = "balanced") -> FrontEndCosts:
    """Build ``front_end`` for ``core`` and run it on noise in the emulator; what was measured before comes from the cache.

    :raises codegen.toolchain.CompileError: if the compiler is missing.
    """
    compiler = ZigCompiler()
    files = _files(front_end)
    identity = [_VERSION, sorted(files.items()), core.name, optimize, compiler.identity]
    key = hashlib.blake2b(json.dumps(identity).encode(), digest_size=16).hexdigest()
    path = cache_dir() / "features" / f"{key}.json"
    try:
        return FrontEndCosts.from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError, KeyError):  # absent, or damaged
        found = _measure(front_end, files, core, optimize, compiler)
    path.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(mode="w", dir=path.parent, delete=False) as file:
        json.dump(found.to_json(), file)
    Path(file.name).replace(path)
    return found


def _files(front_end: Preprocessing) -> dict[str, str]:
    stand_in = {
        f"include/{_NAME}.h": render("no_network.h"),
        "src/no_network.c": render("no_network.c", m=_NAME, depth=_DEPTH),
    }
    own = {path: prefixed(text, _NAME) for path, text in stand_in.items()}
    return own | front_end.sources(_NAME, 0, front_end.arena_bytes(0))


def _measure(
    front_end: Preprocessing, files: dict[str, str], core: Core, optimize: Optimize, compiler: ZigCompiler
) -> FrontEndCosts:
    raw = front_end.typical().tobytes()
    roots = [front_end.entry, "run", "shallow", "deep", *front_end.linked]
    with tempfile.TemporaryDirectory(prefix="features-") as scratch:
        directory = Path(scratch)
        for path, text in files.items():
            (directory / path).parent.mkdir(exist_ok=True)
            (directory / path).write_text(text, encoding="utf-8")
        built = compiler.link(
            sorted((directory / "src").glob("*.c")),
            include_dirs=[directory / "include", directory / "src"],
            core=core,
            optimize=optimize,
            roots=[f"{_NAME}_{root}" for root in roots],
            output=directory / "features.elf",
        )

        def run(function: str, output: str, *argument: bytes) -> Execution:
            interface = ModelInterface(
                run=f"{_NAME}_{function}",
                inputs=(),
                outputs=((f"{_NAME}_{output}", 1),),
                arena_bytes=front_end.arena_bytes(0),
                arena_align=_ALIGN,
                argument_bytes=sum(map(len, argument)),
            )
            return execute(built, core, interface, [argument])

        features, nothing = run(front_end.entry, "shallow", raw), run("run", "shallow")
        beneath = run(front_end.entry, "deep", raw).stack_bytes - run("run", "deep").stack_bytes
        program = elf.read(built)
    stand_in = {f"{_NAME}_{name}" for name in ("input", "run", "shallow", "deep", "descend")}
    own = sum(function.size for function in program.functions if function.name in stand_in)
    return FrontEndCosts(
        stack=features.stack_bytes,
        call=beneath,
        flash=Flash(program.code - own, program.constants + program.initial_data),
        instructions=features.instructions - nothing.instructions,
        cycles=features.cycles - nothing.cycles,
        flash_reads=features.flash_bytes - nothing.flash_bytes,
    )
