"""The harness itself, on a board that QEMU emulates."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from harness_board import MACHINES, TICKS_PER_INSTRUCTION, board, firmware, running

from codegen.errors import UserError
from codegen.harness import Device, pseudo_random
from codegen.harness.device import Hello

RETURN = bytes.fromhex("7047")  # bx lr
LOOP = bytes.fromhex("0138fdd170470000")  # subs r0, #1; bne .-2; bx lr
UNDEFINED = bytes.fromhex("dede")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("harness")


@pytest.fixture(params=["cortex-m4", "cortex-m0plus", "cortex-m7"])
def device(request: pytest.FixtureRequest, programs: Path) -> Iterator[Device]:
    core = request.param
    with (
        running(firmware(programs, core), MACHINES[core]) as (port, _),
        Device.open(port, board(programs, core)) as opened,
    ):
        yield opened


def free(hello: Hello) -> int:
    return hello.ram_address


def test_memory_holds_what_was_written(device: Device) -> None:
    address, data = free(device.hello), bytes(range(256)) * 3
    device.load(address, data)
    assert device.dump(address, len(data)) == data
    assert device.sum(address, len(data)) == zlib.crc32(data)
    filled = device.fill(address + 5, 1000, 0xDEADBEEF)
    assert filled == pseudo_random(1000, 0xDEADBEEF)
    assert device.dump(address + 5, 1000) == filled
    assert device.dump(address, 5) == data[:5]


def test_time_passes_as_instructions_do(device: Device) -> None:
    address = free(device.hello)
    device.load(address, LOOP)
    assert device.hello.counter == "systick"  # QEMU has no DWT
    times = [device.run(address, rounds, cycles=4 * rounds) for rounds in (1000, 2000, 20_000_000)]
    assert [result for result, _ in times] == [0, 0, 0]
    (_, short), (_, longer), (_, longest) = times
    assert longer - short == pytest.approx(2 * 1000 * TICKS_PER_INSTRUCTION, abs=2)
    # beyond the 24 bits of SysTick; each of its wraps is counted by an interrupt of a few instructions
    assert longest - short == pytest.approx(2 * (20_000_000 - 1000) * TICKS_PER_INSTRUCTION, rel=1e-5)


@pytest.mark.parametrize("verb", ["load", "fill", "sum", "dump", "run"])
def test_nothing_outside_its_window_is_touched(verb: str, programs: Path) -> None:
    with running(firmware(programs, "cortex-m4")) as (port, _), Device.open(port, board(programs)) as device:
        end = device.hello.ram_address + device.hello.ram_bytes
        calls = {
            "load": lambda address: device.load(address, bytes(8)),
            "fill": lambda address: device.fill(address, 8, 1),
            "sum": lambda address: device.sum(address, 8),
            "dump": lambda address: device.dump(address, 8),
            "run": lambda address: device.run(address, 0, cycles=1),
        }
        beyond = (device.hello.ram_address - 2, end - (0 if verb == "run" else 4), 0xFFFF_FFFC)
        for address in beyond:
            with pytest.raises(UserError, match=rf"the harness refuses '{verb}' \(range\)"):
                calls[verb](address)
        device.load(end - 2, RETURN)
        assert device.run(end - 2, 7, cycles=10)[0] == 7


def test_a_fault_is_named_and_the_board_comes_back(programs: Path) -> None:
    with running(firmware(programs, "cortex-m4")) as (port, _):
        with Device.open(port, board(programs)) as device:
            device.load(device.hello.ram_address, UNDEFINED)
            with pytest.raises(UserError, match=f"the board faulted at 0x{device.hello.ram_address:08x} during 'run'"):
                device.run(device.hello.ram_address, 0, cycles=10)
        with Device.open(port, board(programs)) as device:
            device.load(device.hello.ram_address, RETURN)
            assert device.run(device.hello.ram_address, 3, cycles=10)[0] == 3


def test_noise_before_the_first_question(programs: Path) -> None:
    with running(firmware(programs, "cortex-m4")) as (port, _):
        with serial.Serial(port) as noise:
            noise.write(bytes(range(256)) * 5)
        with Device.open(port, board(programs)) as device:
            assert device.hello.board == "mps2-an386"


def test_a_board_that_goes_away(programs: Path) -> None:
    with running(firmware(programs, "cortex-m4")) as (port, process), Device.open(port, board(programs)) as device:
        process.kill()
        process.wait()
        with pytest.raises(UserError, match=r"the line was lost .* what was measured is kept"):
            device.sum(device.hello.ram_address, 4)
