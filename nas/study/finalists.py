"""The finalists: fully trained, quantised, built and measured; each is kept in the run directory as soon as it is done."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cost_models.limits import Limits, built_violations
from nas.datasets import name_of
from nas.executor import Executor, Outcome
from nas.files import read_json, write_atomically, write_json
from nas.progress import Progress
from nas.run_directory import BoardDirectory, RunDirectory
from nas.study.compute import lengthened, shortened
from nas.study.feasibility import Feasibility
from nas.study.objectives import Cost, cost_values, merits, spread, undominated
from nas.study.preparation import Preparation
from nas.study.settings import SearchSettings
from nas.study.several_boards import figures_on
from nas.study.tasks import Finished, build, finish, graph_from_bytes, training_seed
from search_spaces import Architecture

if TYPE_CHECKING:
    from codegen.features import Preprocessing
    from nas.streaming import Judge
    from nas.study.study_source import StudySource

FORMAT = 1
JUDGE = ".judge.safetensors"
"""Ending of the int8 graph of a finalist that was refit, as it was before that."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that may become a finalist: trial ``number`` of ``study``, or (without a number) a baseline of its own."""

    study: str
    number: int | None
    architecture: Architecture
    screening: float | None
    """Validation accuracy (0..1) as a trial."""
    effort: float = 1.0
    """Fraction of the recipes' epochs that it is trained for."""


@dataclass(frozen=True, slots=True)
class Curves:
    """How the training of a finalist's float network went, by epoch: ``accuracy`` (0..1, by the run's metric) on the validation
    data, mean training ``loss``, which is empty in runs of versions that did not keep it."""

    accuracy: tuple[float, ...]
    loss: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Finalist:
    """Figures of a finished network; accuracies (0..1) on the validation data, ``built`` as ``nas verify --json`` prints it."""

    architecture: str
    params: Mapping[str, int | str]
    float_accuracy: float
    int8_accuracy: float
    built: Mapping[str, Any]
    seconds: float
    features: Mapping[str, Any] | None = None
    """What makes the network's inputs of raw numbers, as JSON (:meth:`codegen.features.Preprocessing.to_json`)."""
    refit: bool = False
    """Whether the network was trained once more, on the validation data, too; the accuracies are of the one before that."""
    judge_features: Mapping[str, Any] | None = None
    """Of a refit, what makes the inputs of the network before that."""
    fine_tuned: bool = True
    """Whether its int8 form was fine-tuned, as it always was in older versions; else it is the float network, rounded."""

    @property
    def front_end(self) -> Preprocessing | None:
        """What makes the network's inputs of raw numbers; None where nobody knows these."""
        from codegen.features import front_end_from_json

        return None if self.features is None else front_end_from_json(self.features)

    def broken(self, limits: Limits) -> tuple[str, ...]:
        """Names of the limits that the built program breaks."""
        return tuple(violation.limit for violation in built_violations(self.built, limits))


def ranked(source: StudySource, board: str, costs: Sequence[Cost], most: int) -> list[Candidate]:
    """The trials of a study that fit on a board, most promising first; equals by predicted latency, then by number. With ``costs``
    that are to be small the first ``most`` are the most promising one and those that tell most of the front (:func:`spread`).

    The accuracy of one short training is mostly luck, which a finalist, trained anew, does not keep. A predictor of all results
    tells what its parameters and costs are worth (``docs/search.md``); those that were stopped early tell it something, and are
    none of the candidates.
    """
    from nas.samplers import Features, Predictor, Result, values_of

    trials, ended = source.completed(), source.study.get_trials(deepcopy=False)
    if not trials:
        return []
    results = [
        Result(trial.number, source.space.from_params(trial.params), value)
        for trial, value in zip(ended, values_of(ended), strict=True)
        if value is not None
    ]
    architectures = [source.space.from_params(trial.params) for trial in trials]
    values = [trial.value or 0.0 for trial in trials]
    worth, _ = Predictor(Features(source.space, source.costs), results).predict(architectures)
    fitting = {at: figures for at, trial in enumerate(trials) if (figures := figures_on(trial, board)) is not None}
    order = sorted(fitting, key=lambda at: (-worth[at], fitting[at]["latency_ms"], trials[at].number))
    if costs:
        order = [order[place] for place in spread([merits(float(worth[at]), fitting[at], costs) for at in order], most)]
    return [Candidate(source.label, trials[at].number, architectures[at], values[at]) for at in order]


@dataclass(frozen=True, slots=True)
class _Job:
    """A finalist to make: ``known`` is what there is of it from another of the boards, of which it lacks the ``boards``."""

    candidate: Candidate
    boards: tuple[Feasibility, ...]
    known: BoardDirectory | None


class FinalistStage:
    """Finishes candidates on the workers; those that are in the run directory already are read from there.

    A network is trained once, whatever the number of boards that it is a finalist on, and built for each of them. ``splits``
    and ``lesson`` (or None) are shared by the executor.
    """

    def __init__(
        self,
        run: RunDirectory,
        settings: SearchSettings,
        preparation: Preparation,
        executor: Executor,
        splits: Any,
        progress: Progress,
        lesson: Any = None,
    ) -> None:
        self._run = run
        self._settings = settings
        self._preparation = preparation
        self._executor = executor
        self._splits = splits
        self._progress = progress
        self._lesson = lesson
        names = [fits.board.name for fits in preparation.boards]
        self._places = {name: settings.directory(run, name) for name in names}
        self.done: dict[str, dict[str, Finalist]] = {name: {} for name in names}
        """Finalists by board and architecture."""
        self.failed: dict[str, dict[str, str]] = {name: {} for name in names}

    def finish(self, candidates: Mapping[str, Sequence[Candidate]]) -> None:
        """Fill :attr:`done` (or :attr:`failed`) for every board's candidates; the longest trainings start first."""
        jobs = self._jobs(candidates)
        if not jobs:
            return
        self._progress.phase("finalists: full training, int8, build, measurement", len(jobs))

        def work(job: _Job) -> tuple[float, str]:
            architecture = job.candidate.architecture
            return -job.candidate.effort * self._preparation.macs(architecture), architecture.id

        tickets = {self._submit(job): job for job in sorted(jobs, key=work)}
        while tickets:
            outcome = self._executor.wait()
            self._progress.step(self._ended(tickets.pop(outcome.ticket), outcome))

    def built(self, board: str, candidates: Sequence[Candidate]) -> bool:
        """Whether any of them was built for the board, so that it is the limits and not an error that they failed by."""
        return any(candidate.architecture.id in self.done[board] for candidate in candidates)

    def _jobs(self, candidates: Mapping[str, Sequence[Candidate]]) -> list[_Job]:
        wanted: dict[str, Candidate] = {}
        lacking: dict[str, list[Feasibility]] = {}
        for fits in self._preparation.boards:
            name = fits.board.name
            for candidate in candidates.get(name, ()):
                key = candidate.architecture.id
                if key in self.done[name] or key in self.failed[name]:
                    continue
                stored = read_finalist(self._places[name], key)
                if stored is not None:
                    self.done[name][key] = stored
                    continue
                if key not in wanted or candidate.effort > wanted[key].effort:
                    wanted[key] = candidate
                if fits not in lacking.setdefault(key, []):
                    lacking[key].append(fits)
        return [_Job(candidate, tuple(lacking[key]), self._known(key)) for key, candidate in wanted.items()]

    def _known(self, architecture: str) -> BoardDirectory | None:
        return next((place for place in self._places.values() if place.figures(architecture).is_file()), None)

    def _submit(self, job: _Job) -> int:
        settings, preparation = self._settings, self._preparation
        space, architecture, effort = preparation.space, job.candidate.architecture, job.candidate.effort
        name, boards = c_name(name_of(settings.data)), [fits.board for fits in job.boards]
        if job.known is not None:
            graph = self._run.finalist_file(architecture.id, ".safetensors").read_bytes()
            known = read_finalist(job.known, architecture.id)
            assert known is not None
            return self._executor.submit(build, graph, known.front_end, self._splits, name, boards, settings.optimize)
        return self._executor.submit(
            finish,
            space,
            space.params(architecture),
            self._splits,
            shortened(lengthened(settings.finishing, preparation.macs(architecture)), effort),
            shortened(settings.quantization, effort),
            training_seed(settings.seed, architecture.id),
            name,
            boards,
            settings.optimize,
            self._lesson,
            settings.refits,
        )

    def _ended(self, job: _Job, outcome: Outcome) -> str:
        """Keep what came of a job; returns it in words."""
        candidate, key = job.candidate, job.candidate.architecture.id
        name = candidate.study if candidate.number is None else f"{candidate.study} {candidate.number}"
        boards = [fits.board.name for fits in job.boards]
        if outcome.error is not None:
            for board in boards:
                self.failed[board][key] = outcome.error
            return f"{name}: {outcome.error}"
        if job.known is None:
            result: Finished = outcome.value
            built = result.built
            about = _trained(candidate, result)
            write_atomically(self._run.finalist_file(key, ".safetensors"), result.graph)
            write_atomically(self._run.finalist_file(key, ".float.safetensors"), result.checkpoint)
            if result.judge is not None:
                write_atomically(self._run.finalist_file(key, JUDGE), result.judge[0])
        else:
            built = outcome.value
            about = read_json(job.known.figures(key))
        for board, figures in built.figures.items():
            write_json(self._places[board].figures(key), {**about, "built": figures})
            stored = read_finalist(self._places[board], key)
            assert stored is not None
            self.done[board][key] = stored
        for board, error in built.failed.items():
            self.failed[board][key] = error
        where = f" on {', '.join(boards)}" if len(self._places) > 1 else ""
        told = [f"{name}{where}: {about['int8_accuracy']:.2%} int8 on the validation data"] if built.figures else []
        told += [f"{name}{where and f' on {board}'}: {error}" for board, error in built.failed.items()]
        return "; ".join(told)


def c_name(data: str) -> str:
    """The prefix of the C symbols, from the data's name."""
    letters = "".join(c if c.isascii() and c.isalnum() else "_" for c in data.lower()).strip("_")
    return letters if letters[:1].isalpha() else f"model_{letters}".rstrip("_")


def _trained(candidate: Candidate, result: Finished) -> dict[str, Any]:
    """The content of a finalist's file but for what was built."""
    finalist = Finalist(
        candidate.architecture.id,
        dict(candidate.architecture.values),
        result.float_accuracy,
        result.int8_accuracy,
        {},
        round(result.seconds, 3),
        result.front_end,
        result.judge is not None,
        None if result.judge is None else result.judge[1],
        result.fine_tuned,
    )
    return {"format": FORMAT, "curve": list(result.curve), "losses": list(result.losses), **dataclasses.asdict(finalist)}


def read_finalist(place: BoardDirectory, architecture: str) -> Finalist | None:
    """What the directory holds of the architecture with this id.

    :raises UserError: if the file is damaged.
    """
    if (content := _figures(place, architecture)) is None:
        return None
    return Finalist(**{field.name: content[field.name] for field in dataclasses.fields(Finalist) if field.name in content})


def read_judge(run: RunDirectory, finalist: Finalist) -> Judge:
    """The network that chooses how a finalist listens all the time."""
    from codegen.features import front_end_from_json
    from nas.streaming import Judge

    ending, features = (JUDGE, finalist.judge_features) if finalist.refit else (".safetensors", finalist.features)
    graph = graph_from_bytes(run.finalist_file(finalist.architecture, ending).read_bytes())
    return Judge(graph, None if features is None else front_end_from_json(features))


def read_curves(place: BoardDirectory, architecture: str) -> Curves | None:
    """The training curves of the finalist with this id, if the directory holds any.

    :raises UserError: if the file is damaged.
    """
    if (content := _figures(place, architecture)) is None:
        return None
    return Curves(tuple(content.get("curve", ())), tuple(content.get("losses", ())))


def _figures(place: BoardDirectory, architecture: str) -> dict[str, Any] | None:
    path = place.figures(architecture)
    return read_json(path) if path.is_file() else None


def best(
    candidates: Sequence[Candidate], done: Mapping[str, Finalist], limits: Limits, costs: Sequence[Cost] = (), examples: int = 0
) -> Candidate | None:
    """The most accurate in int8 of those whose built program meets every limit; equals by float accuracy, then by cycles.

    With ``costs`` that are to be small, the one with the least of the first cost among those that are as accurate up to one
    standard error of the most accurate, as so many ``examples`` tell it (the one-standard-error rule, Breiman et al.,
    Classification and Regression Trees, 1984, section 3.4.3).
    """
    fitting = [c for c in candidates if c.architecture.id in done and not done[c.architecture.id].broken(limits)]

    def rank(candidate: Candidate) -> tuple[float, float, float]:
        finalist = done[candidate.architecture.id]
        return finalist.int8_accuracy, finalist.float_accuracy, -float(finalist.built["cycles"])

    first = max(fitting, key=rank, default=None)
    if first is None or not costs:
        return first
    score = done[first.architecture.id].int8_accuracy
    least = score - math.sqrt(score * (1 - score) / max(examples, 1))
    as_good = [candidate for candidate in fitting if done[candidate.architecture.id].int8_accuracy >= least]
    return min(as_good, key=lambda candidate: cost_values(built_figures(done[candidate.architecture.id].built), costs))


def built_figures(built: Mapping[str, Any]) -> dict[str, float]:
    """The totals of what ``nas verify --json`` prints, by the names that predictions have for them."""
    return {
        "ram": built["ram"]["total"],
        "flash": built["flash"]["total"],
        "latency_ms": built["latency_ms"],
        "macs": built["macs"],
        "cycles": built["cycles"],
    }


def front(finalists: Sequence[Finalist], limits: Limits, costs: Sequence[Cost]) -> list[Finalist]:
    """The finalists that keep every limit and that no other one beats, most accurate first."""
    fitting = [finalist for finalist in finalists if not finalist.broken(limits)]
    points = [merits(finalist.int8_accuracy, built_figures(finalist.built), costs) for finalist in fitting]
    return sorted(
        (fitting[at] for at in undominated(points)), key=lambda finalist: (-finalist.int8_accuracy, finalist.architecture)
    )
