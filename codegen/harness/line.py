"""Questions and answers over a serial line: every line of text carries its checksum, so garbage is found and asked again."""

from __future__ import annotations

import time
import zlib
from types import TracebackType
from typing import Any

from codegen.errors import UserError

ATTEMPTS = 3
PATIENCE = 3.0
"""Seconds to wait for an answer that takes no time to compute."""
_LONGEST = 4096
"""Characters of an answer; each takes ten bits on the line."""


class Line:
    """The serial port ``port`` at ``baud``, of which the harness listens at the other end.

    :raises UserError: if the port cannot be opened.
    """

    def __init__(self, port: str, baud: int) -> None:
        import serial

        self.port, self._baud, self._number = port, baud, 0
        try:
            self._serial: Any = serial.Serial(port, baud, timeout=0.1, write_timeout=PATIENCE, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UserError(f"--serial {port}: cannot be opened ({reason}); give the board's serial port") from None

    def __enter__(self) -> Line:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._serial.close()

    def settle(self) -> None:
        """End whatever line was begun, and let pass what is still said of it."""
        try:
            self._serial.write(b"\n")
            while self._serial.read(_LONGEST):
                pass
        except OSError as error:
            raise self._lost(error) from None

    def ask(self, question: str, *, patience: float = PATIENCE, repeat: bool = True, greeting: bool = False) -> str:
        """The harness's answer, without ``ok``.

        :param patience: seconds that the board may take for it, beside the time on the line.
        :param repeat: whether asking twice does no harm; otherwise only what the harness did not understand is asked again.
        :param greeting: whether a board that starts only now is fine.
        :raises UserError: if there is no answer, the harness refuses, or the board faults or was reset.
        """
        garbage = 0
        for _ in range(ATTEMPTS):
            self._number = self._number % 0xFFFF_FFFF + 1
            self._send(f"{self._number:08x} {question}")
            deadline = time.monotonic() + patience + 10 * (len(question) + _LONGEST) / self._baud
            while (line := self._receive(deadline)) is not None:
                text = _checked(line)
                if text is None:
                    garbage += 1
                    continue
                number, _, answer = text.partition(" ")
                if number == f"{0:08x}":
                    if answer == "error garbled":
                        garbage += 1
                        if greeting:
                            continue  # said of what came before
                        break
                    if answer == "ready" and greeting:
                        break
                    self._unasked(answer, question)
                elif number == f"{self._number:08x}":  # any other answers a question that was given up
                    return self._answer(answer, question)
            else:
                if not repeat:
                    break
        verb = question.partition(" ")[0]
        if garbage:
            raise UserError(
                f"--serial {self.port}: the answers to {verb!r} are garbled; is {self._baud} baud the harness's rate (--baud), "
                "and nobody else on the line?"
            )
        raise UserError(
            f"--serial {self.port}: no answer to {verb!r} within {patience:.0f} s; is the harness on the board "
            f"('nas calibrate --firmware DIR' makes it), and does it hang? Press reset and run this again"
        )

    def _answer(self, answer: str, question: str) -> str:
        if answer == "ok" or answer.startswith("ok "):
            return answer[3:]
        raise UserError(
            f"--serial {self.port}: the harness refuses {question.partition(' ')[0]!r} ({answer.removeprefix('error ')})"
        )

    def _unasked(self, answer: str, question: str) -> None:
        if answer.startswith("error fault"):
            where = answer.removeprefix("error fault ")
            raise UserError(f"--serial {self.port}: the board faulted at 0x{where} during {question.partition(' ')[0]!r}")
        if answer == "ready":
            raise UserError(f"--serial {self.port}: the board was reset; run this again, what was measured is kept")

    def _send(self, text: str) -> None:
        data = text.encode("ascii")
        try:
            self._serial.write(data + b" *%08x\n" % zlib.crc32(data))
        except OSError as error:
            raise self._lost(error) from None

    def _receive(self, deadline: float) -> bytes | None:
        """A line without its end, or None where none comes in time; what is cut short or endless counts as one, garbled."""
        line = b""
        while time.monotonic() < deadline:
            try:
                line += bytes(self._serial.readline(_LONGEST))
            except OSError as error:
                raise self._lost(error) from None
            if line.endswith(b"\n") or len(line) >= _LONGEST:
                return line[:-1]
        return line or None

    def _lost(self, error: OSError) -> UserError:
        return UserError(f"--serial {self.port}: the line was lost ({error}); run this again, what was measured is kept")


def _checked(line: bytes) -> str | None:
    """The text of a line whose checksum is right."""
    text, star, crc = line.rstrip(b"\r").rpartition(b" *")
    if not star or crc != b"%08x" % zlib.crc32(text):
        return None
    return text.decode("ascii", errors="replace")
