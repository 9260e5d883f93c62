"""One search on each folder of real data: what it found, verified on the built program.

Run it as ``python scripts/bench_data.py --data ../shared/data [--only NAMES] [--trials N] [--finalists N] [--seeds N] [--baselines]
[--refit] [--folds N] [--start START] [--finishing-epochs N] [--flash SIZE] [--macs N] [--weight-bits 8|4] [--out DIR]``.
Every row is ``nas search --data ...`` with limits of ``real_data.py``, or another one of flash or work; archives are unpacked.
Accuracies are those of the int8 program on the test part, RAM, flash and latency those of the built program with its features; what
the network alone takes stands beside. Baselines have rows of their own. A row appears as soon as it is known; the whole takes an
hour or two on 2 cores. With ``--describe`` nothing is searched, and the rows are what ``nas data`` says and the search's command.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from real_data import REAL_DATA, RealData

import nas
from nas.datasets import Reading
from nas.datasets.collection import open_collection
from nas.datasets.description import describe
from nas.study.options import DEFAULTS
from nas.study.strategy import STARTS

COLUMNS = (
    *("data", "seed", "metric", "int8", "float", "RAM, bytes", "flash, bytes", "latency, ms", "network alone", "inputs verified"),
    *("minutes", "MACs"),
)
DESCRIBED = ("data", "format", "kind", "input", "classes", "train / validation / test", "groups", "how it is divided", "command")


def row(name: str, seed: int, result: nas.Result, minutes: str = "") -> str:
    """A line of the table."""
    built = result.built
    alone = built if built.network is None else built.network
    figures = f"{alone.ram.total:,} / {alone.flash.total:,} / {alone.latency_ms:.2f}"
    cells = (
        name,
        seed,
        result.metric,
        f"{result.accuracy:.2%}",
        f"{result.float_accuracy:.2%}",
        f"{built.ram.total:,}",
        f"{built.flash.total:,}",
        f"{built.latency_ms:.2f}",
        figures,
        f"{built.inputs:,}, {built.mismatches} differ",
        minutes,
        f"{built.macs:,}",
    )
    return line(cells)


def line(cells: Sequence[object]) -> str:
    """Cells as a line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def command(path: str, limits: Mapping[str, Any]) -> str:
    """How the data at ``path`` is searched for within ``limits`` by hand."""
    return " ".join([f"`nas search --data {path}", *(f"--{name} {value}" for name, value in limits.items())]) + "`"


def description(name: str, data: RealData, about: Mapping[str, Any]) -> str:
    """A line about what ``nas data --json`` says."""
    kind = "anomalies in " + about["kind"] if about["task"] == "anomaly detection" else about["kind"]
    counts = [sum(entry[part] for entry in about["classes"]) for part in ("train", "validation", "test")]
    groups = "" if about["groups"] is None else f"{about['groups']['count']} by {about['groups']['kind']}"
    shape = "x".join(map(str, about["input_shape"]))
    examples = " / ".join(f"{count:,}" for count in counts)
    searched = command(data.inside or data.file, data.options)
    return line((name, about["format"], kind, shape, len(about["classes"]), examples, groups, about["split"], searched))


def label(strategy: str, result: nas.Result) -> str:
    """What a baseline is called."""
    design = "" if result.design is None else " ({}, width {:.3g})".format(*result.design)
    return f"{strategy.replace('_', '-')}{design}"


def main() -> None:
    """Parse arguments, search, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder for each data set")
    parser.add_argument("--only", help="names, with semicolons between: " + "; ".join(REAL_DATA))
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--finalists", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--baselines", action="store_true", help="random search, the largest network and a hand-designed one, too")
    parser.add_argument("--refit", action="store_true", help="train finalists once more, on the validation data, too")
    parser.add_argument("--folds", type=int, help="trainings of every network, each with another fold to validate on")
    parser.add_argument("--start", choices=STARTS, default=DEFAULTS["start"], help="what the first trial is")
    parser.add_argument("--finishing-epochs", type=int, help="of a finalist's training, before small networks' are lengthened")
    parser.add_argument("--flash", help="another limit than usual")
    parser.add_argument("--macs", help="another limit than usual")
    parser.add_argument("--weight-bits", type=int, choices=(8, 4), default=DEFAULTS["weight_bits"])
    parser.add_argument("--describe", action="store_true", help="search nothing, print what 'nas data' says of each")
    parser.add_argument("--out", type=Path, help="folder that keeps the runs")
    options = parser.parse_args()
    names = list(REAL_DATA) if options.only is None else [name.strip() for name in options.only.split(";")]
    limits = {name: limit for name in ("flash", "macs") if (limit := getattr(options, name)) is not None}
    columns = DESCRIBED if options.describe else COLUMNS
    print(line(columns))
    print("|---" * len(columns) + "|")
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs" if options.out is None else options.out
        runs.mkdir(parents=True, exist_ok=True)
        for name in names:
            data = REAL_DATA[name]
            path = data.path(options.data, Path(folder))
            if options.describe:
                print(description(name, data, describe(open_collection(str(path), Reading()))), flush=True)
                continue
            for seed in range(options.seeds):
                began = time.monotonic()
                run = nas.search(
                    path,
                    trials=options.trials,
                    finalists=options.finalists,
                    baselines=options.baselines,
                    refit=options.refit,
                    folds=options.folds,
                    start=options.start,
                    finishing=None if options.finishing_epochs is None else {"epochs": options.finishing_epochs},
                    seed=seed,
                    out=runs / f"{path.stem}-{seed}",
                    weight_bits=options.weight_bits,
                    **{**data.options, **limits},
                )
                print(row(name, seed, run.winner, f"{(time.monotonic() - began) / 60:.1f}"), flush=True)
                for strategy, result in run.baselines.items():
                    print(row(f"… {label(strategy, result)}", seed, result), flush=True)


if __name__ == "__main__":
    main()
