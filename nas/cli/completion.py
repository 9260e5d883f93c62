"""``nas completion``."""

from __future__ import annotations

import click

from nas.cli.options import debug_option

SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog="""\b
Examples:
  eval "$(nas completion bash)"                                  in ~/.bashrc
  eval "$(nas completion zsh)"                                   in ~/.zshrc
  nas completion fish > ~/.config/fish/completions/nas.fish
"""
)
@click.argument("shell", type=click.Choice(SHELLS))
@debug_option
def command(shell: str) -> None:
    """Print what makes SHELL complete commands, options, boards, choices and files of nas with the Tab key."""
    from click.shell_completion import get_completion_class

    from nas.cli.group import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "nas", "_NAS_COMPLETE").source(), nl=False)
