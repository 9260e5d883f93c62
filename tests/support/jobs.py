"""Functions for other processes, which import this module to run them."""

from __future__ import annotations

import os
import signal
import sys
import time
from threading import Lock


class OddError(Exception):
    """One that does not survive being pickled."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def square(x: int) -> int:
    print("what functions print goes elsewhere")
    return x * x


def held(lock: Lock) -> bool:
    return lock.locked()


def process(x: int) -> int:
    time.sleep(0.2)
    return os.getpid()


def fail_at_three(x: int) -> int:
    if x == 3:
        raise ValueError("no such thing as 3")
    return x


def fail_oddly(x: int) -> int:
    raise OddError("very", "odd")


def exit_at_once(x: int) -> None:
    os._exit(3)


def be_killed(x: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def note_and_sleep(path: str) -> None:
    """Leaves the process's number in ``path``, and takes a minute."""
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(60)


def main_module(x: int) -> str:
    """What the process was started as."""
    return str(getattr(sys.modules["__main__"], "__file__", ""))
