"""Anomaly detection: from recordings of a machine in order to a C project whose autoencoder shows when it is not.

    python examples/anomaly_detection.py --data pump

Only what is normal is learnt: the train part holds one class. The test part, which holds anomalies, is looked at in the end.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nas

GET_DATA = "put CSV recordings into pump/train/normal/, and others, to judge by, into pump/test/normal/ and pump/test/anomaly/"


def main() -> None:
    """Search, verify the project, say what an alarm would have done on the test part."""
    parser = argparse.ArgumentParser(description="From recordings of what is normal to a C project that detects what is not.")
    parser.add_argument(
        "--data", type=Path, default=Path("pump"), help="train/normal/, test/normal/, test/anomaly/ of CSV; or .npz"
    )
    parser.add_argument("--board", default="nucleo-l4r5zi", help="see nas.boards()")
    parser.add_argument("--budget", default="8KB", help="most RAM")
    parser.add_argument("--trials", type=int, default=16, help="networks to try")
    parser.add_argument("--epochs", type=int, default=8, help="of training a trial; the best are trained twice as long")
    parser.add_argument("--out", type=Path, help="run directory [default: runs/<data>-<k>]")
    options = parser.parse_args()
    if not options.data.exists():
        parser.error(f"no {options.data}; {GET_DATA}")

    run = nas.search(
        options.data,
        board=options.board,
        budget=options.budget,
        flash="64KB",
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

    verified = nas.verify(run)
    print(f"\n{run.winner.project}: {'equal to the reference to the bit' if verified.bit_exact else 'DIFFERS from the reference'}")
    alarm = run.figures["winner"]["test"]["alarm"]
    print(f"an alarm above {alarm['threshold']:.3f} goes off in {alarm['detected']:.1%} of anomalous windows of the test part")
    print(f"and in {alarm['false_alarms']:.1%} of normal ones")


if __name__ == "__main__":
    main()
