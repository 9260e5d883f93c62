"""What the emulator refuses: accesses outside the model's memory, and code that would fault on a device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from assembly import ARENA_BYTES, INTERFACE, build, build_c, function, run

from codegen.cores import find_core
from codegen.elf import forbidden_opcodes, read
from codegen.emulator import ExecutionFault, StrayAccess, execute

CORES = ["cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33", "cortex-m7"]
ACCESSOR = "#include <stdint.h>\nint8_t *m_tensor(void *arena) { return arena; }\n"
REACHES = (
    ACCESSOR
    + """
__attribute__((noinline)) void m_first(volatile int8_t *x) { x[1] = x[0]; }
__attribute__((noinline)) void m_second(volatile int8_t *x) { int8_t v = x[OFFSET]; ACTION; (void)v; }
int m_run(void *arena) { m_first(arena); m_second(arena); m_first(arena); return 0; }
"""
)
THREE_LAYERS = replace(INTERFACE, layers=(("first", "m_first"), ("second", "m_second"), ("third", "m_first")))


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("arena_at", "offset"), [("start", -1), ("end", ARENA_BYTES)])
def test_read_outside_the_arena_names_the_layer(core: str, arena_at: Literal["start", "end"], offset: int, tmp_path: Path) -> None:
    elf = build_c(tmp_path, REACHES.replace("OFFSET", str(offset)).replace("ACTION", ""), core)
    with pytest.raises(StrayAccess) as caught:
        execute(elf, find_core(core), THREE_LAYERS, [[bytes(ARENA_BYTES)]], arena_at=arena_at)
    stray = caught.value
    assert (stray.kind, stray.layer, stray.function, stray.size) == ("read", "second", "m_second", 1)
    assert ("1 bytes before the arena" if offset < 0 else "1 bytes behind the arena's last") in str(stray)


@pytest.mark.parametrize(("arena_at", "offset"), [("start", -1), ("end", ARENA_BYTES)])
def test_write_outside_the_arena_names_the_layer(arena_at: Literal["start", "end"], offset: int, tmp_path: Path) -> None:
    elf = build_c(tmp_path, REACHES.replace("OFFSET", "0").replace("ACTION", f"x[{offset}] = v"))
    with pytest.raises(StrayAccess) as caught:
        execute(elf, find_core("cortex-m4"), THREE_LAYERS, [[bytes(ARENA_BYTES)]], arena_at=arena_at)
    assert (caught.value.kind, caught.value.layer) == ("write", "second")


@pytest.mark.parametrize(("arena_at", "offset"), [("start", ARENA_BYTES), ("end", -1)])
def test_write_within_the_arenas_page_breaks_the_canary(arena_at: Literal["start", "end"], offset: int, tmp_path: Path) -> None:
    elf = build_c(tmp_path, REACHES.replace("OFFSET", "0").replace("ACTION", f"x[{offset}] = 0x33"))
    with pytest.raises(ExecutionFault, match=r"arena.* was overwritten"):
        execute(elf, find_core("cortex-m4"), THREE_LAYERS, [[bytes(ARENA_BYTES)]], arena_at=arena_at)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("adr r1, m_run\n str r0, [r1]", "write"),
        ("ldr r1, [sp]", "read"),
        ("movs r1, #0\n nop\n ldr r1, [r1]", "read"),
        ("adds r0, #1\n bx r0", "fetch"),
        ("1: push {r4, r5, r6, r7}\n b 1b", "write"),
    ],
    ids=["write to flash", "caller's stack", "null pointer", "jump to data", "stack overflow"],
)
def test_stray_accesses_elsewhere(body: str, kind: str, tmp_path: Path) -> None:
    with pytest.raises(StrayAccess) as caught:
        run(build(tmp_path, ".balign 4\n" + body))
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("udf #1", r"udf \(de01\).* faults .* in m_run"),
        ("movs r0, #5\n bx lr", "m_run returned 5"),
        ("movs r0, #0\n subs r0, #3\n bx lr", "m_run returned -3"),
        ("push {r0}", "stack pointer"),
        ("movs r5, #1", "does not preserve register r5"),
    ],
)
def test_faults_of_every_core(body: str, message: str, tmp_path: Path) -> None:
    for core in CORES:
        with pytest.raises(ExecutionFault, match=message):
            run(build(tmp_path, body, core), core)


def test_endless_loop_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codegen.emulator.machine.BLOCK_BUDGET", 100_000)
    with pytest.raises(ExecutionFault, match="m_run does not come to an end"):
        run(build(tmp_path, "1: b 1b"))


UNALIGNED = {
    "ldr": ("adds r0, #1\n ldr r1, [r0]", {"cortex-m0plus"}),
    "ldrh": ("adds r0, #1\n ldrh r1, [r0]", {"cortex-m0plus"}),
    "str": ("adds r0, #2\n str r1, [r0]", {"cortex-m0plus"}),
    "ldm": ("adds r0, #2\n ldm r0!, {r1, r2}", set(CORES)),
    "stm": ("adds r0, #2\n stm r0!, {r1, r2}", set(CORES)),
    "ldrd": ("adds r0, #2\n ldrd r1, r2, [r0]", {*CORES[1:]}),
    "strd": ("adds r0, #2\n strd r1, r2, [r0]", {*CORES[1:]}),
}


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("mnemonic", UNALIGNED)
def test_which_unaligned_accesses_fault(mnemonic: str, core: str, tmp_path: Path) -> None:
    body, faulting = UNALIGNED[mnemonic]
    if core == "cortex-m0plus" and mnemonic in ("ldrd", "strd"):
        return  # the core has no such instruction, see the scan below
    elf = build(tmp_path, body, core)
    if core in faulting:
        with pytest.raises(ExecutionFault, match=rf"unaligned access.*{mnemonic}|{mnemonic}.*unaligned access"):
            run(elf, core)
    else:
        assert run(elf, core).instructions == 4


LACKING = {
    "cbz r0, 1f\n nop\n 1:": {"cortex-m0plus"},
    "it eq\n moveq r1, r1": {"cortex-m0plus"},
    "udiv r1, r0, r0": {"cortex-m0plus"},
    "movw r1, #1000": {"cortex-m0plus"},
    "ldr.w r1, [r0]": {"cortex-m0plus"},
    "smlad r1, r0, r0, r1": {"cortex-m0plus", "cortex-m3"},
    "sxtb16 r1, r0": {"cortex-m0plus", "cortex-m3"},
    "ssat16 r1, #8, r0": {"cortex-m0plus", "cortex-m3"},
    "ssat r1, #8, r0": {"cortex-m0plus"},
    ".inst.w 0xe8d01faf": {*CORES} - {"cortex-m33"},  # lda r1, [r0]
    "dmb": set(),
    "muls r1, r0, r1": set(),
}


@pytest.mark.parametrize("body", LACKING)
def test_scan_finds_what_a_core_lacks(body: str, tmp_path: Path) -> None:
    program = read(build(tmp_path, body))
    for core in CORES:
        found = forbidden_opcodes(program, find_core(core))
        assert bool(found) == (core in LACKING[body]), (core, found)
        assert all(f.function == "m_run" for f in found)


def test_floating_point_is_refused(tmp_path: Path) -> None:
    elf = build(tmp_path, ".inst.w 0xed900a00")  # vldr s0, [r0]
    (found,) = forbidden_opcodes(read(elf), find_core("cortex-m4"))
    assert "ed900a00" in str(found)
    with pytest.raises(ExecutionFault, match="unknown instruction ed900a00 at 0x08000000"):
        run(elf)


def test_layers_called_in_another_order(tmp_path: Path) -> None:
    elf = build_c(tmp_path, REACHES.replace("OFFSET", "0").replace("ACTION", ""))
    swapped = replace(INTERFACE, layers=(("a", "m_second"), ("b", "m_first"), ("c", "m_first")))
    with pytest.raises(ExecutionFault, match="called 0 of 3 layers, then came m_first instead of m_second for layer 'a'"):
        execute(elf, find_core("cortex-m4"), swapped, [[bytes(ARENA_BYTES)]])
    short = replace(INTERFACE, layers=(*THREE_LAYERS.layers, ("fourth", "m_second")))
    with pytest.raises(ExecutionFault, match="called 3 of 4 layers, then came its end instead of m_second for layer 'fourth'"):
        execute(elf, find_core("cortex-m4"), short, [[bytes(ARENA_BYTES)]])


def test_accessor_outside_the_arena(tmp_path: Path) -> None:
    elf = build_c(
        tmp_path, "#include <stdint.h>\nint8_t *m_tensor(int8_t *a) { return a + 1; }\nint m_run(void *a) { (void)a; return 0; }"
    )
    with pytest.raises(ExecutionFault, match="m_tensor gives 64 bytes at offset 1 of an arena of 64 bytes"):
        run(elf)


@pytest.mark.parametrize(("inputs", "message"), [([], "no inputs"), ([[bytes(3)]], r"input 0 has \(3,\) bytes")])
def test_unsuitable_inputs(inputs: list[list[bytes]], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        execute(build(tmp_path, "nop"), find_core("cortex-m4"), INTERFACE, inputs)


def test_missing_symbol(tmp_path: Path) -> None:
    elf = build(tmp_path, "nop", functions=function("m_unused", "bx lr"))
    with pytest.raises(ValueError, match="lacks the symbols m_unused"):
        execute(elf, find_core("cortex-m4"), replace(INTERFACE, layers=(("a", "m_unused"),)), [[bytes(ARENA_BYTES)]])
