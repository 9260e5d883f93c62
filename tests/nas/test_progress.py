from __future__ import annotations

import io

from rich.console import Console

from nas.progress import LiveProgress, PlainProgress, Progress, TrialLine

NETWORK = "conv-16-5-1 " + "inverted_residual-64-5-2-4 " * 6 + "flatten"


def feed(progress: Progress) -> None:
    with progress:
        progress.phase("trials", 4)
        progress.trial(TrialLine("search", 0, 0.9, 2048, 9000, 1.25, NETWORK))
        progress.trial(TrialLine("search", 1, 0.95, 4096, 12000, 2.5, NETWORK))
        progress.trial(TrialLine("random", 0, 0.99, 4096, 12000, 2.5, NETWORK))
        progress.trial(TrialLine("search", 2, None, 1024, 8000, 0.5, NETWORK, error="its worker died 2 times"))


def test_plain_lines() -> None:
    stream = io.StringIO()
    feed(PlainProgress(stream))
    first, *lines = stream.getvalue().splitlines()
    assert first == "trials: 4"
    assert [line.split()[0] for line in lines] == ["1/4", "2/4", "3/4", "4/4"]
    assert "trial 1" in lines[1]
    assert "95.00%" in lines[1]
    assert "best 95.00% (trial 1)" in lines[2]  # a baseline is not the search's best
    assert "random 0" in lines[2]
    assert "failed" in lines[3]
    assert "its worker died" in lines[3]
    assert "left" in lines[0]
    assert "left" not in lines[3]
    assert "\x1b" not in stream.getvalue()


def test_the_live_table_keeps_its_figures_on_a_narrow_terminal() -> None:
    progress = LiveProgress()
    feed(progress)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(progress._render())
    text = console.export_text()
    for words in ("90.00%", "4.0 KB", "11.7 KB", "2.500 ms", "random 0", "failed", "trials 4/4", "best 95.00% (trial 1)"):
        assert words in text
    assert all(len(line) <= 80 for line in text.splitlines())
