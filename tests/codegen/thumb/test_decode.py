"""The decoder against the assembler."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from assembly import build, function

from codegen.elf import read
from codegen.thumb import Kind, UnknownInstruction, decode, decode_range

DSP = """
smlad r1, r2, r3, r4|smladx r1, r2, r3, r4|smuad r1, r2, r3|smuadx r1, r2, r3|smlsd r1, r2, r3, r4
smlsdx r1, r2, r3, r4|smusd r1, r2, r3|smlabb r1, r2, r3, r4|smlabt r1, r2, r3, r4|smlatb r1, r2, r3, r4
smlatt r1, r2, r3, r4|smulbb r1, r2, r3|smultt r1, r2, r3|smlawb r1, r2, r3, r4|smlawt r1, r2, r3, r4
smulwb r1, r2, r3|smmla r1, r2, r3, r4|smmlar r1, r2, r3, r4|smmul r1, r2, r3|smmulr r1, r2, r3|smmls r1, r2, r3, r4
smmlsr r1, r2, r3, r4|smlald r1, r2, r3, r4|smlaldx r1, r2, r3, r4|smlsld r1, r2, r3, r4|smlalbb r1, r2, r3, r4
smlaltt r1, r2, r3, r4|umaal r1, r2, r3, r4|usad8 r1, r2, r3|usada8 r1, r2, r3, r4|sxtb16 r1, r2|sxtb16 r1, r2, ror #8
uxtb16 r1, r2|sxtab16 r1, r2, r3|uxtab16 r1, r2, r3|sxtab r1, r2, r3|uxtah r1, r2, r3|sadd8 r1, r2, r3
qadd16 r1, r2, r3|shsub16 r1, r2, r3|usub8 r1, r2, r3|uqasx r1, r2, r3|uhsax r1, r2, r3|ssub16 r1, r2, r3
qadd r1, r2, r3|qdadd r1, r2, r3|qsub r1, r2, r3|qdsub r1, r2, r3|sel r1, r2, r3|ssat16 r1, #8, r2|usat16 r1, #8, r2
pkhbt r1, r2, r3|pkhbt r1, r2, r3, lsl #16|pkhtb r1, r2, r3, asr #16
"""
ARMV7 = """
cbz r1, 1f|cbnz r1, 1f|b.w 1f|beq.w 1f|and.w r1, r2, r3|ands.w r8, r2, #255|bic.w r8, r2, r3, lsl #3|orr.w r8, r2, #1
orn r8, r2, r3|mvn.w r8, r2|eor.w r8, r2, r3|teq r8, r2|tst.w r8, r2|add.w r8, r2, r3, lsl #2|cmn.w r8, #1
adc.w r8, r2, r3|sbc.w r8, r2, r3|sub.w r8, r2, r3|cmp.w r8, r2|rsb.w r8, r2, r3|mov.w r8, #1|mov.w r8, r2
lsl.w r8, r2, #3|asr.w r8, r2, #31|ror.w r8, r2, #3|rrx r8, r2|lsl.w r8, r2, r3|lsrs.w r8, r2, r3|addw r8, r2, #4095
subw r8, r2, #4095|movw r8, #4660|movt r8, #4660|ssat r8, #8, r2|usat r8, #8, r2|ssat r8, #8, r2, asr #4
sbfx r8, r2, #3, #5|ubfx r8, r2, #3, #5|bfi r8, r2, #3, #5|bfc r8, #3, #5|sxth.w r8, r2|uxtb.w r8, r2, ror #8
rev.w r8, r2|rbit r8, r2|clz r8, r2|mul r8, r2, r3|mla r8, r2, r3, r4|mls r8, r2, r3, r4|smull r8, r9, r2, r3
umull r8, r9, r2, r3|smlal r8, r9, r2, r3|umlal r8, r9, r2, r3|sdiv r8, r2, r3|udiv r8, r2, r3|ldr.w r8, [r2, #400]
ldr r8, [r2, #-4]|ldr r8, [r2], #4|ldr r8, [r2, #4]!|ldr.w r8, [r2, r3, lsl #2]|ldrb.w r8, [r2, #-1]
ldrsb r8, [r2], #1|ldrh.w r8, [r2, #400]|ldrsh.w r8, [r2, r3]|str.w r8, [r2, #400]|strb r8, [r2], #1
strh.w r8, [r2, r3, lsl #1]|str r8, [r2, #-4]!|ldrd r8, r9, [r2], #8|strd r8, r9, [r2, #-8]!|ldm.w r2, {r4, r8}
ldmdb r2!, {r4, r8}|stm.w r2!, {r4, r8}|stmdb r2!, {r4, r8}|ldrex r8, [r2]|strex r8, r3, [r2]|ldrexb r8, [r2]|clrex
pld [r2]|nop.w
"""
ARMV8 = """
lda r1, [r2]|ldab r1, [r2]|ldah r1, [r2]|ldaex r1, [r2]|ldaexb r1, [r2]|ldaexh r1, [r2]|stl r1, [r2]|stlb r1, [r2]|stlh r1, [r2]
stlex r3, r1, [r2]|stlexb r3, r1, [r2]|stlexh r3, r1, [r2]
"""
NARROW_ARMV7 = ("cbz", "cbnz")
ARMV6 = """
lsls r1, r2, #3|lsrs r1, r2, #3|asrs r1, r2, #3|adds r1, r2, r3|subs r1, r2, #3|movs r1, #3|cmp r1, #3|adds r1, #200
subs r1, #200|ands r1, r2|eors r1, r2|lsls r1, r2|adcs r1, r2|sbcs r1, r2|rors r1, r2|tst r1, r2|rsbs r1, r2, #0
cmp r1, r2|cmn r1, r2|orrs r1, r2|muls r1, r2, r1|bics r1, r2|mvns r1, r2|add r8, r1|cmp r8, r1|mov r8, r1
ldr r1, [r2, r3]|ldrb r1, [r2, r3]|ldrsb r1, [r2, r3]|ldrh r1, [r2, r3]|ldrsh r1, [r2, r3]|str r1, [r2, r3]
strb r1, [r2, r3]|strh r1, [r2, r3]|ldr r1, [r2, #4]|str r1, [r2, #4]|ldrb r1, [r2, #4]|strb r1, [r2, #4]
ldrh r1, [r2, #4]|strh r1, [r2, #4]|ldr r1, [sp, #4]|str r1, [sp, #4]|add r1, sp, #4|add sp, #8|sub sp, #8|sxth r1, r2
sxtb r1, r2|uxth r1, r2|uxtb r1, r2|push {r1, lr}|rev r1, r2|rev16 r1, r2|revsh r1, r2|nop|beq 1f|bgt 1f|b 1f|bl 1f
stm r1!, {r2, r3}|ldm r1!, {r2, r3}|mrs r1, primask|msr primask, r1|cpsid i|dmb|dsb|isb|svc #1|bkpt #1|udf #1|udf.w #1
adr r1, 1f|bx lr|blx r1|pop {r1, pc}
"""
WIDE_ARMV6 = ("bl", "mrs", "msr", "dmb", "dsb", "isb")


@pytest.mark.parametrize(("text", "level"), [(ARMV6, "armv6-m"), (ARMV7, "armv7-m"), (ARMV8, "armv8-m"), (DSP, "dsp")])
def test_mnemonics_and_levels(text: str, level: str, tmp_path: Path) -> None:
    """Each line is a function of its own, with a branch target some way behind; the assembler decides on the opcode."""
    lines = [line for row in text.strip().splitlines() for line in row.split("|")]
    functions = "".join(function(f"f{i}", f".balign 4\n{line}\nnop\nnop\n.balign 4\n1: nop") for i, line in enumerate(lines))
    names = [f"f{i}" for i in range(len(lines))]
    program = read(build(tmp_path, "nop", "cortex-m33", functions=functions, roots=names))
    for line, name in zip(lines, names, strict=True):
        address = program.symbols[name].address
        found = decode(address, program.read(address, 4))
        written = re.split(r"[ .]", line)[0]
        assert found.mnemonic == {"cpsid": "cps"}.get(written, written), line
        assert found.level == level, line
        assert found.size == (4 if level != "armv6-m" or written in WIDE_ARMV6 or ".w" in line else 2) or written in NARROW_ARMV7


def test_conditions_of_an_if_then_block(tmp_path: Path) -> None:
    program = read(build(tmp_path, "cmp r0, #0\nittee ge\naddge r1, r1\naddge r1, r1\naddlt r1, r1\naddlt r1, r1\nadds r1, r1, r1"))
    address = program.symbols["m_run"].address
    found = list(decode_range(address, program.read(address, 14)))
    assert [i.condition for i in found] == [14, 10, 10, 10, 11, 11, 14]
    assert found[1].it_length == 4


def test_registers_that_timing_depends_on(tmp_path: Path) -> None:
    body = "ldr r1, [r2], #4\nldr.w r3, [r4, r5, lsl #2]\nldrd r1, r2, [r6]\npop {r4, r5, pc}\n"
    body += "str r1, [r7]\nudiv r1, r2, r3\nldr r1, [r1]"
    program = read(build(tmp_path, body))
    address = program.symbols["m_run"].address
    post, indexed, double, pop, store, divide, chase = list(
        decode_range(address, program.read(address, program.symbols["m_run"].size))
    )[:7]
    assert (post.loaded, post.writeback, post.address_registers) == (1 << 1, 1 << 2, 1 << 2)
    assert (indexed.register_offset, indexed.address_registers) == (True, 1 << 4 | 1 << 5)
    assert (double.kind, double.count, double.writes) == (Kind.LOAD_DOUBLE, 2, 0b110)
    assert (pop.count, pop.writes_pc) == (3, True)
    assert (store.kind, store.writes) == (Kind.STORE, 0)
    assert divide.operands == (2, 3)
    assert chase.loaded == chase.address_registers == 1 << 1


OPERANDS = """
lsls r1, r2, #3|r2|||f;adds r1, r2, r3|r2 r3|||f;adds r1, r2, #3|r2|||f;movs r1, #3||||f;cmp r1, #3|r1|||f;subs r1, #200|r1|||f
ands r1, r2|r1 r2|||f;tst r1, r2|r1 r2|||f;mvns r1, r2|r2|||f;rsbs r1, r2, #0|r2|||f;muls r1, r2, r1|r1 r2|||f
add r8, r1|r1 r8|||;cmp r8, r1|r1 r8|||f;mov r8, r1|r1|||;bx lr|lr|||;cbz r1, 1f|r1|||;sxtb r1, r2|r2|||;rev r1, r2|r2|||
ldr r1, [r2, r3]||r2 r3||;ldrh r1, [r2, #4]||r2|4|;strb r1, [r2, #4]|r1|r2|4|;str r1, [sp, #8]|r1|sp|8|;str r1, [r2, r3]|r1|r2 r3||
ldr.w r8, [r2, #400]||r2|400|;ldr r8, [r2, #-4]||r2|-4|;ldr r8, [r2], #4||r2|0|;strh r8, [r2, #6]!|r8|r2|6|;ldr.w r8, 1f||pc||
push {r1, lr}|r1 lr|sp||;stm r1!, {r2, r3}|r2 r3|r1||;stmdb r2!, {r4, r8}|r4 r8|r2||;strd r8, r9, [r2]|r8 r9|r2||
add.w r8, r2, r3|r2 r3|||;add.w r8, r2, r3, lsl #2|r2 r3|||x;ands.w r8, r2, #255|r2|||f;orr.w r8, r2, #0x1fc0|r2|||x
orr.w r8, r2, #0x1b001b00|r2|||;mov.w r8, r2|r2|||;mov.w r8, #0x1fc0||||x;lsl.w r8, r2, #3|r2|||;cmp.w r8, r2|r2 r8|||f
mvn.w r8, r2|r2|||;lsl.w r8, r2, r3|r2 r3|||;addw r8, r2, #4095|r2|||;movw r8, #4660||||;movt r8, #4660|r8|||;ssat r8, #8, r2|r2|||
bfi r8, r2, #3, #5|r2 r8|||;bfc r8, #3, #5|r8|||;ubfx r8, r2, #3, #5|r2|||;uxtb.w r8, r2|r2|||;sxtab r8, r2, r3|r3|||+r2
sxtb16 r1, r2, ror #8|r2|||;pkhbt r1, r2, r3, lsl #16|r2 r3|||;sadd8 r1, r2, r3|r2 r3|||;qadd r1, r2, r3|r2 r3|||;clz r1, r2|r2|||
mul r8, r2, r3|r2 r3|||;mla r8, r2, r3, r4|r2 r3|||+r4;smlad r1, r2, r3, r4|r2 r3|||+r4;smuad r1, r2, r3|r2 r3|||
smull r8, r9, r2, r3|r2 r3|||;smlal r8, r9, r2, r3|r2 r3|||+r8 r9;smlald r1, r2, r3, r4|r3 r4|||+r1 r2;udiv r8, r2, r3|r2 r3|||
"""
"""Instruction, operands, registers of the address, constant offset, and f: sets flags, x: shifts an operand, +: adds to."""


def test_operands(tmp_path: Path) -> None:
    cases = [case.split("|") for line in OPERANDS.strip().splitlines() for case in line.split(";")]
    names = [f"f{i}" for i in range(len(cases))]
    bodies = [f".balign 4\n{case[0]}\nnop\nnop\n.balign 4\n1: nop" for case in cases]
    functions = "".join(function(name, body) for name, body in zip(names, bodies, strict=True))
    program = read(build(tmp_path, "nop", functions=functions, roots=names))

    def registers(names: str) -> int:
        numbers = {"sp": 13, "lr": 14, "pc": 15}
        return sum(1 << (numbers[n] if n in numbers else int(n[1:])) for n in names.split())

    for name, (text, reads, addresses, offset, marks) in zip(names, cases, strict=True):
        found = decode(0, program.read(program.symbols[name].address, 4))
        assert found.reads == registers(reads), text
        assert found.address_registers == registers(addresses), text
        assert found.offset == (int(offset) if offset else None), text
        assert found.accumulates == registers(marks.partition("+")[2]), text
        assert (found.sets_flags, found.shifts) == ("f" in marks, "x" in marks), text


@pytest.mark.parametrize("opcode", ["ed900a00", "ee300a00", "ffffffff", "e8000000"])
def test_unknown_opcodes_are_named(opcode: str) -> None:
    value = int(opcode, 16)
    code = (value >> 16).to_bytes(2, "little") + (value & 0xFFFF).to_bytes(2, "little")
    with pytest.raises(UnknownInstruction, match=f"unknown instruction {opcode} at 0x08000000"):
        decode(0x0800_0000, code)


def test_cut_off_instruction() -> None:
    with pytest.raises(UnknownInstruction):
        decode(0, bytes([0x90, 0xE8]))


def test_targets_of_calls_and_jumps(tmp_path: Path) -> None:
    body = "bl f\nb.w f\nb 1f\nbeq 1f\nbl m_tensor\nb 1f\n1: nop"
    program = read(build(tmp_path, body, functions=function("f", "bl m_run\n.space 3000\nbx lr"), roots=["f"]))
    run, tensor, f = (program.symbols[name] for name in ("m_run", "m_tensor", "f"))
    code = list(decode_range(run.address, program.read(run.address, run.size)))
    (end,) = [instruction.address for instruction in code if instruction.mnemonic == "nop"]
    assert [i.target for i in code[:7]] == [f.address, f.address, end, None, tensor.address, end, None]
    assert decode(f.address, program.read(f.address, 4)).target == run.address
