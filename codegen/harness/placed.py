"""The project's compiler with another linker script: code for an address that a real board has memory at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codegen.toolchain import CompileError, ZigCompiler

_SCRIPT = "firmware.ld"


class PlacedCompiler(ZigCompiler):
    """Compiles and links exactly as :class:`ZigCompiler` does, flag by flag, but places sections as ``script`` says.

    What runs on a board is then what was measured in the emulator, at another address.
    """

    def __init__(self, script: str) -> None:
        super().__init__()
        self._script = script

    def _build(self, arguments: Sequence[str], sources: Sequence[Path], output: Path, scratch: Path) -> None:
        script = scratch / _SCRIPT
        if not any(str(script) in argument for argument in arguments):
            raise CompileError(f"{output.name}: was to be linked without a linker script")
        script.write_text(self._script, encoding="utf-8")
        super()._build(arguments, sources, output, scratch)
