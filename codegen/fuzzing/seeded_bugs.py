"""Bugs to try the fuzzer with: each is one edit of the compiler's sources that tests of whole networks could miss.

A bug is put into a copy of this package, and a process that imports the copy fuzzes until it finds a difference.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from codegen.fuzzing.campaign import run_campaign

PACKAGE = Path(__file__).parents[1]
"""Folder of the package that bugs are seeded into a copy of."""
_FOUND, _NOTHING = "found by graph", "nothing found"


@dataclass(frozen=True, slots=True)
class SeededBug:
    """``old`` occurs once in ``file`` (relative to the package) and becomes ``new``."""

    name: str
    file: str
    old: str
    new: str

    def seed(self, package: Path) -> None:
        """Edit the copy of the package at ``package``.

        :raises ValueError: if the file does not hold ``old`` exactly once: the sources have changed, choose another edit.
        """
        path = package / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} holds {self.old!r} {text.count(self.old)} times")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


SEEDED_BUGS = (
    SeededBug(
        "ties of negative sums rounded upwards",
        "kernels/micro/requantize.h",
        "    result += result >> 31;\n    result = (result + addend) >> shift;",
        "    result = (result + addend) >> shift;",
    ),
    SeededBug("short requantisation of sums beyond 2^30", "kernels/_requantize.py", "_BOUND = 2**30", "_BOUND = 2**31"),
    SeededBug(
        "padding that is not the zero point",
        "kernels/micro/gather.h",
        "        patch[0] = 0;\n        patch[1] = 0;\n        patch[2 * pixels] = 0;",
        "        patch[0] = 0;\n        patch[1] = 1;\n        patch[2 * pixels] = 0;",
    ),
    SeededBug(
        "one cell in four of the padding zero",
        "kernels/micro/planes.h",
        "(uint32_t)(zero_point & 0xFF) * UINT32_C(0x01010101)",
        "(uint32_t)(zero_point & 0xFF) * UINT32_C(0x01010001)",
    ),
    SeededBug("narrow rows of five pixels lack the last", "kernels/micro/depthwise_row.h", "cmp r4, #5", "cmp r4, #6"),
    SeededBug(
        "depthwise output one row too far into its input",
        "kernels/depthwise_conv2d.py",
        "later = max(0, spec.input_row(y + 1, spec.kept))",
        "later = max(0, spec.input_row(y + 1, spec.kept) + 1)",
    ),
    SeededBug(
        "convolution output one pixel too far into its input",
        "kernels/_window.py",
        "needed = first_needed(window)",
        "needed = first_needed(window) + window.channels",
    ),
    SeededBug(
        "memory given away while its last reader runs",
        "memory_plan.c",
        "if (p->buffers[alive[k]].last >= a->first)",
        "if (p->buffers[alive[k]].last > a->first)",
    ),
    SeededBug("average pool rounds halves down", "kernels/micro/pool.h", "((uint32_t)count >> 1)", "((uint32_t)(count - 1) >> 1)"),
    SeededBug("padding folded whatever its value", "passes/fold_padding.py", "pad.value == x.zero_point", "pad.value is not None"),
    SeededBug(
        "constant channels folded where windows are clipped",
        "passes/fold_constant_channels.py",
        "((value == 0) | (not clips(op)))",
        "(value == value)",
    ),
    SeededBug(
        "activation folded though the unrectified values are read too",
        "passes/fold_activations.py",
        " or not draft.read_only_by(x.name, op)",
        "",
    ),
    SeededBug(
        "sign of the second four weights of a word lost",
        "int4/kernel.py",
        "bytes[2 * word + 1] = ((second | 0x80808080u) - 0x08080808u)",
        "bytes[2 * word + 1] = ((second | 0x80808080u) - 0x08080800u)",
    ),
    SeededBug("last of equal maxima", "kernels/micro/arg_max.h", "if (x[i] > x[best])", "if (x[i] >= x[best])"),
)
"""The bugs, in kernels, packing, requantisation, passes and the memory plan."""


def graphs_until_found(bug: SeededBug, seed: int, most: int) -> int | None:
    """How many graphs the fuzzer takes to find ``bug``; None if ``most`` are not enough.

    :raises RuntimeError: if the fuzzer itself fails.
    """
    with tempfile.TemporaryDirectory(prefix="seeded-bug-") as scratch:
        copy = Path(scratch) / PACKAGE.name
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        bug.seed(copy)
        command = [sys.executable, "-m", f"{PACKAGE.name}.fuzzing.seeded_bugs", str(seed), str(most)]
        environment = {**os.environ, "PYTHONPATH": scratch}
        done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, check=False)
    said, _, number = done.stdout.strip().rpartition(" ")
    if said == _FOUND:
        return int(number)
    if done.stdout.strip() == _NOTHING:
        return None
    raise RuntimeError(f"{bug.name}: {done.stdout.strip()} {done.stderr.strip()}"[-2000:])


def _search(seed: int, most: int) -> str:
    """What the process with the copy prints: after how many graphs of the stream one differed."""
    campaign = run_campaign(seed, range(most), cores=("cortex-m4",), stop_at=1)
    return f"{_FOUND} {campaign.failures[0].number + 1}" if campaign.failures else _NOTHING


if __name__ == "__main__":
    print(_search(int(sys.argv[1]), int(sys.argv[2])))
