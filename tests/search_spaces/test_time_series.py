"""The time-series space: its general promises on windows of real data sets, and what is special to it."""

from __future__ import annotations

import pytest
from search_space_conformance import SearchSpaceConformance

from search_spaces import TimeSeriesSpace


class TestActivities(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> TimeSeriesSpace:
        return TimeSeriesSpace(128, 6, 6, windows=(64, 128))


class TestShort(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> TimeSeriesSpace:
        return TimeSeriesSpace(25, 12, 9)


class TestLong(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> TimeSeriesSpace:
        return TimeSeriesSpace(1460, 1, 10)
