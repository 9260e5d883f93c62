"""What a network will need on a microcontroller, predicted from its shapes by models calibrated on real builds.

:mod:`cost_models.calibration` makes a model, :func:`load_cost_model` reads one, :meth:`CostModel.predict` asks it.
"""

from cost_models.file import find_cost_model, load_cost_model, save
from cost_models.limits import Limits, Violation, violations
from cost_models.model import CostModel
from cost_models.prediction import Interval, LayerPrediction, Prediction

__all__ = [
    "CostModel",
    "Interval",
    "LayerPrediction",
    "Limits",
    "Prediction",
    "Violation",
    "find_cost_model",
    "load_cost_model",
    "save",
    "violations",
]
