"""A run of the fuzzer: many samples, what they covered, and the smallest piece of each that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from codegen.compile import lay_out
from codegen.cores import CORES, find_core
from codegen.errors import UserError
from codegen.fuzzing.coverage import Coverage
from codegen.fuzzing.differential import Difference, Refusal, Settings, check
from codegen.fuzzing.graphs import GENERATORS, Sample, random_sample
from codegen.fuzzing.shrink import shrink
from codegen.graph_file import save
from codegen.optimize import OPTIMIZE

EVERY_TIME = ("cortex-m4", "cortex-m0plus")
"""Cores that every sample runs on: with and without the DSP instructions. The others take turns."""
_PROBES = 6


@dataclass(frozen=True, slots=True, eq=False)
class Failure:
    """A sample that failed, the smallest piece of it that does too, and that piece's differences."""

    number: int
    sample: Sample
    smallest: Sample
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        ops = ", ".join(f"{op.kind} {op.name}" for op in self.smallest.graph.ops)
        lines = [f"graph {self.number}: {len(self.sample.graph.ops)} operators, of which these fail: {ops}"]
        return "\n".join([*lines, *(f"  {difference}" for difference in self.differences)])


@dataclass(slots=True)
class Campaign:
    """What came of a run."""

    seed: int
    kinds: tuple[str, ...]
    checked: int = 0
    failures: list[Failure] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)


def compilable_kinds() -> tuple[str, ...]:
    """Operators that some kernel computes: those of which one sample at least can be laid out on the Cortex-M4."""

    def compiles(kind: str) -> bool:
        for number in range(_PROBES):
            try:
                lay_out(random_sample(0, number, (kind,), operators=1).graph, find_core(EVERY_TIME[0]), "balanced")
            except UserError:
                continue
            return True
        return False

    return tuple(kind for kind in GENERATORS if compiles(kind))


def run_campaign(
    seed: int,
    numbers: Iterable[int],
    *,
    cores: Sequence[str] = tuple(CORES),
    kinds: Sequence[str] | None = None,
    stop_at: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> Campaign:
    """Check the samples ``numbers`` of the stream ``seed`` on ``cores``.

    Optimisation levels take turns, as do the cores whose build runs on the host. One of the cores that are not in
    :data:`EVERY_TIME` runs every second sample, or every one where no other core does. Half of the samples get random schedules, a
    fifth the strips of least arena.

    :param stop_at: stop after that many failures.
    :param report: told of every failure, and of the progress every hundred samples.
    """
    chosen = compilable_kinds() if kinds is None else tuple(kinds)
    campaign = Campaign(seed, chosen)
    for number in numbers:
        sample = random_sample(seed, number, chosen)
        always = [core for core in cores if core in EVERY_TIME]
        others = [core for core in cores if core not in EVERY_TIME]
        turn = number // len(OPTIMIZE)
        running = always + ([others[number // 2 % len(others)]] if others and (number % 2 == 0 or not always) else [])
        settings = Settings(OPTIMIZE[number % len(OPTIMIZE)], number if number % 4 < 2 else None, strips=number % 5 == 0)
        try:
            builds = check(sample, running, settings, host=[running[turn % len(running)]])
        except Refusal as refusal:
            campaign.coverage.refusals[_reason(str(refusal))] += 1
            continue
        campaign.checked += 1
        if models := [build.model for build in builds if build.model is not None]:
            campaign.coverage.add_sample(sample)
            for model in models:
                campaign.coverage.add_model(model)
        if differences := [d for build in builds for d in build.differences]:
            failure = _failure(number, sample, differences)
            campaign.failures.append(failure)
            report(str(failure))
            if stop_at is not None and len(campaign.failures) >= stop_at:
                break
        if campaign.checked % 100 == 0:
            report(f"{campaign.checked} graphs checked, {len(campaign.failures)} differ")
    return campaign


def save_failure(failure: Failure, seed: int, directory: Path) -> Path:
    """Write the smallest failing graph as a graph file; returns its path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"fuzz_{seed}_{failure.number}.safetensors"
    save(failure.smallest.graph, path)
    return path


def _failure(number: int, sample: Sample, differences: Sequence[Difference]) -> Failure:
    first = differences[0]

    def found(piece: Sample) -> tuple[Difference, ...]:
        try:
            builds = check(piece, [first.core], first.settings, host=[first.core] if first.machine == "host" else [])
        except Refusal:
            return ()
        return tuple(d for build in builds for d in build.differences)

    smallest = shrink(sample, lambda piece: bool(found(piece)))
    return Failure(number, sample, smallest, tuple(differences) if smallest is sample else found(smallest))


def _reason(message: str) -> str:
    """A refusal without the names that differ from graph to graph."""
    return message.partition(": ")[2].split("operator")[0] + message.rpartition("'")[2] if "'" in message else message
