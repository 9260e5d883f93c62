"""The boards that QEMU emulates, for the self-test of a cross-compiled project: Arm's MPS2 with the image of a core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codegen.cores import Core


@dataclass(frozen=True, slots=True)
class QemuBoard:
    """A board with 4 MB for code and 4 MB for data at these addresses; ``machine`` is QEMU's name for it."""

    machine: str
    core: str
    code: int = 0x0000_0000
    data: int = 0x2000_0000

    @property
    def directory(self) -> str:
        """The machine's name as a file's."""
        return self.machine.replace("-", "_")


_AN386 = QemuBoard("mps2-an386", "Cortex-M4")  # it has the instructions of the smaller cores too
_BOARDS: Mapping[str, QemuBoard] = {
    "cortex-m0plus": _AN386,
    "cortex-m3": _AN386,
    "cortex-m4": _AN386,
    "cortex-m33": QemuBoard("mps2-an505", "Cortex-M33", 0x1000_0000, 0x3800_0000),  # as the secure state sees them
    "cortex-m7": QemuBoard("mps2-an500", "Cortex-M7"),
}


def qemu_board(core: Core) -> QemuBoard:
    """The board that runs what is compiled for ``core``."""
    return _BOARDS[core.name]
