"""The program that counts cycles on a board: clean for every core, and under QEMU, which counts with SysTick alone."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from harness_board import MACHINES, TICKS_PER_INSTRUCTION
from projects import BOARDS, STRICT, compiled, export, required_tool, run_tool, sources, zig

from codegen.cores import CORES
from codegen.toolchain import ZigCompiler
from codegen.verify import measure

HOOKS = """
#include "semihosting.h"

void timing_init(void);
void timing_put(char c);
void fault_handler(void);

void timing_init(void)
{
    semihosting_print("hooked\\n");
}

void timing_put(char c)
{
    static char last[3];
    const char text[2] = { c, '\\0' };

    semihosting_print(text);
    last[0] = last[1];
    last[1] = last[2];
    last[2] = c;
    if (last[0] == 'n' && last[1] == 'e' && c == '\\n') {
        semihosting_exit(1); /* "done" */
    }
}

void fault_handler(void)
{
    semihosting_print("fault\\n");
    semihosting_exit(0);
}
"""


@pytest.mark.parametrize("core", BOARDS)
def test_compilers_have_nothing_to_say_about_it(core: str, tmp_path: Path) -> None:
    project = export("dense", tmp_path)
    source, output = project / "examples" / "timing" / "main.c", tmp_path / "main.o"
    target = ("cc", "-target", "thumb-freestanding-eabi", f"-mcpu={CORES[core].zig_cpu}", "-O2")
    done = zig(*target, *STRICT, "-Wpedantic", f"-I{project / 'include'}", "-c", source, "-o", output)
    assert done.returncode == 0, done.stderr
    gcc = required_tool("arm-none-eabi-gcc")
    cpu = f"-mcpu={CORES[core].gcc_cpu}"
    run_tool([gcc, cpu, "-mthumb", "-Os", *STRICT, "-Wpedantic", f"-I{project / 'include'}", "-c", source, "-o", output])


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus"])
def test_what_it_counts_under_qemu(core: str, tmp_path: Path) -> None:
    qemu = required_tool("qemu-system-arm")
    project = export("separable", tmp_path, core)
    board = project / "test" / "mps2_an386"
    hooks = tmp_path / "hooks.c"
    hooks.write_text(HOOKS)
    program = ZigCompiler().link(
        [*sources(project), project / "examples" / "timing" / "main.c", hooks, board / "startup.c"],
        include_dirs=[project / "include", board],
        core=CORES[core],
        optimize="balanced",
        roots=["reset_handler"],
        output=tmp_path / "timing.elf",
        script=(board / "linker.ld").read_text(),
    )
    machine = ["-M", MACHINES[core], "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=6"]
    arguments = [qemu, *machine, "-semihosting-config", "enable=on,target=native", "-kernel", str(program)]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120)
    output, lines = done.stdout, done.stdout.splitlines()
    assert done.returncode == 0, output
    assert lines[:2] == ["hooked", "separable: SysTick"]  # QEMU has no cycle counter in its debug unit
    assert lines[-1] == "done"
    runs = [int(n) for n in re.findall(r"^run (\d+) cycles$", output, re.MULTILINE)]
    layers = [int(n) for n in re.findall(r"^layer \d+ (\d+) cycles$", output, re.MULTILINE)]
    together = re.findall(r"^layers (\d+) cycles$", output, re.MULTILINE)
    assert len(runs) == 3
    assert len(layers) == len(compiled("separable", core).layers)
    assert [int(n) for n in together] == [sum(layers)]
    wanted = measure(project)
    assert runs[-1] == pytest.approx(TICKS_PER_INSTRUCTION * wanted.instructions, rel=0.01)
    for ticks, layer in zip(layers, wanted.layers, strict=True):
        assert ticks == pytest.approx(TICKS_PER_INSTRUCTION * layer.instructions, rel=0.06, abs=150)  # softmax looks at its input
