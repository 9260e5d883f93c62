"""Run a built model on a board and count its cycles, layer by layer."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from codegen.emulator import Execution, ModelInterface
from codegen.errors import UserError
from codegen.harness.device import Device
from codegen.harness.image import Image, link_image
from codegen.optimize import Optimize


def measure_on_board(
    device: Device,
    sources: Sequence[Path],
    run_source: Path,
    interface: ModelInterface,
    optimize: Optimize,
    *,
    emulated: Execution,
    seed: int,
    outputs: Mapping[str, int],
    directory: Path,
) -> Execution:
    """What ``emulated`` holds, with the cycles that ``device`` counted.

    The arena is filled with :func:`~codegen.harness.device.pseudo_random` bytes of ``seed`` before each run; ``emulated`` must have
    had the same inputs, and its outputs, which lie at the offsets ``outputs`` by accessor, have to come out again.

    Every run follows one of the same code. Layers are timed by stubs whose own time, that of an empty function, is taken off; the
    whole is timed without them; the rest is what lies outside of the layers.

    :raises UserError: if the program does not fit into the board's RAM or its stack, the line fails, or outputs differ.
    """
    hello = device.hello
    if emulated.stack_bytes + 64 > hello.stack_bytes:
        raise UserError(f"--serial: a program needs {emulated.stack_bytes:,} bytes of stack, the harness has {hello.stack_bytes:,}")
    image = link_image(sources, run_source, interface, hello, optimize, directory)
    if image.end + interface.arena_bytes > hello.ram_address + hello.ram_bytes:
        needed = image.end - hello.ram_address + interface.arena_bytes
        raise UserError(f"--serial: a program needs {needed:,} bytes of RAM, the board offers {hello.ram_bytes:,}")
    for address, data in image.parts:
        device.load(address, data)
    wanted = {symbol: zlib.crc32(data) for (symbol, _), data in zip(interface.outputs, emulated.outputs[0], strict=True)}
    sizes = dict(interface.outputs)

    def run(entry: int) -> int:
        device.fill(image.end, interface.arena_bytes, seed)
        status, cycles = device.run(entry, image.end, cycles=emulated.cycles)
        if status:
            raise UserError(f"--serial: {interface.run} returned {status - (status >> 31 << 32)} on the board")
        for symbol, offset in outputs.items():
            if device.sum(image.end + offset, sizes[symbol]) != wanted[symbol]:
                raise UserError(f"--serial: the bytes of {symbol} on the board differ from the emulator's; its cycles mean nothing")
        return cycles

    idle, call = _overheads(device, image)
    run(image.run)
    run(image.trace_run)
    layers = [time - call for time in _times(device, image, len(interface.layers))]
    total = run(image.run) - idle
    # Caches may see the timed run otherwise than the other one; a call takes a cycle at the very least.
    outside = max(total - sum(layers), len(layers) + 1)
    cycles = [*layers, outside]
    profiles = tuple(replace(p, cycles=float(max(1, c))) for p, c in zip(emulated.layers, cycles, strict=True))
    return replace(emulated, cycles=float(sum(p.cycles for p in profiles)), layers=profiles)


def _overheads(device: Device, image: Image) -> tuple[int, int]:
    """Cycles that the harness counts for an empty function, and that a stub does."""
    for _ in range(2):
        _, idle = device.run(image.nothing, 0, cycles=100)
        device.run(image.trace_empty, 0, cycles=1000)
    return idle, _times(device, image, 4)[-1]


def _times(device: Device, image: Image, count: int) -> tuple[int, ...]:
    return struct.unpack(f"<{count}I", device.dump(image.times, 4 * count))
