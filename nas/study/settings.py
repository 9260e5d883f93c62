"""Everything that decides the result of a search, and its form in ``search.toml``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from codegen.boards import load_board
from codegen.errors import UserError
from cost_models.limits import Limits
from nas.datasets import is_path
from nas.datasets.reading import Reading
from nas.limits import limits_of
from nas.metrics import METRICS, Metric
from nas.run_directory import BOARD_FILES, MODEL, SETTINGS, BoardDirectory, RunDirectory
from nas.study.objectives import Cost, parse_objectives

if TYPE_CHECKING:
    from codegen.boards import Board
    from codegen.int4 import WeightBits
    from codegen.optimize import Optimize
    from nas.datasets import Dataset
    from nas.learning.distillation import Distillation
    from nas.learning.training import Recipe

FORMAT = 1

READING = ("format", "kind", "window", "step", "size")
"""Options that say how the data is read."""
OPTIONS = (
    "data",
    *READING,
    "metric",
    "objective",
    "board",
    "budget",
    "flash",
    "latency",
    "macs",
    "trials",
    "time",
    "sampler",
    "start",
    "pruner",
    "confidence",
    "workers",
    "ray_address",
    "seed",
    "optimize",
    "model",
    "finalists",
    "baselines",
    "distill",
    "refit",
    "folds",
    "weight_bits",
)
"""Keys of the ``[search]`` table; each is the option of ``nas search`` of that name."""
TRAINING = ("screening", "finishing", "quantization", "distillation")
"""Tables that say how networks are trained."""
WORDS = ("data", "format", "kind", "size", "metric", "objective", "sampler", "start", "pruner", "ray_address", "optimize")
"""Those that are texts."""
LISTS = ("board", "model")
"""Those that may be given several times: in a file a text or a list of texts."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """The options of ``nas search``, all explicit.

    ``data`` is a name or an absolute path, ``reading`` how what is there is read, with the hash of its content, ``split`` how
    it is divided, in words. ``metric`` is what networks are judged by (None: what suits the data), ``costs`` what is to be
    small beside. ``boards`` are names of the catalogue or paths of board files, ``limits`` (bytes, milliseconds and MACs) those
    of every board (see :meth:`limits_on`). ``time`` is in seconds (None: no limit). ``screening`` is how each trial is trained,
    ``finishing`` how the finalists are (small ones longer, see :mod:`nas.study.compute`), ``quantization`` their
    quantisation-aware fine-tuning. ``distill`` is whether they learn from a larger network, too, and ``distillation`` how;
    ``refit`` whether they are trained once more on all data but the test part. ``folds`` is how many times every network is
    trained, each time with another part to validate on (None: as suits the data), and ``suit_quantization`` whether fine-tuning is
    to vary examples where that suits the data; :meth:`of_data` settles both.
    ``weight_bits`` are those of the weights of wide layers (:mod:`codegen.int4`).
    ``start`` is what the first trial is (one of :data:`nas.study.strategy.STARTS`), ``pruner`` what stops trials early; ``lag`` is
    how many numbers older trials are at least whose results a proposal and the pruner see (:func:`nas.study.strategy.lag_for`).
    ``models`` are cost-model files, one at most for a core; other cores have those that come for them.
    """

    data: str
    reading: Reading
    split: str
    metric: Metric | None
    costs: tuple[Cost, ...]
    boards: tuple[str, ...]
    limits: Limits
    trials: int
    time: float | None
    sampler: str
    start: str
    pruner: str
    confidence: float
    workers: int
    lag: int
    ray_address: str | None
    seed: int
    optimize: Optimize
    models: tuple[str, ...]
    finalists: int
    baselines: bool
    distill: bool
    refit: bool
    folds: int | None
    weight_bits: WeightBits
    screening: Recipe
    finishing: Recipe
    quantization: Recipe
    distillation: Distillation
    suit_quantization: bool = False

    @property
    def population(self) -> int:
        """Size of the evolution's population: a third of a board's trials, within reason."""
        return max(3, min(50, self.trials // (3 * len(self.boards))))

    @property
    def refits(self) -> bool:
        """Whether what is built has learnt the validation data, too: of several folds no network stands for all."""
        return self.refit or (self.folds or 1) > 1

    def limits_on(self, board: Board) -> Limits:
        """The limits on ``board``: of RAM and flash, where there is none, what the board has for a network."""
        return limits_of(board, self.limits)

    def directory(self, run: RunDirectory, board: str) -> BoardDirectory:
        """Where ``run``, which has these settings, keeps what it has of the board of this name."""
        return run if len(self.boards) == 1 else run.of_board(board)

    def of_data(self, dataset: Dataset, folds: int) -> SearchSettings:
        """The same with what :attr:`data` was found to be, ``dataset``, and what suits it: content, split, metric, ``folds``,
        fine-tuning. Where there are several folds no trial is stopped early: each is trained on them one after the other."""
        from nas.learning.quantization import fine_tunes_varied

        reading, quantization = dataclasses.replace(self.reading, hash=dataset.hash), self.quantization
        if self.suit_quantization:
            quantization = dataclasses.replace(quantization, augment=fine_tunes_varied(dataset))
        found = dataclasses.replace(self, reading=reading, split=dataset.split, metric=dataset.metric, folds=folds)
        pruner = self.pruner if folds == 1 else "none"
        return dataclasses.replace(found, quantization=quantization, suit_quantization=False, pruner=pruner)

    def kept(self) -> tuple[SearchSettings, dict[str, bytes]]:
        """The same with board files and cost model where the run directory keeps them, and their content by path.

        What becomes of the originals then changes nothing.

        :raises UserError: if one cannot be read.
        """
        files: dict[str, bytes] = {}
        boards = []
        for name in self.boards:
            place = name
            if name.endswith(".toml"):
                place = f"{BOARD_FILES}/{load_board(name).name}.toml"
                files[place] = Path(name).read_bytes()
            boards.append(place)
        models = []
        for number, model in enumerate(self.models):
            models.append(MODEL if number == 0 else f"{Path(MODEL).stem}_{number + 1}.json")
            files[models[-1]] = Path(model).read_bytes()
        return dataclasses.replace(self, boards=tuple(boards), models=tuple(models)), files

    def to_toml(self) -> str:
        """The content of ``search.toml``: what ``nas search --config`` reads, and the versions that it ran with."""
        import tomli_w

        search: dict[str, Any] = {key: getattr(self, key) for key in OPTIONS if hasattr(self, key)}
        search["objective"] = ",".join(self.costs) or None
        search["board"] = self.boards[0] if len(self.boards) == 1 else list(self.boards)
        search["model"] = list(self.models) if len(self.models) > 1 else next(iter(self.models), None)
        search |= {key: getattr(self.reading, key) for key in READING}
        limits = self.limits
        search |= {"budget": limits.ram, "flash": limits.flash, "macs": limits.macs}
        search["latency"] = None if limits.latency_ms is None else f"{limits.latency_ms!r}ms"
        search["time"] = None if self.time is None else f"{self.time!r}s"
        document = {
            "format": FORMAT,
            "lag": self.lag,
            "search": {key: search[key] for key in OPTIONS if search[key] is not None},
            "screening": dataclasses.asdict(self.screening),
            "finishing": dataclasses.asdict(self.finishing),
            "quantization": dataclasses.asdict(self.quantization),
            "distillation": dataclasses.asdict(self.distillation),
            "versions": versions(),
        }
        if self.reading.hash is not None:
            document["data"] = {"hash": self.reading.hash, "split": self.split}
        header = "# Reproduces this run: nas search --config search.toml\n\n"
        return header + tomli_w.dumps(document)


def _optimize(value: object) -> Optimize:
    from codegen.optimize import OPTIMIZE

    if value not in OPTIMIZE:
        raise ValueError(f"optimize cannot be {value!r}")
    return value


def _lag(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"lag cannot be {value!r}")
    return value


def _metric(value: object) -> Metric | None:
    if value is not None and value not in METRICS:
        raise ValueError(f"metric cannot be {value!r}")
    return value


def versions() -> dict[str, str]:
    """Versions of what the results depend on."""
    import platform
    from importlib.metadata import version

    packages = ("mcu-nas", "apache-tvm", "numpy", "optuna", "ray", "scikit-learn", "torch", "unicorn", "ziglang")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def read_options(document: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The ``[search]`` table of a configuration file, checked for unknown keys.

    :raises UserError: naming ``where`` and the key.
    """
    if document.get("format") != FORMAT:
        raise UserError(f"{where}: format is {document.get('format')!r}, this version reads format = {FORMAT}")
    unknown = sorted(set(document) - {"format", "lag", "search", "data", *TRAINING, "versions"})
    if unknown:
        raise UserError(f"{where}: unknown table or key {unknown[0]!r}")
    options = document.get("search", {})
    if not isinstance(options, dict):
        raise UserError(f"{where}: [search] must be a table")
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise UserError(f"{where}: [search] has no option {unknown[0]!r}; it has {', '.join(OPTIONS)}")
    for key in (*WORDS, *LISTS):
        value = options.get(key, "")
        many = key in LISTS
        several = many and isinstance(value, list) and all(isinstance(item, str) for item in value)
        if not isinstance(value, str) and not several:
            raise UserError(f"{where}: [search] {key} cannot be {value!r}; give a text{' or a list of texts' * many}")
    return options


def located(options: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """``options`` of a configuration file in ``folder``, :data:`LISTS` as lists; paths that are not absolute are relative to it."""
    found = dict(options)
    found |= {key: [found[key]] if isinstance(found[key], str) else list(found[key]) for key in LISTS if key in found}
    if "board" in found:
        found["board"] = [str(folder / board) if str(board).endswith(".toml") else board for board in found["board"]]
    if "model" in found:
        found["model"] = [str(folder / model) for model in found["model"]]
    if "data" in found and is_path(str(found["data"])):
        found["data"] = str(folder / found["data"])
    return found


Table = TypeVar("Table", "Recipe", "Distillation")


def read_recipe(document: Mapping[str, Any], table: str, default: Table, where: str) -> Table:
    """One of the :data:`TRAINING` tables of a configuration file; what it leaves out is as in ``default``.

    :raises UserError: naming ``where`` and the key.
    """
    values = document.get(table, {})
    if not isinstance(values, dict):
        raise UserError(f"{where}: [{table}] must be a table")
    known = {field.name: getattr(default, field.name) for field in dataclasses.fields(default)}
    for key, value in values.items():
        if key not in known:
            raise UserError(f"{where}: [{table}] has no key {key!r}; it has {', '.join(known)}")
        expected = type(known[key])
        if type(value) is not expected and not (expected is float and type(value) is int):
            raise UserError(f"{where}: [{table}] {key} must be of type {expected.__name__}, not {value!r}")
        if expected in (int, float) and not 0 <= value < 1e6:
            raise UserError(f"{where}: [{table}] {key} = {value!r} is out of range")
    try:
        return dataclasses.replace(default, **values)
    except ValueError as error:
        raise UserError(f"{where}: [{table}] {error}") from None


def read_settings(document: Mapping[str, Any], where: str, folder: Path) -> SearchSettings:
    """The settings that the ``search.toml`` of the run directory ``folder`` holds.

    :raises UserError: naming ``where`` if an option is missing or damaged.
    """
    from nas.learning.distillation import Distillation
    from nas.learning.training import Recipe
    from nas.units import parse_duration, parse_weight_bits

    options = read_options(document, where)
    origin = document.get("data", {})
    recipe = Recipe(least_steps=1)  # versions that did not write it went over the data once an epoch
    try:
        options = located(options, folder)
        latency = None if "latency" not in options else 1e3 * parse_duration(options["latency"])
        return SearchSettings(
            data=str(options["data"]),
            reading=Reading(**{key: options.get(key) for key in READING}, hash=origin.get("hash")),
            split=str(origin.get("split", "")),
            metric=_metric(options.get("metric")),
            costs=parse_objectives(options.get("objective"), None)[1],
            boards=tuple(map(str, options["board"])),
            limits=Limits(options.get("budget"), options.get("flash"), latency, options.get("macs")),
            trials=int(options["trials"]),
            time=None if "time" not in options else parse_duration(options["time"]),
            sampler=str(options["sampler"]),
            start=str(options.get("start", "random")),  # which it was in versions that did not write it
            pruner=str(options.get("pruner", "none")),  # which versions had that did not write it
            confidence=float(options["confidence"]),
            workers=int(options["workers"]),
            lag=_lag(document.get("lag", options["workers"])),  # which it was in versions that did not write it
            ray_address=options.get("ray_address"),
            seed=int(options["seed"]),
            optimize=_optimize(options["optimize"]),
            models=tuple(map(str, options.get("model", ()))),
            finalists=int(options["finalists"]),
            baselines=bool(options["baselines"]),
            distill=bool(options.get("distill", False)),  # runs of versions that could not had no teacher
            refit=bool(options.get("refit", False)),  # nor a refit
            folds=int(options.get("folds", 1)),  # nor folds
            weight_bits=parse_weight_bits(str(options.get("weight_bits", 8))),  # nor others
            screening=read_recipe(document, "screening", recipe, where),
            finishing=read_recipe(document, "finishing", recipe, where),
            quantization=read_recipe(document, "quantization", recipe, where),
            distillation=read_recipe(document, "distillation", Distillation(), where),
        )
    except KeyError as error:
        raise UserError(f"{where}: [search] lacks {error}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{where}: [search] is damaged: {error}") from None


def read_run_settings(run: RunDirectory) -> SearchSettings:
    """The settings in the run's ``search.toml``.

    :raises UserError: as :func:`read_settings`.
    """
    return read_settings(run.settings(), str(run.path / SETTINGS), run.path)
