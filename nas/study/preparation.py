"""What a search needs before it starts, loaded and checked: board, data without its test part, space, feasibility."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.boards import Board, load_board
from codegen.errors import UserError
from cost_models import find_cost_model
from nas.anomaly import with_anomalies
from nas.datasets import VALIDATION_FRACTION, Dataset, load_train, split_validation
from nas.metrics import CLASS_METRICS
from nas.metrics.confusion import suitable_metric
from nas.study.explanation_text import check_possible
from nas.study.feasibility import Feasibility
from nas.study.settings import SearchSettings
from search_spaces import AudioSpace, AutoencoderSpace, DenseSpace, ImageSpace, SearchSpace, TimeSeriesSpace

if TYPE_CHECKING:
    from nas.spectrograms import FrontEnds


@dataclass(frozen=True, slots=True)
class Preparation:
    """``train_set`` and ``validation`` are cut from the data's train part."""

    board: Board
    space: SearchSpace
    feasibility: Feasibility
    train_set: Dataset
    validation: Dataset


def space_for(dataset: Dataset) -> SearchSpace:
    """The search space that suits the data.

    :raises UserError: for data that searches do not take yet, or of a shape that no network of the space takes.
    """
    if dataset.normal is not None:
        if dataset.kind == "audio":
            raise UserError(f"data set {dataset.name}: searches for anomalies in sounds are not supported yet")
        return AutoencoderSpace(dataset.input_shape)
    classes = len(dataset.classes)
    if (front_ends := front_ends_for(dataset)) is not None:
        return AudioSpace(front_ends.choices(), classes)
    if dataset.kind == "series":
        _, length, channels = dataset.input_shape
        return TimeSeriesSpace(length, channels, classes)
    if dataset.kind == "vector":
        return DenseSpace(dataset.input_shape, classes)
    return ImageSpace(dataset.input_shape, classes)


def front_ends_for(dataset: Dataset) -> FrontEnds | None:
    """What makes networks' inputs of the data; None where it is their input as it is."""
    if dataset.kind != "audio":
        return None
    from nas.spectrograms import FrontEnds

    return FrontEnds.of(dataset)


def load_parts(settings: SearchSettings) -> tuple[Dataset, Dataset]:
    """The data to train and to validate on, judged by the metric of the settings, or by what suits the data.

    Anomalies to validate on are made of normal examples.

    :raises UserError: if the data cannot be read, has changed, has a class too small to be in both parts, or has not what the
        metric needs.
    """
    data = load_train(settings.data, settings.reading)
    metric = settings.metric
    if data.normal is None:
        if metric == "auroc":
            raise UserError(f"--metric auroc: is of anomaly detectors; choose one of {', '.join(CLASS_METRICS)} for {data.name}")
        return split_validation(replace(data, metric=metric or suitable_metric(data.y)), VALIDATION_FRACTION, settings.seed)
    if metric not in (None, "auroc"):
        only = data.classes[data.normal]
        raise UserError(f"--metric {metric}: is of classifiers; {data.name} trains on {only!r} alone, choose auroc")
    train_set, normal = split_validation(replace(data, metric="auroc"), VALIDATION_FRACTION, settings.seed)
    return train_set, with_anomalies(normal, settings.seed)


def prepare(settings: SearchSettings, model: Path | None = None) -> Preparation:
    """Load and check; the cost model is the one in the file ``model``, or the one that the settings name.

    :raises UserError: for an unknown board, data that cannot be read or changed, a core without a cost model, or limits that no
        network of the space meets.
    """
    train_set, validation = load_parts(settings)
    feasibility = feasibility_for(settings, train_set, model)
    check_possible(feasibility)
    return Preparation(feasibility.board, feasibility.space, feasibility, train_set, validation)


def feasibility_for(settings: SearchSettings, dataset: Dataset, model: Path | None = None) -> Feasibility:
    """Which networks for ``dataset`` fit; ``model`` as in :func:`prepare`.

    :raises UserError: for an unknown board, data that searches do not take, or a core without a cost model.
    """
    board = load_board(settings.board)
    file = model or (None if settings.model is None else Path(settings.model))
    cost_model = find_cost_model(board, settings.optimize, file)
    space, front_ends = space_for(dataset), front_ends_for(dataset)
    return Feasibility(space, cost_model, board, settings.limits, settings.confidence, front_ends)
