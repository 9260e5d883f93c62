"""The main job."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.errors import UserError
from nas.api._arguments import AnyPath, BoardLike, Count, Duration, Size, board_names, duration, limits, naming_arguments
from nas.api._run import Run
from nas.run_directory import RunDirectory

if TYPE_CHECKING:
    from codegen.int4 import WeightBits
    from codegen.optimize import Optimize
    from nas.datasets import Kind
    from nas.metrics import Metric
    from nas.progress import Progress
    from nas.study.running import Search

Recipe = Mapping[str, "int | float | bool"]
"""How to train, as the tables of ``search.toml`` have it: ``epochs``, ``batch_size``, ``learning_rate``, …"""


@naming_arguments()
def search(
    data: AnyPath | None = None,
    *,
    board: BoardLike | Sequence[BoardLike] | None = None,
    budget: Size | None = None,
    flash: Size | None = None,
    latency: Duration | None = None,
    macs: Count | None = None,
    trials: int | None = None,
    time: Duration | None = None,
    seed: int | None = None,
    sampler: str | None = None,
    start: str | None = None,
    pruner: str | None = None,
    metric: Metric | None = None,
    objective: str | None = None,
    confidence: float | None = None,
    optimize: Optimize | None = None,
    finalists: int | None = None,
    baselines: bool | None = None,
    distill: bool | None = None,
    refit: bool | None = None,
    folds: int | None = None,
    weight_bits: WeightBits | None = None,
    workers: int | None = None,
    ray_address: str | None = None,
    model: AnyPath | Sequence[AnyPath] | None = None,
    format: str | None = None,
    kind: Kind | None = None,
    window: int | None = None,
    step: int | None = None,
    size: str | None = None,
    screening: Recipe | None = None,
    finishing: Recipe | None = None,
    quantization: Recipe | None = None,
    distillation: Recipe | None = None,
    config: AnyPath | None = None,
    out: AnyPath | None = None,
    progress: bool = False,
) -> Run:
    """Find the most accurate network that fits, and leave it as a C project. It takes minutes.

    Equal arguments give equal results, here and at the command line, whose options these are. What is None is as ``config`` says,
    else as the default.

    :param data: folder or file to learn; by default scikit-learn's digits.
    :param board: a name of the catalogue, or the path of a board file; by default ``"nucleo-l4r5zi"``. Of several in a
        list each has its winner (``run.on(board).winner``), and a network that fits on some of them is trained once.
    :param budget: most RAM in bytes, or like ``"64KB"``: arena, stack and static variables of the model; by default the board's
        memory less what its file reserves.
    :param flash: most flash, like ``budget``: code, constants and support routines.
    :param latency: longest inference on the board in seconds, or like ``"50ms"``.
    :param macs: most multiply-accumulates of an inference, like ``"2.7M"``.
    :param trials: networks to train in the search, by default 16, or as many as ``time`` allows.
    :param time: begin no trial after so many seconds, or a text like ``"10m"``.
    :param seed: 0 by default.
    :param sampler: how networks are proposed: ``"predictor"`` (default), ``"evolution"``, ``"random"``, ``"tpe"``, ``"nsgaii"`` or
        ``"gp"``.
    :param start: what the first trial is: ``"hand-designed"`` (default), the widest form that fits of a published network, or
        ``"random"``, as it always is where the sampler is random.
    :param pruner: which trials are stopped early: ``"median"`` (default), ``"halving"`` or ``"none"``.
    :param metric: what networks are judged by; by default what suits the data.
    :param objective: what is wanted, like ``"accuracy,latency"``: the metric and any of ``ram``, ``flash``, ``latency``, ``macs``.
        Finalists are then spread over the front, and the winner is the cheapest that is as accurate as the best up to a standard
        error.
    :param confidence: a candidate fits if the upper end of the prediction's interval at this confidence (0.95) does.
    :param optimize: what the C compiler optimises for: ``"speed"``, ``"balanced"`` (default) or ``"size"``.
    :param finalists: best trials to train fully, quantise, build and measure, by default 3.
    :param baselines: whether to run a random search, the largest network that fits and a hand-designed one, for comparison; True by
        default.
    :param distill: whether finalists learn from a larger network, too, that is trained first; False by default, not for anomalies.
    :param refit: whether finalists are trained once more for what is built, on the validation data, too; False by default, not for
        anomalies.
    :param folds: how many times every network is trained, each time with another fold to validate on, before what is built learns
        all of them; by default 5 for data of which one part to validate on had fewer than 100 examples, else 1.
    :param weight_bits: bits that weights of wide layers take in flash: 8 by default, or 4 where flash is short.
    :param workers: trainings at a time, by default one for each core.
    :param ray_address: train on this Ray cluster (``"host:port"`` or ``"auto"``) instead of this machine.
    :param model: a cost model that ``nas calibrate`` wrote, or one for each core of the boards in a list; by default what comes for
        the core.
    :param format: form of the data, see ``docs/data.md``; so are ``kind``, ``window``, ``step`` and ``size``.
    :param screening: how trials are trained, like ``{"epochs": 8}``; what it leaves out is as usual.
    :param finishing: how finalists are trained; ``quantization``: how they are fine-tuned in int8; ``distillation``: how
        they learn from a larger network, like ``{"temperature": 4.0, "weight": 0.5}``.
    :param config: a file like a run's ``search.toml``.
    :param out: run directory to make; by default ``runs/<data>-<k>``.
    :param progress: show the search on standard error while it runs.
    :raises UserError: if an argument or the data cannot be used, no network fits, or none that was built does.
    """
    from nas.files import read_toml
    from nas.study.options import DEFAULTS, check_choices, settings_from_options
    from nas.study.running import begin
    from nas.study.settings import OPTIONS, located, read_options

    where = f"--config {config}"
    document = {} if config is None else read_toml(Path(config))
    given: dict[str, Any] = {
        "data": None if data is None else os.fspath(data),
        "board": None if board is None else board_names(board),
        "model": None if model is None else [os.fspath(m) for m in ([model] if isinstance(model, (str, os.PathLike)) else model)],
        "budget": budget,
        "flash": flash,
        "latency": latency,
        "macs": macs,
        "trials": trials,
        "time": time,
        "seed": seed,
        "sampler": sampler,
        "start": start,
        "pruner": pruner,
        "metric": metric,
        "objective": objective,
        "confidence": confidence,
        "optimize": optimize,
        "finalists": finalists,
        "baselines": baselines,
        "distill": distill,
        "refit": refit,
        "folds": folds,
        "weight_bits": weight_bits,
        "workers": workers,
        "ray_address": ray_address,
        "format": format,
        "kind": kind,
        "window": window,
        "step": step,
        "size": size,
    }
    options = dict.fromkeys(OPTIONS) | dict(DEFAULTS)
    options |= {} if config is None else located(read_options(document, where), Path(config).parent)
    options |= {key: value for key, value in given.items() if value is not None}
    options |= limits(**{key: options[key] for key in ("budget", "flash", "latency", "macs")})
    options["time"] = duration("time", options["time"])
    check_choices(options)
    recipes = {"screening": screening, "finishing": finishing, "quantization": quantization, "distillation": distillation}
    tables = dict(document)
    for key, recipe in recipes.items():
        if recipe is not None and isinstance(table := tables.get(key, {}), dict):
            tables[key] = {**table, **recipe}
    settings = settings_from_options(options, tables, where if config is not None else "nas.search")
    return _carried_out(begin(settings, None if out is None else Path(out)), progress)


@naming_arguments()
def resume(run: AnyPath | Run, *, progress: bool = False) -> Run:
    """Go on with a search that was stopped, crashed or was killed; one that has ended stays as it is.

    With the same seed and number of trials the result is that of an undisturbed run.

    :param progress: show the search on standard error while it runs.
    :raises UserError: if there is no run, it is damaged, its data has changed, or another process works on it.
    """
    from nas.study.running import reopen

    directory = RunDirectory.open(run.path if isinstance(run, Run) else Path(run))
    if directory.report.is_file():
        return Run(directory.path)
    return _carried_out(reopen(directory), progress)


def _carried_out(started: Search, shown: bool) -> Run:
    """Search to the end; what happens is told on standard error if ``shown``."""
    from nas.progress import PlainProgress, SilentProgress
    from nas.study.driver import NothingFitsError
    from nas.summary import opening

    def progress() -> Progress:
        return PlainProgress(sys.stderr) if shown else SilentProgress()

    def opened(cut: int) -> None:
        if not shown:
            return
        notes = [opening(started.run, started.settings, started.preparation)]
        notes += [*started.warnings(), *([started.torn(cut)] if cut else [])]
        print("\n".join(notes), file=sys.stderr)

    try:
        started.carry_out(progress, opened)
    except NothingFitsError as error:
        raise UserError(str(error)) from error
    return Run(started.run.path)
