"""What the host makes of a line that misbehaves; a scripted peer sits at the other end of a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import threading
import tty
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from codegen.boards import load_board
from codegen.errors import UserError
from codegen.harness import Device, Line
from codegen.harness import line as line_module

HELLO = (
    "ok harness 00000001 core cortex-m4 board nucleo-l4r5zi counter dwt clock 003d0900 ram 20001000 0009d000 "
    "stack 00002000 now 08000123 caches 00000000 uart LPUART1 of NUCLEO-L4R5ZI"
)
Peer = Callable[[Sequence[bytes]], str]


def framed(text: str) -> bytes:
    return text.encode() + b" *%08x\n" % zlib.crc32(text.encode())


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    """Gives a serial port whose peer answers the n-th line with the n-th of its answers; ``NUMBER`` becomes the line's number."""
    monkeypatch.setattr(line_module, "PATIENCE", 0.3)
    ends: list[int] = []

    def start(answers: Sequence[bytes]) -> str:
        master, slave = pty.openpty()
        tty.setraw(slave)
        ends.extend((master, slave))

        def serve() -> None:
            with suppress(OSError), open(master, "rb", buffering=0, closefd=False) as asked:
                for answer in answers:
                    while (number := asked.readline()[:8]) == b"\n":
                        pass
                    given = answer.removeprefix(b"NUMBER")
                    os.write(master, answer if given == answer else framed((number + given).decode()))

        threading.Thread(target=serve, daemon=True).start()
        return os.ttyname(slave)

    yield start
    for end in ends:
        os.close(end)


def ask(port: str, **options: object) -> str:
    with Line(port, 115200) as line:
        return line.ask("sum 0 1", patience=0.3, **options)  # type: ignore[arg-type]


OK = b"NUMBER ok 12345678"


def test_an_answer(peer: Peer) -> None:
    assert ask(peer([OK])) == "12345678"


@pytest.mark.parametrize(
    "answers",
    [
        [b"", OK],
        [b"\xff\x00garbage\n" + b"more\n", OK],
        [framed("00000000 error garbled"), OK],
        [framed("00000007 ok 99999999"), OK],
        [b"00000001 ok 12345678 *00000000\n", OK],
        [b"00000001 ok 12", OK],
    ],
    ids=["silence", "garbage", "not understood", "an old answer", "wrong checksum", "cut short"],
)
def test_what_goes_wrong_once_is_asked_again(peer: Peer, answers: Sequence[bytes]) -> None:
    assert ask(peer(answers)) == "12345678"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([], "no answer to 'sum' within 0 s; is the harness on the board"),
        ([b"\x80\x81\x82\n"] * 3, "answers to 'sum' are garbled; is 115200 baud the harness's rate"),
        ([framed("00000000 error garbled")] * 3, "answers to 'sum' are garbled"),
        ([b"NUMBER error range"], r"the harness refuses 'sum' \(range\)"),
        ([framed("00000000 error fault 20001234")], "the board faulted at 0x20001234 during 'sum'"),
        ([framed("00000000 ready")], "the board was reset; run this again, what was measured is kept"),
    ],
)
def test_what_stays_wrong_is_one_line(peer: Peer, answers: Sequence[bytes], message: str) -> None:
    port = peer(answers)
    with pytest.raises(UserError, match=message) as caught:
        ask(port)
    assert f"--serial {port}: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_must_not_run_twice_is_not_asked_again(peer: Peer) -> None:
    with pytest.raises(UserError, match="no answer"):
        ask(peer([b"", OK]), repeat=False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("harness 00000001", "harness 00000002", "of version 2, this program needs 1; flash it anew"),
        ("cortex-m4", "cortex-m33", "built for core cortex-m33, --board nucleo-l4r5zi has core cortex-m4"),
        ("board nucleo-l4r5zi", "board nucleo-f446re", "built for board nucleo-f446re, --board nucleo-l4r5zi"),
        ("harness", "gdbserver", "something answers, but not the harness"),
        ("stack", "heap", "greeting cannot be read"),
    ],
)
def test_another_board_or_program_is_refused(peer: Peer, old: str, new: str, message: str) -> None:
    port = peer([b"NUMBER " + HELLO.replace(old, new, 1).encode()])
    with pytest.raises(UserError, match=message):
        Device.open(port, load_board("nucleo-l4r5zi"))


def test_a_board_that_starts_when_it_is_greeted(peer: Peer) -> None:
    port = peer([framed("00000000 ready"), b"NUMBER " + HELLO.encode()])
    with Device.open(port, load_board("nucleo-l4r5zi")) as device:
        assert device.hello.clock_hz == 4_000_000
        assert "DWT cycle counter; code and constants in RAM" in device.hello.description


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--serial .*nothing: cannot be opened \(.*; give the board's serial port"):
        Line(str(tmp_path / "nothing"), 115200)
