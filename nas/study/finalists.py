"""The finalists: fully trained, quantised, built and measured; each is kept in the run directory as soon as it is done."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cost_models.limits import Limits
from nas.build import excesses
from nas.datasets import name_of
from nas.executor import Executor
from nas.files import read_json, write_atomically, write_json
from nas.progress import Progress
from nas.run_directory import RunDirectory
from nas.samplers import Features, Predictor, Result
from nas.study.compute import lengthened, shortened
from nas.study.preparation import Preparation
from nas.study.settings import SearchSettings
from nas.study.study_source import StudySource
from nas.study.tasks import Finished, finish, training_seed
from search_spaces import Architecture

if TYPE_CHECKING:
    from codegen.features import FrontEnd

FORMAT = 1


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
    """What makes the network's inputs of sounds, as JSON (:meth:`codegen.features.FrontEnd.to_json`)."""

    @property
    def front_end(self) -> FrontEnd | None:
        """What makes the network's inputs of sounds; None for other data."""
        from codegen.features import front_end_from_json

        return None if self.features is None else front_end_from_json(self.features)

    def broken(self, limits: Limits) -> tuple[str, ...]:
        """Names of the limits that the built program breaks."""
        return tuple(excess.limit for excess in excesses(self.built, limits))


def ranked(source: StudySource) -> list[Candidate]:
    """The trials of a study, most promising first; equals by predicted latency, then by number.

    The accuracy of one short training is mostly luck, which a finalist, trained anew, does not keep. A predictor of all results
    tells what its parameters and costs are worth (``docs/search.md``).
    """
    trials = source.completed()
    architectures = [source.space.from_params(trial.params) for trial in trials]
    values = [trial.value or 0.0 for trial in trials]
    results = [Result(t.number, a, value) for t, a, value in zip(trials, architectures, values, strict=True)]
    if not results:
        return []
    worth, _ = Predictor(Features(source.space, source.costs), results).predict(architectures)
    order = sorted(range(len(trials)), key=lambda at: (-worth[at], trials[at].user_attrs["latency_ms"], trials[at].number))
    return [Candidate(source.label, trials[at].number, architectures[at], values[at]) for at in order]


class FinalistStage:
    """Finishes candidates on the workers; those that are in the run directory already are read from there."""

    def __init__(
        self,
        run: RunDirectory,
        settings: SearchSettings,
        preparation: Preparation,
        executor: Executor,
        data: tuple[Any, Any],
        progress: Progress,
    ) -> None:
        self._run = run
        self._settings = settings
        self._preparation = preparation
        self._executor = executor
        self._data = data
        self._progress = progress
        self.done: dict[str, Finalist] = {}
        self.failed: dict[str, str] = {}

    def finish(self, candidates: Sequence[Candidate]) -> None:
        """Fill :attr:`done` (or :attr:`failed`) for every candidate; the longest trainings start first."""
        wanted: dict[str, Candidate] = {}
        for candidate in candidates:
            key = candidate.architecture.id
            if key in self.done or key in self.failed:
                continue
            stored = read_finalist(self._run, key)
            if stored is not None:
                self.done[key] = stored
            elif key not in wanted or candidate.effort > wanted[key].effort:
                wanted[key] = candidate
        if not wanted:
            return
        self._progress.phase("finalists: full training, int8, build, measurement", len(wanted))
        predict = self._preparation.feasibility.predict
        order = sorted(wanted.values(), key=lambda c: (-c.effort * predict(c.architecture).macs, c.architecture.id))
        tickets = {self._submit(candidate): candidate for candidate in order}
        while tickets:
            outcome = self._executor.wait()
            candidate = tickets.pop(outcome.ticket)
            key = candidate.architecture.id
            name = candidate.study if candidate.number is None else f"{candidate.study} {candidate.number}"
            if outcome.error is not None:
                self.failed[key] = outcome.error
                self._progress.step(f"{name}: {outcome.error}")
                continue
            self.done[key] = _store(self._run, candidate, outcome.value)
            self._progress.step(f"{name}: {self.done[key].int8_accuracy:.2%} int8 on the validation data")

    def built(self, candidates: Sequence[Candidate]) -> bool:
        """Whether any of them was built, so that it is the limits and not an error that they failed by."""
        return any(candidate.architecture.id in self.done for candidate in candidates)

    def _submit(self, candidate: Candidate) -> int:
        settings, preparation = self._settings, self._preparation
        space, architecture = preparation.space, candidate.architecture
        finishing = lengthened(settings.finishing, preparation.feasibility.predict(architecture).macs)
        return self._executor.submit(
            finish,
            space,
            space.params(architecture),
            *self._data,
            shortened(finishing, candidate.effort),
            shortened(settings.quantization, candidate.effort),
            training_seed(settings.seed, architecture.id),
            c_name(name_of(settings.data)),
            preparation.board,
            settings.optimize,
        )


def c_name(data: str) -> str:
    """The prefix of the C symbols, from the data's name."""
    letters = "".join(c if c.isascii() and c.isalnum() else "_" for c in data.lower()).strip("_")
    return letters if letters[:1].isalpha() else f"model_{letters}".rstrip("_")


def _store(run: RunDirectory, candidate: Candidate, result: Finished) -> Finalist:
    """Keep a finished network; its JSON file comes last and says that the others are whole."""
    key = candidate.architecture.id
    params = dict(candidate.architecture.values)
    accuracies = result.float_accuracy, result.int8_accuracy
    finalist = Finalist(key, params, *accuracies, result.built, round(result.seconds, 3), result.front_end)
    write_atomically(run.finalist_file(key, ".safetensors"), result.graph)
    write_atomically(run.finalist_file(key, ".float.safetensors"), result.checkpoint)
    curves = {"curve": list(result.curve), "losses": list(result.losses)}
    about = {"format": FORMAT, **curves, **dataclasses.asdict(finalist)}
    write_json(run.finalist_file(key, ".json"), about)
    return finalist


def read_finalist(run: RunDirectory, architecture: str) -> Finalist | None:
    """What the run directory holds of the architecture with this id.

    :raises UserError: if the file is damaged.
    """
    path = run.finalist_file(architecture, ".json")
    if not path.is_file():
        return None
    content = read_json(path)
    return Finalist(**{field.name: content[field.name] for field in dataclasses.fields(Finalist) if field.name in content})


def read_curves(run: RunDirectory, architecture: str) -> Curves | None:
    """The training curves of the finalist with this id, if the run directory holds any.

    :raises UserError: if the file is damaged.
    """
    path = run.finalist_file(architecture, ".json")
    if not path.is_file():
        return None
    content = read_json(path)
    return Curves(tuple(content.get("curve", ())), tuple(content.get("losses", ())))


def best(candidates: Sequence[Candidate], done: Mapping[str, Finalist], limits: Limits) -> Candidate | None:
    """The most accurate in int8 of those whose built program meets every limit; equals by float accuracy, then by cycles."""
    fitting = [c for c in candidates if c.architecture.id in done and not done[c.architecture.id].broken(limits)]

    def rank(candidate: Candidate) -> tuple[float, float, float]:
        finalist = done[candidate.architecture.id]
        return finalist.int8_accuracy, finalist.float_accuracy, -float(finalist.built["cycles"])

    return max(fitting, key=rank, default=None)
