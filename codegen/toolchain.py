"""The C compiler and linker: clang and lld as the ``ziglang`` package ships them, driven as a bare-metal cross-compiler.

The compiler keeps its own cache (support routines per core, about 3 s each the first time) under :func:`codegen.cache.cache_dir`,
never in the user's project. Any number of processes may build at once.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from codegen.cache import cache_dir
from codegen.cores import Core

OPTIMIZE: Mapping[str, str] = {"speed": "-O3", "balanced": "-O2", "size": "-Os"}
"""What to optimise for → the compiler's flag."""

_EXACT_LEVEL: Mapping[str, tuple[str, ...]] = {"speed": ("-Xclang", "-O3")}
# the driver hands -O3 to clang as -O2; the user asked for the real one

FIRMWARE_FLAGS: tuple[str, ...] = (
    "-ffreestanding",
    "-std=c99",
    "-ffunction-sections",
    "-fdata-sections",
    "-fomit-frame-pointer",
    "-fno-unroll-loops",  # what is worth it the schedules and micro-kernels unroll
    "-fno-stack-protector",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
)
"""What a firmware build compiles with, for any clang or GCC."""

_ZIG_FLAGS = ("-g", "-Wno-unused-command-line-argument")
_UNCHECKED = "-fno-sanitize=all"
# The driver turns checks on by itself, but what is measured must be the code that ships; without -g it strips symbols at -Os.

_LINKER_SCRIPT = """\
MEMORY
{
  FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 64M
  RAM (rwx) : ORIGIN = 0x20000000, LENGTH = 64M
}
SECTIONS
{
  .text : { *(.text .text.*) } > FLASH
  .rodata : ALIGN(16) { *(.rodata .rodata.*) } > FLASH
  .data : { *(.data .data.*) } > RAM
  .bss (NOLOAD) : { *(.bss .bss.* COMMON) } > RAM
  /DISCARD/ : { *(.ARM.exidx* .ARM.extab* .eh_frame* .comment .note* .debug*) }
}
"""


class CompileError(Exception):
    """The compiler or linker refused its input; the message is its own."""


class ZigCompiler:
    """The compiler of the installed ``ziglang`` package."""

    def __init__(self) -> None:
        package = find_spec("ziglang")
        if package is None or package.origin is None:
            raise CompileError("the C compiler is missing: pip install ziglang")
        self._executable = Path(package.origin).with_name("zig.exe" if os.name == "nt" else "zig")

    @property
    def identity(self) -> str:
        """Name and versions, for example ``ziglang 0.17.1, clang 22.1.8``; part of every cost model and report."""
        return _identity(self._executable)

    def link(
        self,
        sources: Sequence[Path],
        *,
        include_dirs: Sequence[Path],
        core: Core,
        optimize: str,
        roots: Sequence[str],
        output: Path,
        defines: Sequence[str] = (),
        script: str = _LINKER_SCRIPT,
    ) -> Path:
        """Compile and link C or assembly sources to an ELF for ``core`` that holds only what ``roots`` (symbols) reach.

        There is no startup code and no vector table: code and constants start at 0x08000000, data at 0x20000000, unless the linker
        ``script`` (its text) says otherwise. Support routines that the code calls (memcpy, division) are linked in. ``optimize`` is
        a key of :data:`OPTIMIZE`; ``defines`` are ``NAME`` or ``NAME=VALUE``. ``output`` is replaced in one step; returns it.

        :raises CompileError: with the compiler's message, also for a root that no source defines.
        """
        arguments = ["cc", "-target", "thumb-freestanding-eabi", f"-mcpu={core.zig_cpu}", OPTIMIZE[optimize]]
        arguments += [*_EXACT_LEVEL.get(optimize, ()), *FIRMWARE_FLAGS, *_ZIG_FLAGS, _UNCHECKED]
        arguments += [f"-D{define}" for define in defines]
        arguments += [f"-I{Path(d).resolve()}" for d in include_dirs]
        arguments += ["-Wl,--gc-sections", f"-Wl,-e,{roots[0]}"]
        arguments += [f"-Wl,-u,{root}" for root in roots]
        with tempfile.TemporaryDirectory(prefix="link-", dir=cache_dir()) as scratch:
            placement = Path(scratch) / "firmware.ld"
            placement.write_text(script, encoding="utf-8")
            self._build([*arguments, f"-Wl,-T,{placement}"], sources, output, Path(scratch))
        from codegen import elf

        missing = [root for root in roots if root not in elf.read(output).symbols]
        if missing:
            raise CompileError(f"{output.name}: no source defines {', '.join(missing)}")
        return output

    def build_host(
        self, sources: Sequence[Path], *, include_dirs: Sequence[Path] = (), output: Path, flags: Sequence[str] = ()
    ) -> Path:
        """Compile and link sources for this machine, optimised; ``flags`` come last, so they win.

        Add ``-shared`` and ``-fPIC`` for a library, ``-fsanitize=undefined`` for a checked executable. ``output`` is replaced in
        one step; returns it.

        :raises CompileError: with the compiler's message.
        """
        arguments = ["cc", "-std=c99", "-O2", *_ZIG_FLAGS, *(f"-I{Path(d).resolve()}" for d in include_dirs), *flags]
        if not any(flag.startswith("-fsanitize") for flag in flags):  # both together would check nothing
            arguments.append(_UNCHECKED)
        with tempfile.TemporaryDirectory(prefix="host-", dir=cache_dir()) as scratch:
            self._build(arguments, sources, output, Path(scratch))
        return output

    def _build(self, arguments: Sequence[str], sources: Sequence[Path], output: Path, scratch: Path) -> None:
        # Objects go to the scratch folder: thousands of candidate builds would fill a cache that nothing ever reads again.
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as beside:
            made = Path(beside) / output.name
            self._run([*arguments, *(str(Path(s).resolve()) for s in sources), "-o", str(made.resolve())], scratch)
            os.replace(made, output)

    def _run(self, arguments: Sequence[str], scratch: Path | None = None) -> str:
        environment = dict(os.environ)
        environment["ZIG_GLOBAL_CACHE_DIR"] = str((cache_dir() / "zig").resolve())
        environment["ZIG_LOCAL_CACHE_DIR"] = str(((scratch or cache_dir()) / "zig").resolve())
        try:
            done = subprocess.run(
                [str(self._executable), *arguments], env=environment, cwd=scratch, capture_output=True, text=True, check=False
            )
        except OSError as error:
            raise CompileError(f"cannot start the compiler {self._executable}: {error.strerror}; reinstall ziglang") from error
        if done.returncode:
            raise CompileError(done.stderr.strip() or f"the compiler ended with status {done.returncode} and no message")
        return done.stdout


@cache
def _identity(executable: Path) -> str:
    """Asked of each executable once: a build and its report want it several times."""
    compiler = ZigCompiler()
    clang = compiler._run(["cc", "--version"]).splitlines()[0].removeprefix("clang version ").split()[0]
    return f"ziglang {compiler._run(['version']).strip()}, clang {clang}"
