"""Gestures or activities: from CSV recordings of a sensor, one folder per class, to a C project for windows of it.

    python examples/gestures.py --data recordings

Each recording is a CSV file with a header line, a column t_s of seconds and a column per channel.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nas

GET_DATA = "record some: a folder per class (recordings/circle/, recordings/shake/), in it a CSV file (t_s,ax,ay,az) per recording"


def main() -> None:
    """Search, look at the front of accuracy and costs, ask which other boards the winner fits."""
    parser = argparse.ArgumentParser(description="From CSV recordings to a C project that tells classes.")
    parser.add_argument("--data", type=Path, default=Path("recordings"), help="a folder per class, CSV files in it")
    parser.add_argument("--window", type=int, default=64, help="samples that a network sees at once")
    parser.add_argument("--board", default="nucleo-f446re", help="see nas.boards()")
    parser.add_argument("--budget", default="8KB", help="most RAM")
    parser.add_argument("--trials", type=int, default=16, help="networks to try")
    parser.add_argument("--epochs", type=int, default=8, help="of training a trial; the best are trained twice as long")
    parser.add_argument("--out", type=Path, help="run directory [default: runs/<data>-<k>]")
    options = parser.parse_args()
    if not options.data.is_dir():
        parser.error(f"no folder {options.data}; {GET_DATA}")

    run = nas.search(
        options.data,
        window=options.window,
        board=options.board,
        budget=options.budget,
        flash="32KB",
        trials=options.trials,
        finalists=1,
        baselines=False,
        screening={"epochs": options.epochs},
        finishing={"epochs": 2 * options.epochs},
        quantization={"epochs": max(1, options.epochs // 2)},
        out=options.out,
        progress=True,
    )
    print(run)

    print("\nfront (short trainings, predicted costs):")
    for trial in run.front:
        print(f"  trial {trial.number}: {trial.accuracy:.1%}, {trial.ram} bytes of RAM, {trial.latency_ms:.2f} ms: {trial.network}")
    print("\nthe winner on other boards:")
    for board in nas.boards():
        predicted = nas.predict(run, board=board, budget=board.available_ram, flash=board.available_flash)
        print(f"  {board.name}: {'fits' if predicted.fits else 'does not fit'}, {predicted.latency_ms.value:.2f} ms")


if __name__ == "__main__":
    main()
