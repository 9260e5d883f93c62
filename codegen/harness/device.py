"""A board with the harness on it: its memory and its cycle counter, over a serial line."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from codegen.boards import Board
from codegen.errors import UserError
from codegen.harness.line import PATIENCE, Line

VERSION = 1
"""Of the protocol; ``HARNESS_VERSION`` of the firmware."""
BAUD = 115200
_CHUNK = 960
"""Bytes in one line: two digits each have to fit into the harness's 2,048."""
_SLOWEST = 40.0
"""Cycles of the board for one byte that it checks or fills, at most; for how long to wait."""
_HELLO = re.compile(
    r"harness (?P<version>\w+) core (?P<core>\S+) board (?P<board>\S+) counter (?P<counter>\w+) clock (?P<clock>\w+) "
    r"ram (?P<ram>\w+) (?P<bytes>\w+) stack (?P<stack>\w+) now (?P<now>\w+) caches (?P<caches>\w+) uart (?P<uart>.*)"
)


@dataclass(frozen=True, slots=True)
class Hello:
    """Who answers. ``now`` is the address of the function that reads the counter; ``ram_*`` is what programs may have."""

    core: str
    board: str
    counter: str
    clock_hz: int
    ram_address: int
    ram_bytes: int
    stack_bytes: int
    now: int
    caches: int
    uart: str

    @property
    def description(self) -> str:
        """What measurements say of their origin."""
        counter = {"dwt": "DWT cycle counter", "systick": "SysTick counter"}.get(self.counter, self.counter)
        caches = {0: "", 1: ", data cache on", 2: ", instruction cache on", 3: ", caches on"}[self.caches]
        return f"{self.board} over a serial line ({self.uart}; {counter}{caches}; code and constants in RAM)"


class Device:
    """The board at the other end of ``line``, checked to be ``board`` with a harness of this version.

    :raises UserError: if it is not, or does not answer.
    """

    def __init__(self, line: Line, board: Board) -> None:
        self._line = line
        self.hello = self._greet(board)

    def __enter__(self) -> Device:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._line.__exit__(kind, error, trace)

    @staticmethod
    def open(port: str, board: Board, *, baud: int = BAUD) -> Device:
        """Open the serial port and greet the board."""
        line = Line(port, baud)
        try:
            return Device(line, board)
        except BaseException:
            line.__exit__(None, None, None)
            raise

    def load(self, address: int, data: bytes) -> None:
        """Write ``data`` to RAM and check that it arrived.

        :raises UserError: as every method here, if the line fails, or if memory does not hold what was written.
        """
        for start in range(0, len(data), _CHUNK):
            self._line.ask(f"load {address + start:x} {data[start : start + _CHUNK].hex()}")
        if self.sum(address, len(data)) != zlib.crc32(data):
            raise self._error(f"memory at {address:#010x} does not hold what was written")

    def fill(self, address: int, count: int, seed: int) -> bytes:
        """Write pseudo-random bytes; returns them."""
        self._line.ask(f"fill {address:x} {count:x} {seed:x}", patience=self._patience(_SLOWEST * count))
        return pseudo_random(count, seed)

    def sum(self, address: int, count: int) -> int:
        """CRC-32 of memory."""
        return self._numbers(f"sum {address:x} {count:x}", 1, self._patience(_SLOWEST * count))[0]

    def dump(self, address: int, count: int) -> bytes:
        """``count`` bytes of memory."""
        chunks = ((address + start, min(_CHUNK, count - start)) for start in range(0, count, _CHUNK))
        try:
            return b"".join(bytes.fromhex(self._line.ask(f"dump {start:x} {size:x}")) for start, size in chunks)
        except ValueError:
            raise self._error("memory cannot be read") from None

    def run(self, entry: int, argument: int, *, cycles: float) -> tuple[int, int]:
        """Call a function, which should take about ``cycles``; returns what it returned and the cycles counted."""
        result, counted = self._numbers(f"run {entry:x} {argument:x}", 2, self._patience(20 * cycles), repeat=False)
        return result, counted

    def _greet(self, board: Board) -> Hello:
        self._line.settle()
        answer = self._line.ask("hello", greeting=True)
        version = re.match(r"harness (\w+)", answer)
        if version is None:
            raise self._error("something answers, but not the harness")
        if int(version[1], 16) != VERSION:
            raise self._error(
                f"the harness on the board is of version {int(version[1], 16)}, this program needs {VERSION}; flash it anew "
                f"('nas calibrate --board {board.name} --firmware DIR')"
            )
        found = _HELLO.fullmatch(answer)
        if found is None:
            raise self._error("the harness's greeting cannot be read; flash it anew")
        numbers = {key: int(found[key], 16) for key in ("clock", "ram", "bytes", "stack", "now", "caches")}
        for what, has, wanted in (("core", found["core"], board.core), ("board", found["board"], board.name)):
            if has != wanted:
                raise self._error(f"the harness was built for {what} {has}, --board {board.name} has {what} {wanted}")
        return Hello(
            core=found["core"],
            board=found["board"],
            counter=found["counter"],
            clock_hz=max(1, numbers["clock"]),
            ram_address=numbers["ram"],
            ram_bytes=numbers["bytes"],
            stack_bytes=numbers["stack"],
            now=numbers["now"],
            caches=numbers["caches"] & 3,
            uart=found["uart"],
        )

    def _numbers(self, question: str, count: int, patience: float, *, repeat: bool = True) -> tuple[int, ...]:
        answer = self._line.ask(question, patience=patience, repeat=repeat)
        try:
            numbers = tuple(int(word, 16) for word in answer.split())
        except ValueError:
            numbers = ()
        if len(numbers) != count:
            raise self._error(f"{answer!r} is no answer to {question.partition(' ')[0]!r}")
        return numbers

    def _patience(self, cycles: float) -> float:
        return PATIENCE + cycles / self.hello.clock_hz

    def _error(self, message: str) -> UserError:
        return UserError(f"--serial {self._line.port}: {message}")


def pseudo_random(count: int, seed: int) -> bytes:
    """What the harness fills memory with: the high bytes of x ← 1664525 x + 1013904223 (mod 2**32), from ``seed`` on."""
    powers = np.cumprod(np.full(count, 1664525, np.uint32), dtype=np.uint32)
    sums = np.cumsum(np.concatenate([np.ones(1, np.uint32), powers[:-1]]), dtype=np.uint32)[:count]
    states = powers * np.uint32(seed) + sums * np.uint32(1013904223)
    return (states >> np.uint32(24)).astype(np.uint8).tobytes()
