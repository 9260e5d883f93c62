"""What is tested is what a person installs: ``pytest`` does not look for packages in the checkout that it is called in."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["codegen", "cost_models", "search_spaces", "nas"])
def test_a_package_is_installed_with_all_its_files(name: str) -> None:
    """Templates, micro-kernels, board files and cost models as well; under continuous integration, which installs a copy."""
    source, installed = CHECKOUT / name, Path(str(import_module(name).__file__)).parent
    if os.environ.get("CI"):
        assert installed != source, "the checkout is imported, which has all its files whatever an installed package lacks"
    files = [path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert files
    for path in files:
        copy = installed / path.relative_to(source)
        assert copy.is_file(), f"{path.relative_to(CHECKOUT)} is not in the package; see package-data in pyproject.toml"
        assert copy.read_bytes() == path.read_bytes(), f"{copy} is another one than the checkout's"
