"""What comes before a network and exists twice with the same bits: as numpy functions and as C for the device.

:func:`log_mel` and :func:`mfcc` make settings, :func:`normalized` fits them to recordings, :func:`features` computes int8 arrays,
:func:`c_sources` gives the C files of an exported project and :func:`costs` what they need on a core: that is sound. Windows of
series, vectors and images become a network's input by a :class:`RawInput`.
"""

from codegen.features.c_source import c_sources
from codegen.features.emulated import FeatureCosts, costs, emulate
from codegen.features.float_spectrogram import float_values
from codegen.features.front_end import FrontEnd, front_end_from_json
from codegen.features.normalization import dequantized, ends, normalized
from codegen.features.preprocessing import Preprocessing
from codegen.features.raw_input import RawInput
from codegen.features.reference import features, values
from codegen.features.settings import SpectrogramSettings, from_json, log_mel, mfcc

__all__ = [
    "FeatureCosts",
    "FrontEnd",
    "Preprocessing",
    "RawInput",
    "SpectrogramSettings",
    "c_sources",
    "costs",
    "dequantized",
    "emulate",
    "ends",
    "features",
    "float_values",
    "from_json",
    "front_end_from_json",
    "log_mel",
    "mfcc",
    "normalized",
    "values",
]
