"""Families of networks that a search chooses from: parameters, shape-only graphs and torch modules."""

from search_spaces._base import Architecture, Choice, SearchSpace, Suggest
from search_spaces._inputs import ArrayInput, ImageInput, Input, SpectrogramInput, WindowInput
from search_spaces.image import ImageSpace

__all__ = [
    "Architecture",
    "ArrayInput",
    "Choice",
    "ImageInput",
    "ImageSpace",
    "Input",
    "SearchSpace",
    "SpectrogramInput",
    "Suggest",
    "WindowInput",
]
