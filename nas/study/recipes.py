"""How a search trains unless its configuration says otherwise."""

from __future__ import annotations

from nas.learning.distillation import Distillation
from nas.learning.quantization import FINE_TUNING
from nas.learning.training import Recipe

SCREENING = Recipe(epochs=8)
"""A trial: short, only to tell good networks from bad ones."""
FINISHING = Recipe(epochs=20, augment=True)
"""A finalist: until more training gains little."""
QUANTIZATION = FINE_TUNING
DISTILLATION = Distillation()
