"""A hook of MkDocs: the page on the command line holds what ``nas COMMAND --help`` says of the code of the day."""

from __future__ import annotations

from typing import Any

from click import Context
from click.testing import CliRunner

PAGE = "commands.md"


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Called by MkDocs for every page; adds to one."""
    return markdown + commands_text() if page.file.src_uri == PAGE else markdown


def commands_text() -> str:
    """A heading and the help of every command."""
    from nas.cli import cli

    names = cli.list_commands(Context(cli))
    return "".join(f"\n## nas {name}\n\n```\n{_help(name)}```\n" for name in names)


def _help(name: str) -> str:
    from nas.cli import cli

    result = CliRunner().invoke(cli, [name, "--help"], prog_name="nas", terminal_width=110)
    assert result.exit_code == 0, result.output
    return result.output
