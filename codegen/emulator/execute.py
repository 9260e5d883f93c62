"""Run a built model: outputs, instructions, cycles, stack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from codegen import elf as elf_file
from codegen.cores import Core
from codegen.elf import Elf
from codegen.emulator.interface import RUN_LAYER, Execution, ExecutionFault, ModelInterface
from codegen.emulator.machine import Machine
from codegen.emulator.profiler import Profiler
from codegen.emulator.program import Program
from codegen.emulator.tally import LayerTally, Tally
from codegen.thumb import Instruction, Kind

_MUST_ALIGN = {Kind.LOAD_MULTIPLE, Kind.STORE_MULTIPLE, Kind.LOAD_DOUBLE, Kind.STORE_DOUBLE}


def execute(
    elf: Path,
    core: Core,
    interface: ModelInterface,
    inputs: Sequence[Sequence[bytes]],
    *,
    arena_at: Literal["start", "end"] = "start",
    watch_memory: bool = True,
) -> Execution:
    """Run the model once for each of ``inputs`` (the bytes of every input tensor, in the interface's order).

    Arena and stack hold garbage before each inference. With ``watch_memory`` the first inference is run a second time,
    slowly, to find unaligned accesses and to count what is read from flash: both are taken to be the same in every inference.

    :raises ValueError: if ``inputs`` is empty or does not suit the interface, or the interface names a symbol that ``elf`` lacks.
    :raises StrayAccess: if the model touches memory that is not its own.
    :raises ExecutionFault: if it faults, returns an error, overwrites what surrounds the arena, accesses memory unaligned where the
        core cannot, does not preserve a register, calls its layers in another order, or holds an opcode that the decoder does not
        know or executes an instruction without a published time.
    """
    check_inputs(interface, inputs)
    return count(elf_file.read(elf), core, interface, inputs, arena_at=arena_at, watch_memory=watch_memory).execution()


def count(
    elf: Elf,
    core: Core,
    interface: ModelInterface,
    inputs: Sequence[Sequence[bytes]],
    *,
    arena_at: Literal["start", "end"],
    watch_memory: bool,
) -> Tally:
    """What :func:`execute` forms means of. ``inputs`` passed :func:`check_inputs`.

    :raises ValueError: if the interface names a symbol that ``elf`` lacks.
    :raises ExecutionFault: as :func:`execute`.
    """
    program = Program(elf, core)
    missing = [s for s in _symbols(interface) if s not in elf.symbols]
    if missing:
        raise ValueError(f"{elf.path}: lacks the symbols {', '.join(missing)}")
    machine = Machine(program, interface, arena_at=arena_at, memory_hook=False)
    outputs, stack = _infer_all(machine, interface, inputs)
    unaligned = flash = [0] * (len(interface.layers) + 1)
    if watch_memory:
        slow = Machine(program, interface, arena_at=arena_at, memory_hook=True)
        _infer_all(slow, interface, inputs[:1])
        _check_alignment(program, slow.profiler)
        unaligned, flash = slow.profiler.unaligned_cycles, slow.profiler.flash_bytes
    return Tally(outputs, _layers(program, interface, machine.profiler, unaligned, flash), stack)


def check_inputs(interface: ModelInterface, inputs: Sequence[Sequence[bytes]]) -> None:
    """:raises ValueError: if there are no ``inputs``, or one does not suit the interface."""
    if not inputs:
        raise ValueError("no inputs to run the model on")
    expected = tuple(size for _, size in interface.inputs)
    if interface.argument_bytes:
        expected += (interface.argument_bytes,)
    for number, tensors in enumerate(inputs):
        found = tuple(len(t) for t in tensors)
        if found != expected:
            raise ValueError(f"input {number} has {found} bytes, the model takes {expected}")


def _symbols(interface: ModelInterface) -> list[str]:
    return [interface.run, *(s for s, _ in (*interface.inputs, *interface.outputs)), *(s for _, s in interface.layers)]


def _infer_all(
    machine: Machine, interface: ModelInterface, inputs: Sequence[Sequence[bytes]]
) -> tuple[tuple[tuple[bytes, ...], ...], int]:
    """Outputs of every inference and the deepest stack in bytes."""
    machine.prepare()
    places = [[_tensor(machine, interface, *t) for t in ts] for ts in (interface.inputs, interface.outputs)]
    outputs, stack = [], 0
    for tensors in inputs:
        machine.prepare()
        addresses = [*places[0], machine.argument] if interface.argument_bytes else places[0]
        for address, data in zip(addresses, tensors, strict=True):
            machine.write(address, data)
        machine.profiler.start()
        status = machine.call(interface.run)
        machine.profiler.stop()
        if status:
            raise ExecutionFault(f"{interface.run} returned {status - (status >> 31 << 32)}")
        _check_order(interface, machine)
        machine.check_canaries()
        stack = max(stack, machine.stack_used())
        outputs.append(tuple(machine.read(address, size) for address, (_, size) in zip(places[1], interface.outputs, strict=True)))
    return tuple(outputs), stack


def _tensor(machine: Machine, interface: ModelInterface, accessor: str, size: int) -> int:
    address = machine.call(accessor)
    offset = address - machine.arena
    if offset < 0 or offset + size > interface.arena_bytes:
        raise ExecutionFault(f"{accessor} gives {size} bytes at offset {offset} of an arena of {interface.arena_bytes} bytes")
    return address


def _check_order(interface: ModelInterface, machine: Machine) -> None:
    profiler, layers = machine.profiler, interface.layers
    done, called = profiler.finished_layers, profiler.unexpected_layer
    if called or done != len(layers):
        expected = f"{layers[done][1]} for layer {layers[done][0]!r}" if done < len(layers) else "no further layer"
        instead = machine.function_at(called) if called else "its end"
        raise ExecutionFault(f"{interface.run} called {done} of {len(layers)} layers, then came {instead} instead of {expected}")
    if profiler.resized_block:
        raise ExecutionFault(f"the emulator cut the block at {profiler.resized_block:#010x} in two ways; its counts mean nothing")


def _check_alignment(program: Program, profiler: Profiler) -> None:
    for address in profiler.unaligned:
        instruction = program.instructions[address]
        if instruction.kind in _MUST_ALIGN or "ex" in instruction.mnemonic:
            where = program.elf.function_at(address)
            raise ExecutionFault(f"unaligned access by {instruction} in {where}, which faults on a {program.core.title}")


def _layers(
    program: Program, interface: ModelInterface, profiler: Profiler, unaligned: Sequence[int], flash: Sequence[int]
) -> tuple[LayerTally, ...]:
    names = [*(name for name, _ in interface.layers), RUN_LAYER]
    instructions = [0] * len(names)
    functions: list[set[str]] = [set() for _ in names]
    cycles = profiler.extra_cycles
    timing = program.timing
    blocks = [(count, program.block(count.start, count.size)) for count in profiler.blocks()]
    # A block that ends without a branch (the emulator cuts long ones) goes on in the next one with its pipeline filled.
    continued: dict[tuple[int, int], tuple[int, Instruction]] = {}
    for count, body in blocks:
        if not body[-1].writes_pc:
            if count.taken:
                raise ExecutionFault(f"control left {body[-1]}, which is no branch; its time is unknown")
            behind = (count.layer, count.start + count.size)
            already, _ = continued.get(behind, (0, None))
            continued[behind] = (already + count.executed, body[-1])
    for count, body in blocks:
        instructions[count.layer] += count.executed * len(body)
        functions[count.layer].add(program.elf.function_at(count.start))
        carried, previous = continued.get((count.layer, count.start), (0, None))
        cycles[count.layer] += (count.executed - carried) * timing.block(body, None)
        cycles[count.layer] += carried * timing.block(body, previous) if carried else 0
        cycles[count.layer] += timing.jumps(body, count.executed, count.taken)
    figures = zip(names, instructions, cycles, map(frozenset, functions), unaligned, flash, strict=True)
    return tuple(LayerTally(*figure) for figure in figures)
