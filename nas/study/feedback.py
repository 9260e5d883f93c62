"""Truth in the loop: finalists as built against what was promised of them, and a refit of the cost model where it has drifted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cost_models.drift import FigureDrift, Observation, find_drift, refit
from cost_models.file import save
from nas.progress import Progress
from nas.run_directory import BoardDirectory, RunDirectory
from nas.study.feasibility import Feasibility
from nas.study.finalists import Finalist
from nas.study.tasks import graph_from_bytes


class Feedback:
    """What finalists built for a board say of its cost model.

    :attr:`feasibility` is the search's own until the model has drifted; from then on it asks the refitted model, which is kept in
    the run directory for other searches.
    """

    def __init__(self, run: RunDirectory, place: BoardDirectory, promised: Feasibility, progress: Progress) -> None:
        self._run, self._place, self._progress = run, place, progress
        self._promised = promised
        self._drift: dict[str, FigureDrift] = find_drift(())
        self._known: set[str] = set()
        self.feasibility: Feasibility = self._promised

    @property
    def model_file(self) -> Path:
        """Where the refitted model goes."""
        return self._place.refitted_model

    @property
    def refitted(self) -> bool:
        """Whether the model has drifted."""
        return self.feasibility is not self._promised

    def learn(self, finalists: Mapping[str, Finalist]) -> None:
        """Compare all finalists so far, whatever the order in which they were finished, and refit if there is need."""
        if set(finalists) == self._known:
            return
        self._known = set(finalists)
        space = self._promised.space
        observations = []
        for key in sorted(finalists):
            graph = graph_from_bytes(self._run.finalist_file(key, ".safetensors").read_bytes())
            architecture = space.from_params(finalists[key].params)
            built = finalists[key].built
            alone = built.get("network", built)  # the cost model knows nothing of features
            observations.append(Observation.of(self._promised.network(architecture), graph, {**built, **alone}))
        self._drift = find_drift(observations)
        drifted = [name for name, figure in self._drift.items() if figure.drifted]
        if not drifted:
            return
        model = refit(self._promised.cost_model, observations)
        save(model, self.model_file)
        self.feasibility = self._promised.replaced(cost_model=model)
        self._progress.message(
            f"the cost model of {model.core} is off in {', '.join(drifted)}: refitted to the {len(observations)} networks built; "
            f"use it again with --model {self.model_file}"
        )

    def to_json(self) -> dict[str, Any]:
        """For ``report.json``: each figure's errors, and the file of the refitted model if there is one."""
        return {
            "figures": {name: figure.to_json() for name, figure in self._drift.items()},
            "refitted": self.model_file.name if self.refitted else None,
        }
