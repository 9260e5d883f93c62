"""Optuna pruners whose decisions do not depend on the order in which trials end; usable with any Optuna study."""

from nas.pruners._base import Contest, RungPruner
from nas.pruners._halving import HalvingPruner
from nas.pruners._median import MedianPruner

__all__ = ["Contest", "HalvingPruner", "MedianPruner", "RungPruner"]
