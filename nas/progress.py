"""Shows a search while it runs: a live table on a terminal, plain lines anywhere else, or nothing."""

from __future__ import annotations

import os
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TextIO

from nas.units import format_duration, format_size

if TYPE_CHECKING:
    from rich.console import RenderableType

Verbosity = Literal["quiet", "normal", "verbose"]

ROWS = 10
"""Trials that the live table shows."""
BAR = 60
"""Width of the live progress bar in characters."""


@dataclass(frozen=True, slots=True)
class TrialLine:
    """A trial that ended. ``accuracy`` in 0..1, None where it failed; sizes in bytes, as predicted."""

    study: str
    number: int
    accuracy: float | None
    ram: int
    flash: int
    latency_ms: float
    network: str
    error: str = ""
    boards: tuple[str, ...] = ()
    """Where the search is for several boards, those on which the network fits; the figures are on the first of them."""
    stopped: int | None = None
    """Epochs after which the training was stopped; None where it went to its end."""

    @property
    def label(self) -> str:
        """``7`` for a trial of the search, ``random 7`` for one of a baseline."""
        return str(self.number) if self.study == "search" else f"{self.study} {self.number}"

    @property
    def result(self) -> str:
        """The accuracy, or that there is none."""
        return "failed" if self.accuracy is None else f"{self.accuracy:.2%}"

    @property
    def note(self) -> str:
        """Why it is no whole result, if it is none."""
        return self.error if self.stopped is None else f"stopped after {self.stopped} epoch{'s' * (self.stopped != 1)}"


class Progress(ABC):
    """What the driver tells of: messages, steps of a phase, trials. Use it as a context manager."""

    def __init__(self) -> None:
        self._phase = ""
        self._total: int | None = 0
        self._done = self._done_before = 0
        self._seconds: float | None = None
        self._began = time.monotonic()
        self._best: dict[str, TrialLine] = {}

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *unused: object) -> None:
        return

    def counter(self, name: str) -> Callable[[int, int], None]:
        """A phase as a function of ``(done, total)`` that is called once before the first step and after each one."""
        began = False

        def show(done: int, total: int) -> None:
            nonlocal began
            if began:
                self.step()
            else:
                self.phase(name, total, done)
            began = True

        return show

    @abstractmethod
    def message(self, text: str) -> None:
        """A line worth keeping."""

    def detail(self, text: str) -> None:
        """A line for those who asked for more."""
        return

    def phase(self, name: str, total: int | None, done: int = 0, seconds: float | None = None) -> None:
        """A stretch of ``total`` steps (None: nobody knows) begins, ``done`` of them done in an earlier run; it ends after
        ``seconds`` if not before."""
        self._phase, self._total, self._done, self._seconds = name, total, done, seconds
        self._began, self._done_before = time.monotonic(), done

    def step(self, text: str = "") -> None:
        """One step of the phase is done."""
        self._done += 1

    def trial(self, line: TrialLine) -> None:
        """A trial ended; also one step."""
        if line.study != "search" or line.accuracy is None or line.stopped is not None:
            return
        for board in line.boards or ("",):
            best = self._best.get(board)
            if best is None or best.accuracy is None or line.accuracy > best.accuracy:
                self._best[board] = line

    @property
    def _count(self) -> str:
        """How far the phase has come."""
        return f"{self._done}" if self._total is None else f"{self._done}/{self._total}"

    @property
    def _share(self) -> float:
        """The same as a fraction of 1."""
        by_time = 0.0 if not self._seconds else (time.monotonic() - self._began) / self._seconds
        return min(1.0, max(by_time, 0.0 if self._total is None else self._done / max(1, self._total)))

    def _left(self) -> str:
        took, new = time.monotonic() - self._began, self._done - self._done_before
        estimates = []
        if self._total is not None and new:
            estimates.append(took / new * (self._total - self._done))
        if self._seconds is not None:
            estimates.append(self._seconds - took)
        left = min(estimates, default=0.0)
        return f", about {format_duration(max(1.0, left))} left" if left > 0 else ""

    def _best_text(self) -> str:
        best = (f"{board} {line.result} (trial {line.number})".lstrip() for board, line in sorted(self._best.items()))
        return f"best {', '.join(best)}" if self._best else ""


class SilentProgress(Progress):
    """Nothing."""

    def message(self, text: str) -> None:
        return


class QuietProgress(Progress):
    """Only what is worth keeping."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def message(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class PlainProgress(QuietProgress):
    """One line per event; if ``verbose``, networks and details as well."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        super().__init__(stream)
        self._verbose = verbose

    def detail(self, text: str) -> None:
        if self._verbose:
            self.message(f"  {text}")

    def phase(self, name: str, total: int | None, done: int = 0, seconds: float | None = None) -> None:
        super().phase(name, total, done, seconds)
        limits = [] if total is None else [f"{total}"]
        limits += [] if seconds is None else [f"as many as begin within {format_duration(seconds)}"]
        self.message(f"{name}: {', '.join(limits)}" + (f", {done} done before" if done else ""))

    def step(self, text: str = "") -> None:
        super().step(text)
        self.message(f"  {self._count}  " + f"{text}{self._left()}".removeprefix(", "))

    def trial(self, line: TrialLine) -> None:
        super().trial(line)
        self._done += 1
        figures = f"RAM {format_size(line.ram):>8}  flash {format_size(line.flash):>8}  {line.latency_ms:7.3f} ms"
        figures += f"  fits {', '.join(line.boards)}" if line.boards else ""
        best = self._best_text()
        self.message(f"  {self._count}  trial {line.label:<10} {line.result:>7}  {figures}  {line.note or best}{self._left()}")
        self.detail(line.network)


class LiveProgress(Progress):
    """A table of the latest trials with the best so far and the time left, redrawn in place."""

    def __init__(self, stream: TextIO | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__()
        self._lines: deque[TrialLine] = deque(maxlen=ROWS)
        self._text = ""
        self._live = Live(
            console=Console(file=stream, highlight=False), get_renderable=self._render, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> Progress:
        self._live.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._live.stop()

    def message(self, text: str) -> None:
        self._live.console.print(text, markup=False, soft_wrap=True)

    def step(self, text: str = "") -> None:
        super().step(text)
        self._text = text

    def trial(self, line: TrialLine) -> None:
        super().trial(line)
        self._done += 1
        self._lines.append(line)

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, expand=True)
        for name in ("trial", "accuracy", "RAM", "flash", "latency"):
            table.add_column(name, justify="left" if name == "trial" else "right", no_wrap=True)
        several = any(line.boards for line in self._lines)
        if several:
            table.add_column("fits", no_wrap=True)
        table.add_column("network", overflow="ellipsis", no_wrap=True, ratio=1)
        for line in self._lines:
            table.add_row(
                line.label,
                line.result,
                format_size(line.ram),
                format_size(line.flash),
                f"{line.latency_ms:.3f} ms",
                *([", ".join(line.boards)] if several else []),
                line.note or line.network,
                style="bold green"
                if any(line is best for best in self._best.values())
                else "red"
                if line.accuracy is None
                else "dim"
                if line.stopped is not None
                else None,
            )
        status = f"{self._phase} {self._count}{self._left()}"
        details = "   ".join(text for text in (status, self._best_text(), self._text) if text)
        filled = int(BAR * self._share)
        bar = Text("━" * filled, "green") + Text("━" * (BAR - filled), "bright_black")
        return Group(*([table] if self._lines else []), bar, Text(details, overflow="ellipsis", no_wrap=True))


def make_progress(verbosity: Verbosity = "normal", stream: TextIO | None = None) -> Progress:
    """The form that suits ``stream`` (standard output by default) and what was asked for.

    ``NO_COLOR`` is respected (by rich), and a terminal that cannot go back (``TERM=dumb``) gets lines.
    """
    stream = stream or sys.stdout
    if verbosity == "quiet":
        return QuietProgress(sys.stderr)
    if verbosity == "normal" and stream.isatty() and os.environ.get("TERM") != "dumb":
        return LiveProgress(stream)
    return PlainProgress(stream, verbose=verbosity == "verbose")
