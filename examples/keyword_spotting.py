"""Keyword spotting: from a folder of WAV files, one folder per word, to a C project that takes samples and hears words.

    python examples/keyword_spotting.py --data speech_commands

The spectrogram is part of what is searched, built and measured: the budget is for the whole way from samples to words.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nas

ARCHIVE = "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
GET_DATA = f"mkdir speech_commands && curl {ARCHIVE} | tar xz -C speech_commands"


def main() -> None:
    """Search, look at the winner, let its program hear some of the recordings."""
    parser = argparse.ArgumentParser(description="From WAV files to a C project that hears words.")
    parser.add_argument("--data", type=Path, default=Path("speech_commands"), help="a folder per word, WAV files in it")
    parser.add_argument("--board", default="nucleo-l4r5zi", help="see nas.boards()")
    parser.add_argument("--budget", default="32KB", help="most RAM")
    parser.add_argument("--trials", type=int, default=16, help="networks to try")
    parser.add_argument("--epochs", type=int, default=8, help="of training a trial; the best are trained twice as long")
    parser.add_argument("--out", type=Path, help="run directory [default: runs/<data>-<k>]")
    options = parser.parse_args()
    if not options.data.is_dir():
        parser.error(f"no folder {options.data}; get Speech Commands: {GET_DATA}")

    run = nas.search(
        options.data,
        board=options.board,
        budget=options.budget,
        flash="128KB",
        latency="100ms",
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

    print("\nwhat the built program hears:")
    recordings = [min(folder.glob("*.wav")) for folder in sorted(options.data.iterdir()) if any(folder.glob("*.wav"))]
    for answer in nas.answers(run, recordings):
        print(f"  {answer.file}: {answer.label}")


if __name__ == "__main__":
    main()
