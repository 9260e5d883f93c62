"""The network that finalists learn from: chosen, trained once and kept in the run directory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nas.executor import Executor
from nas.files import read_json, write_atomically, write_json
from nas.progress import Progress
from nas.run_directory import RunDirectory
from nas.study.compute import lengthened
from nas.study.preparation import Preparation
from nas.study.settings import SearchSettings
from nas.study.tasks import Lesson, Screened, screen, training_seed
from search_spaces import Architecture

if TYPE_CHECKING:
    from nas.learning.training import Recipe

FORMAT = 1
WIDER = 2.0
"""A teacher's layers are so many times as wide as those of the network that it is made of: over the budget, and no guess."""


def teaching(finishing: Recipe, macs: int) -> Recipe:
    """How a teacher of so many multiply-accumulates is trained: as a finalist, but without smoothed labels, which would hide from
    students what it knows of how alike classes are (Müller, Kornblith and Hinton 2019, https://arxiv.org/abs/1906.02629)."""
    return dataclasses.replace(lengthened(finishing, macs), label_smoothing=0.0)


def find_lesson(
    run: RunDirectory,
    settings: SearchSettings,
    preparation: Preparation,
    promising: Sequence[Architecture],
    executor: Executor,
    splits: Any,
    progress: Progress,
) -> Lesson | None:
    """What the run's finalists learn from beside the labels: the run's teacher, trained on a worker where there is none yet.

    ``splits``, a single one, is shared by the executor. The teacher is the one with the most multiply-accumulates of the
    ``promising`` networks, with wider layers, as far as the space goes. Where its training fails, finalists do without, after a
    resumption too.
    """
    if not settings.distill or not promising:
        return None
    if read_teacher(run) is not None:
        return read_lesson(run, settings)
    architecture = preparation.space.resized(max(promising, key=preparation.macs), WIDER)
    macs = preparation.macs(architecture)
    progress.phase("teacher: a larger network for the finalists to learn from", 1)
    executor.submit(
        screen,
        preparation.space,
        preparation.space.params(architecture),
        splits,
        teaching(settings.finishing, macs),
        training_seed(settings.seed, f"teacher {architecture.id}"),
        {},
    )
    outcome = executor.wait()
    if outcome.error is not None:
        write_json(run.teacher, {"format": FORMAT, "error": outcome.error})
        progress.message(f"finalists learn from the labels alone: the training of a teacher failed: {outcome.error}")
        return None
    taught: Screened = outcome.value
    write_atomically(run.teacher_weights, taught.checkpoint)
    write_json(run.teacher, _figures(architecture, macs, taught, preparation, settings))
    progress.step(f"teacher: {taught.accuracy:.2%} on the validation data, {macs:,} MACs")
    return read_lesson(run, settings)


def _figures(
    architecture: Architecture, macs: int, taught: Screened, preparation: Preparation, settings: SearchSettings
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "architecture": architecture.id,
        "network": architecture.network,
        "params": dict(architecture.values),
        "macs": macs,
        "validation": {"metric": preparation.train_set.metric, "float": taught.accuracy, "n": preparation.validated},
        "seconds": round(taught.seconds, 3),
        **dataclasses.asdict(settings.distillation),
    }


def read_teacher(run: RunDirectory) -> Mapping[str, Any] | None:
    """What the run says of its teacher, as ``report.json`` has it: ``error`` alone where its training failed; None where it has
    none.

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
    return (
        None
        if teacher is None or "error" in teacher
        else Lesson(teacher["params"], run.teacher_weights.read_bytes(), settings.distillation)
    )
