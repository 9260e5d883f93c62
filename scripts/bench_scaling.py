"""Measure how many workers a search can keep busy, with trainings that only let time pass.

Run it as ``python scripts/bench_scaling.py``. The driver is a search's: its loop, samplers, pruner, feasibility check with the
shipped cost model under limits that bind, journal and checkpoints in a run directory. Only training is simulated: a whole one takes
``--seconds`` in the mean over networks, log-normally distributed with a standard deviation of 0.3 of the logarithm, as trainings
do in ``scripts/data/search_table_har.npz`` (0.29); trials that are stopped early take their part of it. Accuracy is a smooth
function of what a network costs, and noise. There is no second source of trials, such as the random baseline, which would take
workers that the first one cannot use.

Workers are idle while the driver is busy, and where proposal *k* has to wait for trial ``k - lag``. ``idle`` is the part of their
time from the first trial to the last one that is begun: workers have started before, and what follows is the tail that any search
has. The driver's CPU time includes Ray's threads, its time waits for the disk and for other programs. ``at the end`` is of the last
quarter of the trials. The driver saturates with as many workers as trials fit into the length of one: seconds of a trial over its
CPU time. With ``--virtual`` nobody sleeps: a clock goes on by the driver's CPU time and from one end of a training to the next,
whatever else the machine and its disk do.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
from simulated_workers import SimulatedWorkers, SleepingWorkers, VirtualWorkers, idle_share

from codegen.boards import load_board
from codegen.errors import UserError
from cost_models import Limits, load_cost_model
from nas.files import write_atomically, write_json
from nas.inputs.spectrograms import FrontEnds
from nas.learning.rungs import Thresholds
from nas.run_directory import RunDirectory
from nas.study.feasibility import Feasibility
from nas.study.loop import run_sources
from nas.study.options import DEFAULTS, settings_from_options
from nas.study.recipes import SCREENING
from nas.study.settings import OPTIONS, SearchSettings
from nas.study.strategy import make_pruner, make_sampler
from nas.study.study_source import Request, StudySource
from nas.study.tasks import Screened
from nas.study.trials import SEARCH, open_storage
from search_spaces import AudioSpace, TimeSeriesSpace

KB = 1024
BOARD = "nucleo-l4r5zi"
SPREAD = 0.3
"""Standard deviation of the logarithm of a training's length."""
NOISE = 0.02
"""Standard deviation of an accuracy."""
CHECKPOINT = 24 * KB
"""Bytes."""
TRIALS_PER_WORKER = 8


@dataclass(frozen=True, slots=True)
class Row:
    """A search that was measured; times in seconds."""

    sampler: str
    workers: int
    lag: int
    trials: int
    trial_seconds: float
    stopped: float
    idle: float
    cpu: float
    cpu_at_the_end: float
    driver: float

    @property
    def saturation(self) -> float:
        """Workers that the driver can keep busy."""
        return self.trial_seconds / self.cpu

    def __str__(self) -> str:
        return (
            f"{self.sampler:10}{self.workers:8}{self.lag:5}{self.trials:8}{self.trial_seconds:8.1f}{self.stopped:9.0%}"
            f"{self.idle:8.1%}{1e3 * self.cpu:8.1f}{1e3 * self.cpu_at_the_end:12.1f}{1e3 * self.driver:11.1f}"
            f"{self.saturation:15.0f}"
        )


HEADER = (
    f"{'':10}{'':8}{'':5}{'':8}{'s of':>8}{'':9}{'':8}{'driver CPU ms a trial':>20}{'driver ms':>10}{'saturates':>15}\n"
    f"{'sampler':10}{'workers':>8}{'lag':>5}{'trials':>8}{'a trial':>8}{'stopped':>9}{'idle':>8}{'':3}{'all':>5}{'at the end':>12}"
    f"{'a trial':>11}{'at workers':>15}"
)


def series() -> Feasibility:
    """Six activities of windows of motion, within the limits of the smallest published network."""
    board = load_board(BOARD)
    limits = Limits(ram=round(10.8 * KB), flash=round(19.3 * KB))
    return Feasibility(TimeSeriesSpace(128, 6, 6), load_cost_model(board.core), board, limits, DEFAULTS["confidence"])


def audio() -> Feasibility:
    """Twelve keywords in a second of sound; features and network together."""
    board, front_ends = load_board(BOARD), FrontEnds(16_000, 16_000)
    limits = Limits(ram=40 * KB, flash=96 * KB, macs=2_700_000)
    space = AudioSpace(front_ends.choices(), 12)
    return Feasibility(space, load_cost_model(board.core), board, limits, DEFAULTS["confidence"], front_ends)


SPACES: Mapping[str, Callable[[], Feasibility]] = {"series": series, "audio": audio}


def training(architecture: str, costs: tuple[float, ...], seconds: float, thresholds: Thresholds) -> Screened:
    """What a training of the network with this id and these costs comes to, and how long it takes."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(architecture.encode()).digest()[:8], "big"))
    macs, ram, flash, _ = np.log2(costs)
    whole = seconds * math.exp(SPREAD * rng.normal() - SPREAD**2 / 2)
    end = 1 / (1 + math.exp(-(0.4 * (macs - 16) + 0.3 * (flash - 14) - 0.2 * (ram - 12) + 1)))
    epochs = np.arange(1, SCREENING.epochs + 1)
    curve = end * (1 - 0.4 * np.exp(-epochs / 2)) + NOISE * rng.normal(size=len(epochs))
    result = Screened(float(curve[-1]), tuple(curve.tolist()), whole, bytes(CHECKPOINT))
    return result.under(thresholds) or result


class Record:
    """Listens as a search does that shows nothing: checkpoints are kept. Notes the times of all trials that begin."""

    def __init__(self, run: RunDirectory, executor: SimulatedWorkers) -> None:
        self._run = run
        self._executor = executor
        self.begun: list[float] = []
        """By the clock of the executor."""
        self.cpu: list[float] = []
        """Of this process when each began."""

    def asked(self, source: StudySource, request: Request) -> None:
        """A trial begins."""
        self.begun.append(self._executor.now())
        self.cpu.append(time.process_time())

    def completed(self, source: StudySource, request: Request, result: Screened) -> None:
        """A trial has its result."""
        if not result.stopped:
            write_atomically(self._run.trial_file(request.number), result.checkpoint)

    def failed(self, source: StudySource, request: Request, reason: str) -> None:
        """A simulated training has no reason to."""
        raise AssertionError(reason)


def measure(settings: SearchSettings, fits: Feasibility, seconds: float, executor: SimulatedWorkers, path: Path) -> Row:
    """Search with so many seconds a training, in a new run directory at ``path``."""
    run = RunDirectory.create(path, settings.to_toml())
    study = optuna.create_study(
        storage=open_storage(run),
        sampler=make_sampler(settings.sampler, settings, [fits]),
        pruner=make_pruner(settings, [fits]),
        study_name=SEARCH,
        direction="maximize",
    )
    source = StudySource(SEARCH, study, fits, lambda: settings.trials)
    record = Record(run, executor)

    def start(request: Request) -> int:
        architecture = request.architecture
        return executor.submit(training, architecture.id, fits.costs(architecture), seconds, request.thresholds)

    began, cpu, waited = time.monotonic(), time.process_time(), executor.waited
    run_sources(executor, [source], start, record, {})
    cpu = time.process_time() - cpu
    driver = time.monotonic() - began - (executor.waited - waited)
    spans, trials = executor.spans(), source.issued
    quarter = record.cpu[-max(2, trials // 4) :]
    return Row(
        sampler=settings.sampler,
        workers=settings.workers,
        lag=settings.lag,
        trials=trials,
        trial_seconds=float(np.mean([end - begin for begin, end in spans])),
        stopped=len(source.stopped()) / trials,
        idle=idle_share(spans, settings.workers, record.begun[0], record.begun[-1]),
        cpu=cpu / trials,
        cpu_at_the_end=(quarter[-1] - quarter[0]) / (len(quarter) - 1),
        driver=driver / trials,
    )


def settings_of(sampler: str, workers: int, trials: int, pruner: str, seed: int) -> SearchSettings:
    """Those of a search with these options."""
    given = {"sampler": sampler, "workers": workers, "trials": trials, "pruner": pruner, "seed": seed, "board": BOARD}
    return settings_from_options(dict.fromkeys(OPTIONS) | dict(DEFAULTS) | given, {}, "bench_scaling")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _factors(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse arguments, search, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=_numbers, default=[2, 16, 64, 256], help="numbers of workers, separated by commas")
    parser.add_argument("--samplers", default="predictor,evolution,random", help="separated by commas")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a whole training, in the mean")
    parser.add_argument("--trials", type=int, help=f"of each search; {TRIALS_PER_WORKER} for each worker if not given")
    parser.add_argument("--space", choices=SPACES, default="series")
    parser.add_argument("--pruner", default=DEFAULTS["pruner"])
    parser.add_argument("--lag", type=_factors, help="multiples of the workers, separated by commas; a search's if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--virtual", action="store_true", help="let virtual time pass")
    parser.add_argument("--json", type=Path, help="write the rows into this file, times in seconds")
    options = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows: list[Row] = []
    print(HEADER)
    try:
        for name in options.samplers.split(","):
            for workers in options.workers:
                made = settings_of(name, workers, options.trials or TRIALS_PER_WORKER * workers, options.pruner, options.seed)
                lags = [made.lag] if options.lag is None else [max(1, round(factor * workers)) for factor in options.lag]
                for lag in lags:
                    settings = dataclasses.replace(made, lag=lag)
                    executor: SimulatedWorkers = VirtualWorkers(workers) if options.virtual else SleepingWorkers(workers, training)
                    with tempfile.TemporaryDirectory() as folder, executor:
                        rows.append(measure(settings, SPACES[options.space](), options.seconds, executor, Path(folder) / "run"))
                    print(rows[-1], flush=True)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json is not None:
        write_json(options.json, {"rows": [dataclasses.asdict(row) for row in rows]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
