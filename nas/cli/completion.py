"""``nas completion``."""

from __future__ import annotations

import click

from nas.cli.options import debug_option

SHELLS = ("bash", "zsh", "fish")
FISH = """\
function %(complete_func)s
    set -l words (commandline -cp)
    set -l word (commandline -ct)
    for line in (env %(complete_var)s=fish_complete COMP_WORDS="$words" COMP_CWORD="$word" %(prog_name)s)
        set -l parts (string split --max 1 "," -- $line)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                echo $parts[2]
        end
    end
end
complete --no-files --keep-order --command %(prog_name)s --arguments "(%(complete_func)s)"
"""
"""Click's own script cuts descriptions and names of files off at a comma."""


@click.command(
    epilog="""\b
Examples:
  eval "$(nas completion bash)"                                  in ~/.bashrc
  eval "$(nas completion zsh)"                                   in ~/.zshrc, behind compinit
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
    completer = kind(cli, {}, "nas", "_NAS_COMPLETE")
    click.echo(FISH % completer.source_vars() if shell == "fish" else completer.source(), nl=False)
