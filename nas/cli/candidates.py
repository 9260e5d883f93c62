"""What a shell offers where a command asks for a value that is no plain choice or file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    Candidates = Callable[[click.Context, click.Parameter, str], "list[CompletionItem[str]]"]


def names_or_files(names: Callable[[], Iterable[str]]) -> Candidates:
    """The names that begin with what was typed; where none does, files, which stand for a name as well."""

    def candidates(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        return _named(names, incomplete) or files(ctx, param, incomplete)

    return candidates


def names(known: Callable[[], Iterable[str]]) -> Candidates:
    """The names that begin with what was typed."""
    return lambda ctx, param, incomplete: _named(known, incomplete)


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """Files and folders."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def _named(names: Callable[[], Iterable[str]], incomplete: str) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in names() if name.startswith(incomplete)]


def boards() -> Iterable[str]:
    """Names of the catalogue's boards."""
    from codegen.boards import board_names

    return board_names()


def cores() -> Iterable[str]:
    """Names of the cores."""
    from codegen.cores import CORES

    return CORES


def formats() -> Iterable[str]:
    """What ``--format`` takes."""
    from nas.datasets.readers import READERS

    return (reader.name for reader in READERS)


def kinds() -> Iterable[str]:
    """What ``--kind`` takes."""
    from typing import get_args

    from nas.datasets import Kind

    return get_args(Kind)
