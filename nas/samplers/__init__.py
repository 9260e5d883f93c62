"""Optuna samplers that propose feasible architectures only; usable with any Optuna study."""

from nas.samplers._base import FeasibleSampler, NoFeasibleArchitectureError, Proposal, suggest_architecture
from nas.samplers._evolution import EvolutionSampler
from nas.samplers._random import RandomFeasibleSampler

__all__ = [
    "EvolutionSampler",
    "FeasibleSampler",
    "NoFeasibleArchitectureError",
    "Proposal",
    "RandomFeasibleSampler",
    "suggest_architecture",
]
