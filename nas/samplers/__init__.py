"""Optuna samplers that propose feasible architectures only; usable with any Optuna study."""

from nas.samplers._base import (
    Admission,
    FeasibleSampler,
    NoFeasibleArchitectureError,
    Proposal,
    ProposingSampler,
    Result,
    suggest_architecture,
)
from nas.samplers._evolution import EvolutionSampler
from nas.samplers._features import Costs, Features
from nas.samplers._gaussian_process import GaussianProcess
from nas.samplers._objectives import Minimize
from nas.samplers._optuna import GPFeasibleSampler, NSGAIIFeasibleSampler, OptunaFeasibleSampler, TPEFeasibleSampler
from nas.samplers._predictor import Predictor, PredictorSampler
from nas.samplers._random import RandomFeasibleSampler
from nas.samplers._stopped import values_of
from nas.samplers._turns import TurnsSampler

__all__ = [
    "Admission",
    "Costs",
    "EvolutionSampler",
    "FeasibleSampler",
    "Features",
    "GPFeasibleSampler",
    "GaussianProcess",
    "Minimize",
    "NSGAIIFeasibleSampler",
    "NoFeasibleArchitectureError",
    "OptunaFeasibleSampler",
    "Predictor",
    "PredictorSampler",
    "Proposal",
    "ProposingSampler",
    "RandomFeasibleSampler",
    "Result",
    "TPEFeasibleSampler",
    "TurnsSampler",
    "suggest_architecture",
    "values_of",
]
