"""The dense spaces: their general promises, and what is special to them."""

from __future__ import annotations

import pytest
from search_space_conformance import SearchSpaceConformance

from search_spaces import AutoencoderSpace, DenseSpace


class TestClassifier(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> DenseSpace:
        return DenseSpace((8, 8, 1), 10)


class TestSpectra(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> AutoencoderSpace:
        return AutoencoderSpace((1, 1, 640))


class TestWindows(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> AutoencoderSpace:
        return AutoencoderSpace((1, 60, 8))
