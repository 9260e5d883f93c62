"""Micro-benchmarks whose time follows from the cores' Technical Reference Manuals, or from what was measured of the cores."""

from __future__ import annotations

from pathlib import Path

import pytest
from assembly import block, build, cycles, run

from codegen.emulator import ExecutionFault

M4_AND_M3 = {
    "one load": ("ldr r1, [r0]", 2),
    "loads back to back": ("ldr r1, [r0]\n ldr r2, [r0, #4]\n ldr r3, [r0, #8]", 4),
    "load, then a load that needs it": (
        "ldr r1, [r0]\n mov r1, r0\n nop\n str r0, [r1]\n ldr r2, [r1]\n ldr r3, [r2]",
        2 + 1 + 1 + 1 + 2 + 2,
    ),
    "load, then a store of what it loaded": ("ldr r1, [r0]\n str r1, [r0, #20]", 3),
    "load, then a store by register offset": ("movs r2, #4\n nop\n ldr r1, [r0]\n str r1, [r0, r2]", 1 + 1 + 2 + 1),
    "store, then load": ("str r1, [r0]\n ldr r1, [r0]", 1 + 2),
    "store by register offset": ("movs r2, #4\n nop\n str r1, [r0, r2]", 1 + 1 + 2),
    "stores back to back": ("str r1, [r0]\n str r1, [r0, #4]\n strb r1, [r0, #8]\n strh r1, [r0, #10]", 4),
    "load multiple": ("ldm r0, {r1, r2, r3}", 4),
    "load double": ("ldrd r1, r2, [r0]", 3),
    "load double is not pipelined": ("ldr r3, [r0]\n ldrd r1, r2, [r0]\n ldr r3, [r0]", 2 + 3 + 2),
    "store double": ("strd r1, r2, [r0]", 3),
    "push and pop": ("push {r4, r5, r6}\n pop {r4, r5, r6}", 4 + 4),
    "address from a data operation": ("adds r1, r0, #4\n ldr r2, [r1]", 1 + 1 + 2),
    "address from an earlier data operation": ("adds r1, r0, #4\n nop\n ldr r2, [r1]", 1 + 1 + 2),
    "stored value from a data operation": ("movs r1, #4\n str r1, [r0]", 2),
    "loads that update their base": ("ldr r1, [r0], #4\n ldr r2, [r0], #4", 4),
    "a load behind one that updates its base": ("ldr r1, [r0], #4\n ldr r2, [r0]", 4),
    "stores that update their base": ("str r1, [r0], #4\n str r2, [r0], #4", 3),
    "a store behind one that updates its base": ("str r1, [r0], #4\n str r2, [r0]", 2),
    "literal": ("ldr r1, =0x12345678\n b 1f\n .ltorg\n 1:", 2 + 3),
    "branch": ("b 1f\n nop\n 1:", 3),
    "branch not taken": ("cmp r0, #0\n beq 1f\n nop\n 1:", 3),
    "loop": ("movs r1, #100\n 1: subs r1, #1\n bne 1b", 1 + 100 + 99 * 3 + 1),
    "compare and branch": ("cbz r0, 1f\n movs r1, #0\n cbz r1, 1f\n nop\n 1:", 1 + 1 + 3),
    "table branch": ("movs r1, #0\n nop\n tbb [pc, r1]\n 1: .byte 1, 1\n 2: nop", 1 + 1 + 6 + 1),
    "multiply": ("mul r1, r0, r0", 1),
    "if-then, executed": ("cmp r0, #0\n it ne\n addne r1, r1, r1", 1 + 0 + 1),
    "if-then, skipped": ("cmp r0, #0\n it eq\n addeq r1, r1, r1", 1 + 0 + 1),
    "if-then behind a wide instruction": ("cmp.w r0, #0\n it ne\n addne r1, r1, r1", 1 + 1 + 1),
    "conditional load, executed": ("cmp r0, #0\n it ne\n ldrne r1, [r0]", 1 + 0 + 2),
    "conditional load, skipped": ("cmp r0, #0\n it eq\n ldreq r1, [r0]", 1 + 0 + 1),
    "conditional loads of both kinds": ("cmp r0, #0\n ite ge\n ldrdge r2, r3, [r0]\n ldrdlt r2, r3, [r0]", 1 + 0 + 3 + 1),
    "unaligned word load": ("ldr r1, [r0, #2]", 3),
    "word load at an odd address": ("ldr r1, [r0, #1]", 4),
    "halfword load at an odd address": ("ldrh r1, [r0, #1]", 3),
    "unaligned store": ("str r1, [r0, #1]", 1),
}
DIVISIONS = [
    ("udiv", 0, 7, 2),
    ("udiv", 6, 7, 2),
    ("udiv", 7, 7, 5),
    ("udiv", 100, 0, 2),
    ("udiv", 100, 1, 6),
    ("udiv", 0xFFFFFFFF, 1, 12),
    ("udiv", 0xFFFFFFFF, 0x10000, 8),
    ("sdiv", 0xFFFFFF9C, 7, 6),
    ("sdiv", 0x80000000, 0xFFFFFFFF, 12),
    ("sdiv", 0xFFFFFFFF, 2, 2),
]
LONG_MULTIPLIES = [
    ("smull r1, r2, r0, r0", 1, 5),
    ("umull r1, r2, r0, r0", 1, 5),
    ("smlal r1, r2, r0, r0", 1, 7),
    ("mla r1, r0, r0, r0", 1, 2),
]


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4"])
@pytest.mark.parametrize("name", M4_AND_M3)
def test_thumb2_cores(name: str, core: str, tmp_path: Path) -> None:
    body, expected = M4_AND_M3[name]
    assert cycles(tmp_path, body, core) == expected


def division(mnemonic: str, dividend: int, divisor: int) -> str:
    """Four moves and a division."""
    operands = (("r1", dividend), ("r2", divisor))
    moves = "".join(f"movw {r}, #{value & 0xFFFF}\n movt {r}, #{value >> 16}\n " for r, value in operands)
    return f"{moves}{mnemonic} r3, r1, r2"


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4", "cortex-m33"])
@pytest.mark.parametrize(("mnemonic", "dividend", "divisor", "expected"), DIVISIONS)
def test_division_time_follows_the_operands(
    mnemonic: str, dividend: int, divisor: int, expected: int, core: str, tmp_path: Path
) -> None:
    assert cycles(tmp_path, division(mnemonic, dividend, divisor), core) == 4 + expected


def test_division_time_follows_the_operands_on_a_cortex_m7(tmp_path: Path) -> None:
    """Its moves and the division overlap with what is around them, so only the difference between two divisions is known."""
    short, *others = (cycles(tmp_path, division(*d[:3]), "cortex-m7") - d[3] for d in DIVISIONS)
    assert others == [short] * len(others)


@pytest.mark.parametrize(("body", "m4", "m3"), LONG_MULTIPLIES)
def test_multipliers_of_both_cores(body: str, m4: int, m3: int, tmp_path: Path) -> None:
    assert cycles(tmp_path, body, "cortex-m4") == m4
    assert cycles(tmp_path, body, "cortex-m3") == m3


@pytest.mark.parametrize(("core", "expected"), [("cortex-m4", 1 + 3), ("cortex-m3", 1 + 4)])
def test_loads_that_update_two_bases(core: str, expected: int, tmp_path: Path) -> None:
    assert cycles(tmp_path, "mov r3, r0\n nop\n ldr r1, [r0], #4\n ldr r2, [r3], #4", core) == expected + 1


@pytest.mark.parametrize(
    "body", ["smlad r1, r0, r0, r1", "smlald r1, r2, r0, r0", "sxtb16 r1, r0, ror #8", "smmulr r1, r0, r0", "smlabt r1, r0, r0, r1"]
)
def test_dsp_instructions_take_one_cycle(body: str, tmp_path: Path) -> None:
    assert cycles(tmp_path, body) == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("ldr r1, [r0]\n ldr r2, [r0, #4]", 4),
        ("str r1, [r0]\n strb r1, [r0, #4]", 4),
        ("ldm r0!, {r1, r2, r3}", 4),
        ("push {r4, r5}\n pop {r4, r5}", 3 + 3),
        ("b 1f\n nop\n 1:", 2),
        ("cmp r0, #0\n beq 1f\n nop\n 1:", 3),
        ("movs r1, #100\n 1: subs r1, #1\n bne 1b", 1 + 100 + 99 * 2 + 1),
        ("adds r1, r0, #4\n ldr r2, [r1]", 3),
        ("muls r1, r0, r1\n adds r2, r2, r1", 2),
        ("ldr r1, [r0]\n ldr r2, [r0, #4]\n muls r1, r2, r1\n adds r3, r3, r1", 2 + 2 + 1 + 1),
    ],
)
def test_cortex_m0plus(body: str, expected: int, tmp_path: Path) -> None:
    assert cycles(tmp_path, body, "cortex-m0plus") == expected


def test_cortex_m0plus_multiplier_is_the_boards(tmp_path: Path) -> None:
    assert cycles(tmp_path, "muls r1, r0, r1", "cortex-m0plus") == 1
    assert cycles(tmp_path, "muls r1, r0, r1", "cortex-m0plus", multiply_cycles=32) == 32


@pytest.mark.parametrize(
    ("core", "expected"), [("cortex-m4", 3 + 3 + 3 + 5), ("cortex-m33", 2 + 2 + 2 + 5), ("cortex-m0plus", 3 + 3 + 2 + 5)]
)
def test_call_and_return(core: str, expected: int, tmp_path: Path) -> None:
    leaf = '.section .text.m_leaf,"ax",%progbits\n.type m_leaf,%function\nm_leaf: bx lr\n.size m_leaf, . - m_leaf\n'
    elf = build(tmp_path, "push {r4, lr}\n bl m_leaf\n movs r0, #0\n pop {r4, pc}", core, functions=leaf)
    assert run(elf, core).cycles == expected + 1


M33 = {
    "loads back to back": ("ldr r1, [r0]\n ldr r2, [r0, #4]\n ldr r3, [r0, #8]", 3),
    "load, then its use": ("ldr r1, [r0]\n adds r2, r1, #1", 3),
    "load, then its use as an address": ("ldr r1, [r0]\n ldr r2, [r1]", 3),
    "load, then its store": ("ldr r1, [r0]\n str r1, [r0]", 2),
    "load, then a product added to it": ("ldr r1, [r0]\n smlad r1, r2, r3, r1", 2),
    "load, then a product of it": ("ldr r1, [r0]\n smlad r2, r1, r3, r2", 3),
    "chained products": ("smlad r1, r2, r3, r1\n smlad r1, r4, r5, r1", 2),
    "product, then its use": ("smlad r1, r2, r3, r1\n adds r2, r1, #1", 3),
    "shifted operand, then its use": ("add.w r1, r2, r3, lsl #2\n adds r4, r1, #1", 3),
    "shifted operand, then a product added to it": ("add.w r1, r2, r3, lsl #2\n smlad r1, r4, r5, r1", 2),
    "shift, then its use": ("lsl.w r1, r2, #2\n adds r4, r1, #1", 2),
    "halfwords, then a product of them": ("sxtb16 r1, r2\n smlad r3, r1, r4, r3", 2),
    "saturation, then its use": ("ssat r1, #8, r2\n adds r3, r1, #1", 3),
    "multiplication that sets flags": ("muls r1, r2, r1", 2),
    "multiplication that does not": ("mul r8, r2, r1", 1),
    "shifted constant that sets flags": ("adds.w r1, r2, #0x1fc0", 2),
    "load multiple": ("ldm r0!, {r1, r2, r3, r4}", 4),
    "load multiple, then a use of the last": ("ldm r0!, {r1, r2, r3}\n adds r4, r3, #1", 5),
    "load multiple, then a use of the first": ("ldm r0!, {r1, r2, r3}\n adds r4, r1, #1", 4),
    "load double": ("ldrd r1, r2, [r0]", 2),
    "push": ("push {r1, r2, r3}", 3),
    "nop beside a narrow instruction": ("add r1, r2\n nop", 1),
    "nop beside a wide instruction": ("add.w r1, r1, r2\n nop", 2),
    "two narrow instructions": ("add r1, r2\n add r3, r4", 2),
    "if-then": ("cmp r0, #0\n it ne\n addne r1, r1, r1", 2),
    "branch not taken": ("cmp r0, #0\n beq 1f\n 1:", 1),
}


@pytest.mark.parametrize("name", M33)
def test_cortex_m33(name: str, tmp_path: Path) -> None:
    body, expected = M33[name]
    assert block(tmp_path, body, "cortex-m33") == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("b 1f\n nop\n 1:", 2),
        ("movs r1, #100\n 1: subs r1, #1\n bne 1b", 1 + 100 * 1 + 99 * 2),
        ("movs r1, #100\n 1: subs r1, #1\n add r2, r3\n bne 1b", 1 + 100 * 2 + 99 * 1),
        ("movs r1, #100\n 1: subs r1, #1\n add r2, r3\n bne.w 1b", 1 + 100 * 3 + 99 * 1),
        ("movs r1, #0\n nop\n tbb [pc, r1]\n 1: .byte 1, 1\n 2: nop", 1 + 0 + 5 + 1),
        ("ldr r1, [r0, #2]\n ldr r1, [r0, #1]", 2 + 1 + 2),
    ],
)
def test_cortex_m33_branches_and_unaligned_loads(body: str, expected: int, tmp_path: Path) -> None:
    assert cycles(tmp_path, body, "cortex-m33") == expected


M7 = {
    "two sums": ("adds r1, r2, r3\n adds r4, r5, r6", 1),
    "a sum and one of it": ("adds r1, r2, r3\n adds r4, r1, r6", 1),
    "a chain of three sums": ("adds r1, r2, r3\n adds r4, r1, r6\n adds r4, r4, r6", 2),
    "a sum as an address": ("adds r1, r2, r3\n ldr r4, [r1]", 2),
    "a logic operation as an address": ("eor.w r1, r2, r3\n ldr r4, [r1]", 3),
    "two shifted operands": ("add.w r1, r2, r3, lsl #2\n add.w r4, r5, r6, lsl #2", 2),
    "two loads from both banks": ("ldr r1, [r0]\n ldr r2, [r0, #4]", 1),
    "two loads from one bank": ("ldr r1, [r0]\n ldr r2, [r0, #8]", 2),
    "two loads from two places": ("ldr r1, [r0]\n ldr r2, [r3]", 1),
    "two stores": ("str r1, [r0]\n str r2, [r0, #4]", 2),
    "a load and its store": ("ldr r1, [r0]\n str r1, [r0, #4]", 1),
    "load, then its use": ("ldr r1, [r0]\n eor.w r2, r1, r3", 2),
    "load of a byte, then its use": ("ldrb r1, [r0]\n eor.w r2, r1, r3", 3),
    "load, then its use as an address": ("ldr r1, [r0]\n ldr r2, [r1]", 3),
    "load, then a product of it": ("ldr r1, [r0]\n smlad r2, r1, r3, r2", 3),
    "load, then a product added to it": ("ldr r1, [r0]\n smlad r1, r2, r3, r1", 2),
    "two products": ("smlad r1, r2, r3, r1\n smlad r4, r5, r6, r4", 2),
    "chained products": ("smlad r1, r2, r3, r1\n smlad r1, r5, r6, r1", 2),
    "product, then its use": ("smlad r1, r2, r3, r1\n eor.w r2, r1, r3", 3),
    "a product and a load": ("smlad r1, r2, r3, r1\n ldr r4, [r0]", 1),
    "a product and a store": ("smlad r1, r2, r3, r1\n str r4, [r0]", 2),
    "two extensions": ("sxtb16 r1, r2\n sxtb16 r3, r4", 2),
    "an extension, then a product": ("sxtb16 r1, r2\n smlad r3, r4, r5, r3", 1),
    "a product, then an extension": ("smlad r3, r4, r5, r3\n sxtb16 r1, r2", 2),
    "an extension as a factor": ("sxtb16 r1, r2\n smlad r3, r1, r5, r3", 2),
    "load multiple": ("ldm r0!, {r1, r2, r3, r4}\n nop", 3),
    "load multiple, an odd number": ("ldm r0!, {r1, r2, r3}\n nop", 3),
    "load double": ("ldrd r1, r2, [r0]\n nop", 2),
    "store double": ("strd r1, r2, [r0]", 1),
    "condition behind its comparison": ("cmp r0, #0\n it ne\n addne r1, r1, r1", 2),
    "branch not taken": ("cmp r0, #0\n beq 1f\n 1:", 1),
}


@pytest.mark.parametrize("name", M7)
def test_cortex_m7(name: str, tmp_path: Path) -> None:
    body, expected = M7[name]
    assert block(tmp_path, body, "cortex-m7") == expected


def test_cortex_m7_pays_for_the_rarer_way_out(tmp_path: Path) -> None:
    loop = "movs r1, #{}\n b 1f\n 1: subs r1, #1\n bne 1b"
    few, many = (cycles(tmp_path, loop.format(n), "cortex-m7") for n in (100, 200))
    assert many - few == 100  # one cycle a round, mispredicted once in both
    assert few == cycles(tmp_path, loop.format(1), "cortex-m7") + 99 + 8


@pytest.mark.parametrize("core", ["cortex-m33", "cortex-m7"])
def test_estimated_cores_time_every_kind_of_instruction(core: str, tmp_path: Path) -> None:
    body = (
        "dmb\n isb\n mrs r1, primask\n udiv r2, r0, r0\n blx lr\n ldrex r1, [r0]\n strex r2, r1, [r0]\n pld [r0]\n cbz r1, 1f\n 1:"
    )
    assert block(tmp_path, body, core) >= 9
    with pytest.raises(ExecutionFault, match="no time is published for sev"):
        block(tmp_path, "sev", core)


def test_instruction_without_published_time(tmp_path: Path) -> None:
    with pytest.raises(ExecutionFault, match=r"no time is published for sev \(bf40\) at 0x08000000"):
        run(build(tmp_path, "sev"))
