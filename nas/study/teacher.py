"""The network that finalists learn from: chosen, trained once and kept in the run directory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from nas.executor import Executor
from nas.files import read_json, write_atomically, write_json
from nas.progress import Progress
from nas.run_directory import RunDirectory
from nas.study.compute import lengthened
from nas.study.preparation import Preparation
from nas.study.settings import SearchSettings
from nas.study.tasks import Lesson, Taught, train_teacher, training_seed
from search_spaces import Architecture

FORMAT = 1
WIDER = 2.0
"""A teacher's layers are so many times as wide as those of the network that it is made of: over the budget, and no guess."""


def find_lesson(
    run: RunDirectory,
    settings: SearchSettings,
    preparation: Preparation,
    promising: Sequence[Architecture],
    executor: Executor,
    data: tuple[Any, Any],
    progress: Progress,
) -> Lesson | None:
    """What the run's finalists learn from beside the labels: the run's teacher, trained on a worker where there is none yet.

    The teacher is the one with the most multiply-accumulates of the ``promising`` networks, with wider layers, as far as the space
    goes. Where its training fails, finalists do without.
    """
    if not settings.distill or not promising:
        return None
    known = read_lesson(run, settings)
    if known is not None:
        return known
    architecture = preparation.space.resized(max(promising, key=preparation.macs), WIDER)
    macs = preparation.macs(architecture)
    progress.phase("teacher: a larger network for the finalists to learn from", 1)
    executor.submit(
        train_teacher,
        preparation.space,
        preparation.space.params(architecture),
        *data,
        lengthened(settings.finishing, macs),
        training_seed(settings.seed, f"teacher {architecture.id}"),
    )
    outcome = executor.wait()
    if outcome.error is not None:
        progress.message(f"finalists learn from the labels alone: the training of a teacher failed: {outcome.error}")
        return None
    taught: Taught = outcome.value
    write_atomically(run.teacher_weights, taught.checkpoint)
    write_json(run.teacher, _figures(architecture, macs, taught, preparation, settings))
    progress.step(f"teacher: {taught.accuracy:.2%} on the validation data, {macs:,} MACs")
    return read_lesson(run, settings)


def _figures(
    architecture: Architecture, macs: int, taught: Taught, preparation: Preparation, settings: SearchSettings
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "architecture": architecture.id,
        "network": architecture.network,
        "params": dict(architecture.values),
        "macs": macs,
        "validation": {"metric": preparation.train_set.metric, "float": taught.accuracy, "n": len(preparation.validation)},
        "seconds": round(taught.seconds, 3),
        **dataclasses.asdict(settings.distillation),
    }


def read_teacher(run: RunDirectory) -> Mapping[str, Any] | None:
    """What the run says of its teacher, as ``report.json`` has it; None where it has none.

    :raises UserError: if the file is damaged.
    """
    if not run.teacher.is_file():
        return None
    return {key: value for key, value in read_json(run.teacher).items() if key != "format"}


def read_lesson(run: RunDirectory, settings: SearchSettings) -> Lesson | None:
    """What the run's finalists learn from; None where it has no teacher.

    :raises UserError: if its file is damaged.
    """
    teacher = read_teacher(run)
    return None if teacher is None else Lesson(teacher["params"], run.teacher_weights.read_bytes(), settings.distillation)
