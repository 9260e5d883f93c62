"""Fill in templates: ``@name@`` is replaced by a value, everything else stays as it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

_PLACEHOLDER = re.compile(r"@([A-Za-z_0-9]+)@")


@cache
def _template(package: str, name: str) -> str:
    return resources.files(package).joinpath(f"{name}.in").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Templates:
    """The files ``<template>.in`` of a ``package``."""

    package: str

    def __call__(self, template: str, /, **values: object) -> str:
        """The text of ``<template>.in`` with its placeholders replaced.

        :raises KeyError: for a placeholder without a value.
        """
        return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), _template(self.package, template))


def prefixed(text: str, name: str) -> str:
    """``text`` with ``NN_`` at the start of each identifier replaced by the model's prefix, in capitals where the rest is."""
    return re.sub(r"\bNN_(\w+)", lambda match: f"{name if match[1] != match[1].upper() else name.upper()}_{match[1]}", text)
