"""A search in its run directory, from the settings or from an earlier run to the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.run_directory import RunDirectory

if TYPE_CHECKING:
    from nas.progress import Progress
    from nas.study.preparation import Preparation
    from nas.study.settings import SearchSettings

RUNS = Path("runs")
"""Folder of the runs that are given no place."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search that can begin or go on."""

    run: RunDirectory
    settings: SearchSettings
    preparation: Preparation

    def carry_out(self, progress: Callable[[], Progress], opened: Callable[[int], None]) -> dict[str, Any]:
        """Search to the end; returns the content of ``report.json``. Every result so far is in the run directory at any time.

        :param progress: makes what shows the search while it runs.
        :param opened: is called when the run is ours alone, with the number of bytes of a torn line that were cut off the journal.
        :raises nas.study.driver.NothingFitsError: if there is no winner.
        :raises UserError: if another process works on the run, or it is damaged.
        """
        from nas.ray_executor import RayExecutor
        from nas.study.driver import run_search

        with self.run.locked():
            opened(self.run.repair())
            with RayExecutor(self.settings.workers, self.settings.ray_address) as executor, progress() as shown:
                return run_search(self.run, self.settings, self.preparation, executor, shown)

    def warnings(self) -> list[str]:
        """What is to be said of the cost models, each once."""
        found = (fits.cost_model.warning for fits in self.preparation.boards)
        return list(dict.fromkeys(warning for warning in found if warning is not None))

    def torn(self, cut: int) -> str:
        """That so many bytes of a torn line were cut off the journal."""
        return f"the last line of {self.run.journal} was torn ({cut} bytes); it is cut off"


def begin(settings: SearchSettings, out: Path | None) -> Search:
    """A new run at ``out``, by default the next free directory of :data:`RUNS`; nothing is left where the search cannot begin.

    :raises UserError: as :func:`nas.study.preparation.prepare`, or if the directory is not empty or cannot be written.
    """
    from codegen.new_directory import check_new_directory
    from nas.datasets import name_of
    from nas.study.preparation import prepare

    path = RunDirectory.next_free(RUNS, name_of(settings.data)) if out is None else out
    check_new_directory(path, "--out")
    preparation = prepare(settings)
    settings = settings.of_data(preparation.train_set, preparation.folds)
    kept, files = settings.kept()
    folders = [fits.board.name for fits in preparation.boards] if len(preparation.boards) > 1 else []
    return Search(RunDirectory.create(path, kept.to_toml(), files, folders), settings, preparation)


def reopen(run: RunDirectory) -> Search:
    """The search of an existing run.

    :raises UserError: if its settings are damaged, or its data is gone or has changed.
    """
    from nas.study.preparation import prepare
    from nas.study.settings import read_run_settings

    settings = read_run_settings(run)
    return Search(run, settings, prepare(settings))
