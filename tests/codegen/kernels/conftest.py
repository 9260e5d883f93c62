"""The C of a module's ``cases``, and this machine's build of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from kernel_runner import Case, Host, write_source


@pytest.fixture(scope="module")
def source(cases: Sequence[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(cases, tmp_path_factory.mktemp("kernel"))


@pytest.fixture(scope="module")
def host(source: Path) -> Host:
    return Host(source)
