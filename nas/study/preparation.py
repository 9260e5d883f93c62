"""What a search needs before it starts, loaded and checked: data without its test part, space, what fits on each board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from codegen.boards import Board, load_board
from codegen.errors import UserError
from cost_models import CostModel, find_cost_model, load_cost_model
from nas.datasets import VALIDATION_FRACTION, Dataset, Split, load_train, split_validation
from nas.datasets.folds import suitable_folds, validation_folds
from nas.learning.made_anomalies import with_anomalies
from nas.metrics import CLASS_METRICS
from nas.metrics.confusion import suitable_metric
from nas.study.explanation_text import check_possible
from nas.study.feasibility import Feasibility
from nas.study.settings import SearchSettings
from search_spaces import Architecture, AudioSpace, AutoencoderSpace, DenseSpace, ImageSpace, SearchSpace, TimeSeriesSpace

if TYPE_CHECKING:
    from codegen.int4 import WeightBits
    from nas.inputs.program_inputs import RawInputs
    from nas.inputs.spectrograms import FrontEnds


@dataclass(frozen=True, slots=True)
class Preparation:
    """``boards`` say what fits on each; ``splits`` cut the data's train part into what is trained and what is validated on, once
    or, where ``folds`` ask for it, several times."""

    space: SearchSpace
    boards: tuple[Feasibility, ...]
    splits: tuple[Split, ...]
    folds: int

    @property
    def train_set(self) -> Dataset:
        """What the first split trains on."""
        return self.splits[0].train_set

    @property
    def validation(self) -> Dataset:
        """What the first split validates on."""
        return self.splits[0].validation

    @property
    def validated(self) -> int:
        """Examples that a network is validated on, in all splits together."""
        return sum(len(split.validation) for split in self.splits)

    def macs(self, architecture: Architecture) -> int:
        """Multiply-accumulates of an inference."""
        return self.boards[0].predict(architecture).macs


def space_for(dataset: Dataset, weight_bits: WeightBits = 8) -> SearchSpace:
    """The search space that suits the data, its networks with so many bits for the weights of wide layers.

    :raises UserError: for data that searches do not take yet, or of a shape that no network of the space takes.
    """
    return _space_for(dataset).with_weight_bits(weight_bits)


def _space_for(dataset: Dataset) -> SearchSpace:
    if dataset.normal is not None:
        return AutoencoderSpace(_spectrograms(dataset).reconstructed() if dataset.kind == "audio" else dataset.input_shape)
    classes = len(dataset.classes)
    if dataset.kind == "audio":
        return AudioSpace(_spectrograms(dataset).choices(), classes)
    if dataset.kind == "series":
        _, length, channels = dataset.input_shape
        return TimeSeriesSpace(length, channels, classes)
    if dataset.kind == "vector":
        return DenseSpace(dataset.input_shape, classes)
    return ImageSpace(dataset.input_shape, classes)


def front_ends_for(dataset: Dataset) -> FrontEnds | RawInputs | None:
    """What makes networks' inputs of the data; None where it is their input as it is."""
    from nas.inputs.program_inputs import raw_inputs_for

    return _spectrograms(dataset) if dataset.kind == "audio" else raw_inputs_for(dataset)


def _spectrograms(dataset: Dataset) -> FrontEnds:
    from nas.inputs.spectrograms import FrontEnds

    return FrontEnds.of(dataset)


def load_splits(settings: SearchSettings) -> tuple[tuple[Split, ...], int]:
    """The data to train and to validate on, judged by the metric of the settings, or by what suits the data; and the number of
    folds that was asked for, or suits the data.

    Anomalies to validate on are made of normal examples.

    :raises UserError: if the data cannot be read, has changed, has a class too small to be in both parts, or has not what the
        metric, folds or a teacher need.
    """
    data = load_train(settings.data, settings.reading)
    metric, folds = settings.metric, settings.folds
    if folds is None:
        single = data.normal is not None or data.validation is not None or settings.distill
        folds = 1 if single else suitable_folds(data.y)
    if data.normal is None:
        if metric == "auroc":
            raise UserError(f"--metric auroc: is of anomaly detectors; choose one of {', '.join(CLASS_METRICS)} for {data.name}")
        if settings.distill and folds > 1:
            raise UserError(f"--folds {folds}: a teacher has learnt what other folds validate on; give 1, or no --distill")
        return validation_folds(replace(data, metric=metric or suitable_metric(data.y)), folds, settings.seed), folds
    if metric not in (None, "auroc"):
        only = data.classes[data.normal]
        raise UserError(f"--metric {metric}: is of classifiers; {data.name} trains on {only!r} alone, choose auroc")
    if settings.distill:
        raise UserError(f"--distill: is of classifiers; an autoencoder, as for {data.name}, learns from its input alone")
    if settings.refit:
        raise UserError(f"--refit: is of classifiers; the alarm for {data.name} is set by normal examples that were not learnt")
    if folds > 1:
        raise UserError(f"--folds {folds}: is of classifiers; a detector of anomalies, as for {data.name}, is trained once")
    train_set, normal = split_validation(replace(data, metric="auroc"), VALIDATION_FRACTION, settings.seed)
    return (Split(train_set, with_anomalies(normal, settings.seed)),), folds


def prepare(settings: SearchSettings) -> Preparation:
    """Load and check.

    :raises UserError: for an unknown board, data that cannot be read or changed, a core without a cost model, a cost model for
        none of the boards, or limits that no network of the space meets.
    """
    splits, folds = load_splits(settings)
    boards = feasibilities(settings, splits[0].train_set)
    for fits in boards:
        check_possible(fits)
    return Preparation(boards[0].space, boards, splits, folds)


def feasibilities(settings: SearchSettings, dataset: Dataset) -> tuple[Feasibility, ...]:
    """Which networks for ``dataset`` fit on each board.

    :raises UserError: for an unknown board, data that searches do not take, a core without a cost model, or a cost model for none
        of the boards.
    """
    space, front_ends = space_for(dataset, settings.weight_bits), front_ends_for(dataset)
    boards = [load_board(name) for name in settings.boards]
    models = _cost_models(boards, settings)

    def feasibility(board: Board) -> Feasibility:
        return Feasibility(space, models[board.core], board, settings.limits_on(board), settings.confidence, front_ends)

    return tuple(map(feasibility, boards))


def _cost_models(boards: Sequence[Board], settings: SearchSettings) -> dict[str, CostModel]:
    """A model for each core: the one in the file that the settings name for it, or the one that comes for it."""
    cores = {board.core: board for board in boards}
    files: dict[str, Path] = {}
    for file in map(Path, settings.models):
        core = load_cost_model(file).core
        if core not in cores:
            raise UserError(f"--model {file}: is for {core}, but {', '.join(f'{b.name} has a {b.core}' for b in boards)}")
        if core in files:
            raise UserError(f"--model {file}: is for {core}, as {files[core]} is; give one for each core")
        files[core] = file
    return {core: find_cost_model(board, settings.optimize, files.get(core)) for core, board in cores.items()}
