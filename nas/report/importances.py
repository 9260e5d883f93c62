"""Which choices matter: Optuna's importances of the space's parameters."""

from __future__ import annotations

import warnings

from nas.markup import element, table
from nas.report.evidence import SEARCH, Evidence
from nas.report.sections import Section, absent, bar, join, paragraph

LEAST_TRIALS = 10
GOOD_TRIALS = 5
"""Trials that should count as good for the estimate to be stable, by the evaluator's documentation."""
PLENTY = 50
"""Trials from which on the best tenth holds as many."""


def importances_section(evidence: Evidence) -> Section:
    """A bar for each parameter, from all trials of the search."""
    tried = evidence.tried
    anchor, title = "choices", "Which choices matter"
    if tried < LEAST_TRIALS:
        sentence = f"{tried} trials of the search are too few to tell which choices matter; {LEAST_TRIALS} are the least."
        return Section(anchor, title, absent(sentence))
    importances = parameter_importances(evidence)
    if not any(importances.values()):
        return Section(anchor, title, absent("The trials do not differ enough to tell which choices matter."))
    caution = "" if tried >= PLENTY else f" {tried} trials give a hint, no more."
    shares = {name: share for name, share in importances.items() if share > 0}
    rows = [(element("code", name), f"{share:.1%}", bar(share, f"{name}: {share:.0%}")) for name, share in shares.items()]
    return Section(
        anchor,
        title,
        join(
            paragraph(
                "How much of what sets the best trials apart lies in each choice, by PED-ANOVA "
                f"(optuna.importance.PedAnovaImportanceEvaluator, target_quantile {quantile(tried):.2g}).{caution}"
            ),
            table("Importances of the choices; they add up to 100%", ("choice", "importance", ""), rows),
        ),
    )


def quantile(trials: int) -> float:
    """The share of the trials that counts as good: a tenth, or as many as :data:`GOOD_TRIALS` are."""
    return max(0.1, GOOD_TRIALS / trials)


def parameter_importances(evidence: Evidence) -> dict[str, float]:
    """Importance (0..1, 1 in all) of each parameter for being among the best trials, highest first.

    PED-ANOVA (Watanabe et al. 2023, arXiv 2304.10255) compares densities of good trials with those of all; it needs nothing but
    numpy, and knows parameters that are there in some trials only.
    """
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    evaluator = PedAnovaImportanceEvaluator(target_quantile=quantile(evidence.tried))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some values are rare among few trials is said on the page
        found = get_param_importances(evidence.studies[SEARCH], evaluator=evaluator)
    return {name: float(share) for name, share in sorted(found.items(), key=lambda item: (-item[1], item[0]))}
