"""Make, or go on with, the table of a closed search space (see ``search_table.py``).

Run it as ``nice -n 19 python scripts/make_search_table.py``. It trains on one thread and may be stopped at any time: what is done
is in the file, and the next call goes on from there. First every architecture is trained with the first seed, in a random order, so
that a table under way is a fair sample; then with the second; then the best tenth by validation with two more. Which of hundreds of
networks with few trainings each tests best is mostly luck, so those within the limits of ``bench_search.py`` that test best are
trained with all seeds, until all of the best tenth are. The data are raw accelerometer and gyroscope windows of 30 people
(``hapt_har6.npz``): people of the training part make the training and validation windows, no person is in two parts, and the test
part is the data's own.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from real_data import ALL_DATA, REAL_DATA
from search_problem import LIMITS
from search_table import COSTS, DEFAULT, SEEDS, SearchTable, architectures, closed_space
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from codegen.boards import load_board
from codegen.errors import UserError
from cost_models import load_cost_model
from nas.learning.training import Recipe, build_module
from nas.study.tasks import training_seed
from search_spaces import Architecture, SearchSpace

BOARD = "nucleo-l4r5zi"
CONFIDENCE = 0.95
RECIPE = Recipe(epochs=8, batch_size=64, learning_rate=1e-2)
RUNGS = (2, 4, 8)
VALIDATION_SUBJECTS = (5, 11, 16, 21, 26, 30)
WINDOWS = {"train": 1024, "validation": 1024, "test": 1536}
BEST = 10
"""One architecture of so many, the best by mean validation, is trained with :data:`BEST_SEEDS` seeds, and one of so many within the
limits, the best by mean test, with all."""
BEST_SEEDS = 4
ORDER = 20260101
"""Seed of the order in which architectures are trained."""
SAVE_SECONDS = 30.0


class Part(NamedTuple):
    """Float32 ``(N, 6, 1, 128)`` in g and rad/s, and the classes."""

    x: Tensor
    y: Tensor


def read_parts(path: Path) -> dict[str, Part]:
    """The parts named in :data:`WINDOWS`: evenly spaced among the windows in order of class and person.

    :raises UserError: if the file is missing.
    """
    try:
        data = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give the folder of the shared data with --data") from None
    held_out = np.isin(data["subject_train"], VALIDATION_SUBJECTS)
    sources = {
        "train": ("train", ~held_out),
        "validation": ("train", held_out),
        "test": ("test", np.ones(len(data["y_test"]), bool)),
    }
    parts = {}
    for name, (source, member) in sources.items():
        rows = np.flatnonzero(member)
        y, subject = data[f"y_{source}"][rows], data[f"subject_{source}"][rows]
        rows = rows[np.lexsort((rows, subject, y))]
        rows = rows[np.linspace(0, len(rows) - 1, WINDOWS[name]).round().astype(int)]
        x = data[f"x_{source}"][rows].astype(np.float32) * data["channel_scale"].astype(np.float32)
        maps = torch.from_numpy(x).permute(0, 2, 1)[:, :, None, :].contiguous(memory_format=torch.channels_last)
        parts[name] = Part(maps, torch.from_numpy(data[f"y_{source}"][rows].astype(np.int64)))
    return parts


def correct(module: nn.Module, part: Part) -> int:
    """Windows that ``module`` classifies right."""
    module.eval()
    with torch.no_grad():
        return int(sum((module(x).argmax(1) == y).sum() for x, y in zip(part.x.split(512), part.y.split(512), strict=True)))


def train(module: nn.Module, parts: dict[str, Part], seed: int) -> tuple[list[int], list[int]]:
    """Validation and test windows classified right at each rung.

    It is the training of trials (``nas.learning.training.train``), but for one pass over the data an epoch, however few steps that
    is, and in the memory layout that is fastest for such small networks.
    """
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    generator = torch.Generator().manual_seed(seed)
    x, y = parts["train"]
    groups = [[p for p in module.parameters() if (p.ndim > 1) == decayed] for decayed in (True, False)]
    optimizer = torch.optim.AdamW(
        [{"params": groups[0], "weight_decay": RECIPE.weight_decay}, {"params": groups[1], "weight_decay": 0.0}],
        lr=RECIPE.learning_rate,
        fused=True,
    )
    steps = RECIPE.epochs * (len(x) // RECIPE.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RECIPE.learning_rate, steps, pct_start=RECIPE.warm_up, cycle_momentum=False
    )
    validation, test = [], []
    for epoch in range(1, RECIPE.epochs + 1):
        module.train()
        for indices in torch.randperm(len(x), generator=generator).split(RECIPE.batch_size):
            optimizer.zero_grad()
            cross_entropy(module(x[indices]), y[indices], label_smoothing=RECIPE.label_smoothing).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        if epoch in RUNGS:
            validation.append(correct(module, parts["validation"]))
            test.append(correct(module, parts["test"]))
    return validation, test


def predicted_costs(space: SearchSpace, members: list[Architecture]) -> dict[str, NDArray[np.float32]]:
    """What the shipped cost model says of every architecture."""
    board = load_board(BOARD)
    model = load_cost_model(board.core)
    rows = []
    for architecture in members:
        p = model.predict_chain(space.chain(architecture), board, confidence=CONFIDENCE)
        rows.append((p.ram.total, p.flash.value, p.flash.high, p.cycles.value, p.latency_ms.value, p.latency_ms.high, p.macs))
    return dict(zip(COSTS, np.array(rows, dtype=np.float32).T, strict=True))


def how_it_is_made(space: SearchSpace, data: Path) -> dict[str, Any]:
    """The table's ``about``."""
    return {
        "command": "python scripts/make_search_table.py",
        "space": space.name,
        "choices": {name: list(options) for name, options in space.choices().items()},
        "board": BOARD,
        "optimize": "balanced",
        "confidence": CONFIDENCE,
        "data": {"file": data.name, "sha256": hashlib.sha256(data.read_bytes()).hexdigest()},
        "train": {"windows": WINDOWS["train"]},
        "validation": {"windows": WINDOWS["validation"], "subjects": list(VALIDATION_SUBJECTS)},
        "test": {"windows": WINDOWS["test"]},
        "recipe": {name: value for name, value in dataclasses.asdict(RECIPE).items() if name != "least_steps"},  # not used here
        "rungs": list(RUNGS),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
    }


def new_table(space: SearchSpace, about: dict[str, Any]) -> SearchTable:
    """The table with every cost and no training."""
    members = list(space.enumerate())
    n = len(members)
    counts = np.full((n, SEEDS, len(RUNGS)), -1, np.int16)
    ids = np.array([a.id for a in members])
    return SearchTable(ids, counts, counts.copy(), np.zeros((n, SEEDS), np.float32), predicted_costs(space, members), about)


def open_table(path: Path, space: SearchSpace, about: dict[str, Any]) -> SearchTable:
    """The table at ``path`` to go on with, its costs those of the present cost model, or a new one.

    :raises UserError: if what is there was made in another way.
    """
    if not path.exists():
        return new_table(space, about)
    table = SearchTable.load(path).with_seeds(SEEDS)
    changed = [key for key in about if key != "versions" and table.about.get(key) != about[key]]
    if changed:
        raise UserError(f"{path}: was made with another {' and '.join(changed)}; give another --table")
    return dataclasses.replace(table, costs=predicted_costs(space, architectures(space, table, path)))


def work(table: SearchTable) -> Iterator[tuple[int, int]]:
    """Row and seed of every training that is missing, in the order in which they are to be done."""
    n = len(table.ids)
    order = np.random.default_rng(ORDER).permutation(n).tolist()
    for seed in (0, 1):
        yield from ((row, seed) for row in order if table.validation[row, seed, -1] < 0)
    mean = table.validation[:, :2, -1].mean(axis=1)
    best = np.argsort(-mean, kind="stable")[: n // BEST].tolist()
    for seed in range(2, BEST_SEEDS):
        yield from ((row, seed) for row in best if table.validation[row, seed, -1] < 0)
    while lucky := untested(table):
        yield from ((row, seed) for row in lucky for seed in range(SEEDS) if table.validation[row, seed, -1] < 0)


def untested(table: SearchTable) -> list[int]:
    """Rows of the best tenth within the limits, by mean test, that were not trained with all seeds, the best first.

    Of those that were the mean is over all seeds, of others over the first two, so that it does not depend on where the work was
    stopped.
    """
    within = np.flatnonzero(np.all([table.costs[name] <= bound for name, bound in LIMITS.items()], axis=0))
    whole = (table.test[:, :, -1] >= 0).all(axis=1)
    mean = np.where(whole, table.test[:, :, -1].mean(axis=1), table.test[:, :2, -1].mean(axis=1))
    best = within[np.argsort(-mean[within], kind="stable")[: len(within) // BEST]]
    return [row for row in best.tolist() if not whole[row]]


def main() -> int:
    """Parse arguments and train until there is nothing left, or the time or number given is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=DEFAULT, help="the file to make or go on with")
    parser.add_argument("--data", type=Path, default=ALL_DATA / REAL_DATA["activities"].file)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no training after this time")
    parser.add_argument("--limit", type=int, default=sys.maxsize, help="trainings of this call")
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = closed_space()
    try:
        parts = read_parts(options.data)
        table = open_table(options.table, space, how_it_is_made(space, options.data))
        table.save(options.table)
        members = architectures(space, table, options.table)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    began = saved = time.monotonic()
    done = 0
    for row, seed in work(table):
        now = time.monotonic()
        if stopped or done >= options.limit or now - began > options.seconds:
            break
        start = time.process_time()
        number = training_seed(seed, members[row].id)
        counts = train(build_module(space, members[row], number), parts, number)
        table.validation[row, seed], table.test[row, seed] = counts
        table.seconds[row, seed] = time.process_time() - start
        done += 1
        if now - saved > SAVE_SECONDS:
            table.save(options.table)
            saved = now
            print(f"{int((table.validation[:, :, -1] >= 0).sum())} trainings, {now - began:.0f} s", flush=True)
    table.save(options.table)
    by_seed = (table.validation[:, :, -1] >= 0).sum(axis=0).tolist()
    print(f"{done} trainings in {time.monotonic() - began:.0f} s; of {len(table.ids)} architectures by seed: {by_seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
