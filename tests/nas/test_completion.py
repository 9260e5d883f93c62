"""What the Tab key offers, asked of the real program by the script that a shell sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_line import ENVIRONMENT
from projects import required_tool

from codegen.boards import board_names
from codegen.cores import CORES
from nas.cli import cli
from nas.cli.completion import SHELLS
from nas.cli.group import COMMANDS
from nas.datasets.readers import READERS

PRESS = {
    "bash": r"""
        eval "$(nas completion bash)"
        complete -p nas
        compopt() { echo "$2 files"; }
        while IFS= read -r line; do
            read -ra COMP_WORDS <<< "$line"
            [[ $line == *" " ]] && COMP_WORDS+=("")
            COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )) COMPREPLY=()
            echo "> $line"
            _nas_completion nas
            (( ${#COMPREPLY[@]} )) && printf '%s\n' "${COMPREPLY[@]}"
        done
        true
    """,
    "zsh": r"""
        autoload -U compinit; compinit -D -u
        eval "$(nas completion zsh)"
        print -r -- $_comps[nas]
        compadd() { print -rl -- "${(@P)@[-1]}" }
        _describe() { local tab=$'\t'; local -a pairs=("${(@P)3}"); print -rl -- "${(@)pairs/:/$tab}" }
        _path_files() { print -r -- "default files" }
        while IFS= read -r line; do
            words=(${=line}); [[ $line == *" " ]] && words+=("")
            CURRENT=${#words}
            print -r -- "> $line"
            _nas_completion
        done
    """,
    "fish": r"""
        nas completion fish | source
        complete -c nas | string match -r "_nas_completion"
        while read -l line
            echo "> $line"
            complete -C $line
        end
    """,
}
"""What asks each shell's own completion for lines of standard input, and prints what that has registered, then ``> LINE`` and a
candidate a line, behind a tab its description."""
REGISTERED = {
    "bash": "complete -o nosort -F _nas_completion nas",
    "zsh": "_nas_completion",
    "fish": "_nas_completion",
}
"""What is found to be registered for the program."""
FILES = "default files"
"""What bash and zsh answer where they would look among the files; fish does look."""
TREE = ("mine.toml", "runs/digits-1/search.toml", "a, b.toml")


@pytest.fixture(scope="module", params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def offered(shell: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What the shell offers for each of some lines, with descriptions where it shows them."""
    program = required_tool(shell)
    lines = (
        *("nas ", "nas se", "nas search --bu", "nas search --board nrf", "nas search --board ./mine", "nas search --sampler "),
        *("nas export runs/d", "nas verify --core ", "nas search --config ", "nas data --format ", "nas serach --bo"),
    )
    folder = tmp_path_factory.mktemp("completion")
    (folder / "bin").mkdir()
    (folder / "bin" / "nas").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nas "$@"\n')
    (folder / "bin" / "nas").chmod(0o755)
    for name in TREE:
        (folder / "here" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "here" / name).touch()
    environment = {**ENVIRONMENT, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}
    plain = {"bash": "--norc", "zsh": "-f", "fish": "--no-config"}[shell]
    done = subprocess.run(
        [program, plain, "-c", PRESS[shell]],
        input="\n".join(lines) + "\n",
        cwd=folder / "here",
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    registered, *answers = done.stdout.split("> ")
    assert registered.splitlines() == [REGISTERED[shell]]
    found = {line: words for line, *words in (answer.splitlines() for answer in answers)}
    assert list(found) == list(lines)
    return found


def words(candidates: list[str]) -> list[str]:
    return [candidate.partition("\t")[0] for candidate in candidates]


def test_commands_and_options(offered: dict[str, list[str]]) -> None:
    assert words(offered["nas "]) == list(COMMANDS)
    assert words(offered["nas se"]) == ["search"]
    assert words(offered["nas search --bu"]) == ["--budget"]
    assert offered["nas serach --bo"] == []


def test_values(offered: dict[str, list[str]]) -> None:
    assert offered["nas search --board nrf"] == [name for name in board_names() if name.startswith("nrf")]
    assert "evolution" in words(offered["nas search --sampler "])
    assert offered["nas verify --core "] == list(CORES)
    assert offered["nas data --format "] == [reader.name for reader in READERS]


def test_files(shell: str, offered: dict[str, list[str]]) -> None:
    for line, there in (
        ("nas export runs/d", ["runs/digits-1/"]),
        ("nas search --config ", ["a, b.toml", "mine.toml", "runs/"]),
        ("nas search --board ./mine", ["./mine.toml"]),
    ):
        assert offered[line] == (there if shell == "fish" else [FILES])


def test_descriptions_are_whole(shell: str, offered: dict[str, list[str]]) -> None:
    """Bash shows none."""
    described = dict(candidate.split("\t") for candidate in offered["nas "] if "\t" in candidate)
    assert list(described) == ([] if shell == "bash" else list(COMMANDS))
    assert shell == "bash" or described["predict"].startswith("Predict RAM, flash, ")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_its_script(shell: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["completion", shell], prog_name="nas")
    assert result.exit_code == 0
    assert f"_NAS_COMPLETE={shell}_complete" in result.output
