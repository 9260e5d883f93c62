"""What a search needs before it starts, loaded and checked: board, data without its test part, space, feasibility."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from codegen.boards import Board, load_board
from codegen.errors import UserError
from cost_models import find_cost_model
from nas.datasets import VALIDATION_FRACTION, Dataset, load_train, split_validation
from nas.metrics.confusion import suitable_metric
from nas.search.feasibility import Feasibility
from nas.search.settings import SearchSettings
from search_spaces import DenseSpace, ImageSpace, SearchSpace, TimeSeriesSpace


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
    if dataset.task == "anomaly detection":
        only = dataset.classes[dataset.y[0]]
        raise UserError(f"data set {dataset.name}: trains on {only!r} alone; searches for anomaly detectors are not supported yet")
    if dataset.kind == "audio":
        raise UserError(f"data set {dataset.name}: searches over sounds are not supported yet; 'nas data' describes them")
    classes = len(dataset.classes)
    if dataset.kind == "series":
        _, length, channels = dataset.input_shape
        return TimeSeriesSpace(length, channels, classes)
    if dataset.kind == "vector":
        return DenseSpace(dataset.input_shape, classes)
    return ImageSpace(dataset.input_shape, classes)


def load_parts(settings: SearchSettings) -> tuple[Dataset, Dataset]:
    """The data to train and to validate on, judged by the metric of the settings, or by what suits the data.

    :raises UserError: if the data cannot be read, has changed, or has a class too small to be in both parts.
    """
    data = load_train(settings.data, settings.reading)
    data = replace(data, metric=settings.metric or suitable_metric(data.y))
    return split_validation(data, VALIDATION_FRACTION, settings.seed)


def prepare(settings: SearchSettings, model: Path | None = None) -> Preparation:
    """Load and check; the cost model is the one in the file ``model``, or the one that the settings name.

    :raises UserError: for an unknown board, data that cannot be read or changed, a core without a cost model, or limits that no
        network of the space meets.
    """
    board = load_board(settings.board)
    file = model or (None if settings.model is None else Path(settings.model))
    cost_model = find_cost_model(board, settings.optimize, file)
    train_set, validation = load_parts(settings)
    space = space_for(train_set)
    feasibility = Feasibility(space, cost_model, board, settings.limits, settings.confidence)
    feasibility.check_possible()
    return Preparation(board, space, feasibility, train_set, validation)
