"""How a search trains unless its configuration says otherwise."""

from __future__ import annotations

import dataclasses

from nas.quantization import FINE_TUNING
from nas.training import Recipe

SCREENING = Recipe(epochs=8)
"""A trial: short, only to tell good networks from bad ones."""
FINISHING = Recipe(epochs=20)
"""A finalist: until more training gains little."""
QUANTIZATION = dataclasses.replace(FINE_TUNING, epochs=5)
