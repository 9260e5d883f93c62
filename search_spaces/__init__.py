"""Families of networks that a search chooses from: parameters, shape-only graphs and torch modules."""

from search_spaces._base import Architecture, Choice, SearchSpace, Suggest
from search_spaces._inputs import ArrayInput, ImageInput, Input, SpectrogramInput, WindowInput
from search_spaces._layers import Convolution, Dense, Layer, Pool, Residual
from search_spaces._published import PublishedNetwork
from search_spaces.audio import AudioSpace, spectrograms
from search_spaces.dense import AutoencoderSpace, DenseSpace
from search_spaces.image import ImageSpace
from search_spaces.shaping import Shaped, shape_by_budget
from search_spaces.time_series import TimeSeriesSpace

__all__ = [
    "Architecture",
    "ArrayInput",
    "AudioSpace",
    "AutoencoderSpace",
    "Choice",
    "Convolution",
    "Dense",
    "DenseSpace",
    "ImageInput",
    "ImageSpace",
    "Input",
    "Layer",
    "Pool",
    "PublishedNetwork",
    "Residual",
    "SearchSpace",
    "Shaped",
    "SpectrogramInput",
    "Suggest",
    "TimeSeriesSpace",
    "WindowInput",
    "shape_by_budget",
    "spectrograms",
]
