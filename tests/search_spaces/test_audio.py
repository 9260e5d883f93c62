"""The audio space: its general promises on several choices of spectrograms, and what is special to it."""

from __future__ import annotations

import pytest
from search_space_conformance import SearchSpaceConformance

from search_spaces import AudioSpace, SpectrogramInput, spectrograms


class TestKeywords(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> AudioSpace:
        return AudioSpace(spectrograms(1000), 12)


class TestCepstrum(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> AudioSpace:
        return AudioSpace([SpectrogramInput(10, 20, 49)], 12)
