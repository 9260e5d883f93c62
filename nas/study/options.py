"""The options of a search, as the command line, configuration files and :func:`nas.search` take them, and the settings they make.

What an option may be and what it is unless given stands here once. Nothing heavy is imported before settings are made.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codegen.errors import UserError
from nas.units import parse_weight_bits

if TYPE_CHECKING:
    from codegen.boards import Board
    from nas.study.settings import SearchSettings

DEFAULTS: Mapping[str, Any] = {
    "data": "digits",
    "board": "nucleo-l4r5zi",
    "sampler": "predictor",
    "start": "hand-designed",
    "pruner": "median",
    "confidence": 0.95,
    "seed": 0,
    "optimize": "balanced",
    "finalists": 3,
    "baselines": True,
    "distill": False,
    "refit": False,
    "weight_bits": 8,
}
"""Options that have a value unless one is given."""
TRIALS = 16
"""Trials, where neither they nor the time are limited."""
UNLIMITED = 1_000_000
"""Trials where only the time is limited."""
RANGES: Mapping[str, tuple[Any, Any]] = {
    "trials": (1, None),
    "confidence": (0.5, 0.999),
    "workers": (1, None),
    "seed": (0, 2**31 - 1),
    "folds": (1, 20),
    "finalists": (1, 100),
    "window": (1, None),
    "step": (1, None),
}
"""The least and the greatest value (None: there is none) of the options that are plain numbers."""


def settings_from_options(options: Mapping[str, Any], recipes: Mapping[str, Any], where: str) -> SearchSettings:
    """All that decides a search, of its options by name.

    :param options: a value, or None where none is given, for every option of :data:`nas.study.settings.OPTIONS`, sizes in bytes,
        times in seconds; what has a default must have a value.
    :param recipes: the tables :data:`nas.study.settings.TRAINING` of a configuration file, as far as they are given.
    :param where: names these in messages.
    :raises UserError: for data or a board that does not exist, boards that cannot be told apart, or a bad recipe.
    """
    from nas.datasets import Reading, check_data, is_path
    from nas.limits import given_limits, make_limits
    from nas.study.objectives import parse_objectives
    from nas.study.recipes import DISTILLATION, FINISHING, QUANTIZATION, SCREENING
    from nas.study.settings import READING, SearchSettings, read_recipe
    from nas.study.strategy import lag_for

    data = options["data"]
    metric, costs = parse_objectives(options["objective"], options["metric"])
    check_data(data)
    names = (options["board"],) if isinstance(options["board"], str) else tuple(options["board"])
    boards = load_boards(names)
    given = {key: options[key] for key in ("budget", "flash", "latency", "macs")}
    trials = options["trials"] or (TRIALS if options["time"] is None else UNLIMITED)
    workers = options["workers"] or _all_cores(options["ray_address"])
    return SearchSettings(
        data=os.path.abspath(data) if is_path(data) else data,
        reading=Reading(**{key: options[key] for key in READING}),
        split="",
        metric=metric,
        costs=costs,
        # A board file is found again from any directory.
        boards=tuple(os.path.abspath(name) if name.endswith(".toml") else name for name in names),
        # Of one board they are written down; of several each has its own.
        limits=make_limits(boards[0], **given) if len(boards) == 1 else given_limits(**given),
        trials=trials,
        time=options["time"],
        sampler=options["sampler"],
        start=options["start"],
        pruner=options["pruner"],
        confidence=options["confidence"],
        workers=workers,
        lag=lag_for(workers, trials),
        ray_address=options["ray_address"],
        seed=options["seed"],
        optimize=options["optimize"],
        models=tuple(os.path.abspath(model) for model in options["model"] or ()),
        finalists=options["finalists"],
        baselines=options["baselines"],
        distill=options["distill"],
        refit=options["refit"],
        folds=options["folds"],
        weight_bits=parse_weight_bits(str(options["weight_bits"])),
        screening=read_recipe(recipes, "screening", SCREENING, where),
        finishing=read_recipe(recipes, "finishing", FINISHING, where),
        quantization=read_recipe(recipes, "quantization", QUANTIZATION, where),
        distillation=read_recipe(recipes, "distillation", DISTILLATION, where),
        suit_quantization="augment" not in recipes.get("quantization", {}),
    )


def load_boards(names: Sequence[str]) -> tuple[Board, ...]:
    """The boards of a search by what ``--board`` says.

    :raises UserError: if there is no such board, or two of one name or, of several, one that is called like a part of a run.
    """
    from codegen.boards import load_board
    from nas.run_directory import PARTS

    boards = tuple(map(load_board, names))
    if len(boards) == 1:
        return boards
    for name, board in zip(names, boards, strict=True):
        if sum(other.name == board.name for other in boards) > 1:
            raise UserError(f"--board {name}: there are two boards called {board.name}; give each once, under a name of its own")
        if board.name in PARTS or board.name.startswith("."):
            raise UserError(f"--board {name}: {board.name!r} is no name for a folder of a run; give the board another name")
    if not boards:
        raise UserError("--board: give at least one board")
    return boards


def check_choices(options: Mapping[str, Any]) -> None:
    """Check the options that are one of a few words or a number of a range.

    :raises UserError: naming the first that is not.
    """
    from codegen.optimize import OPTIMIZE
    from nas.metrics import METRICS
    from nas.study.strategy import PRUNERS, SAMPLERS, STARTS

    if not isinstance(options.get("objective"), str | None):
        raise UserError(f"--objective {options['objective']!r}: give a text with commas, like accuracy,latency")

    words_of = {
        "sampler": tuple(SAMPLERS),
        "pruner": tuple(PRUNERS),
        "start": tuple(STARTS),
        "optimize": OPTIMIZE,
        "metric": METRICS,
    }
    for name, words in words_of.items():
        if options.get(name) is not None and options[name] not in words:
            raise UserError(f"--{name} {options[name]}: choose one of {', '.join(words)}")
    try:
        parse_weight_bits(str(options.get("weight_bits", 8)))
    except ValueError as error:
        raise UserError(f"--weight-bits {error}") from None
    for name in ("baselines", "distill", "refit"):
        if not isinstance(options.get(name, True), bool):
            raise UserError(f"--{name} {options[name]!r}: is neither True nor False")
    for name, (least, most) in RANGES.items():
        value = options.get(name)
        if value is None:
            continue
        kind = float if isinstance(least, float) else int
        if type(value) not in {kind, int}:
            raise UserError(f"--{name} {value!r}: is not a {'whole number' if kind is int else 'number'}")
        if not least <= value or (most is not None and not value <= most):
            raise UserError(f"--{name} {value}: give {f'{least} or more' if most is None else f'{least} to {most}'}")


def _all_cores(address: str | None) -> int:
    if address is None:
        return os.cpu_count() or 1
    from nas.ray_executor import cluster_cores

    return cluster_cores(address)
