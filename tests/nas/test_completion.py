"""What the Tab key offers, asked of the real program by the script that a shell sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from command_line import ENVIRONMENT

from codegen.boards import board_names
from codegen.cores import CORES
from nas.cli import cli
from nas.cli.completion import SHELLS
from nas.cli.group import COMMANDS
from nas.datasets.readers import READERS

PRESS = """
eval "$(nas completion bash)"
complete -p nas
compopt() { echo "compopt $2"; }
while IFS= read -r line; do
    read -ra COMP_WORDS <<< "$line"
    [[ $line == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )) COMPREPLY=()
    _nas_completion nas
    echo "$line|${COMPREPLY[*]}"
done
"""
FILES = "compopt default"


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What bash offers for each of some lines; what it would look for among the files is ``FILES``."""
    lines = (
        *("nas ", "nas se", "nas search --bu", "nas search --board nrf", "nas search --board ./mine", "nas search --sampler "),
        *("nas export runs/d", "nas verify --core ", "nas search --config ", "nas data --format ", "nas serach --bo"),
    )
    folder = tmp_path_factory.mktemp("completion")
    (folder / "nas").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nas "$@"\n')
    (folder / "nas").chmod(0o755)
    environment = {**ENVIRONMENT, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", PRESS], input="\n".join(lines) + "\n", env=environment, capture_output=True, text=True
    )
    assert done.stderr == ""
    registered, *answers = done.stdout.splitlines()
    assert registered == "complete -o nosort -F _nas_completion nas"
    found: dict[str, list[str]] = {}
    before: list[str] = []
    for answer in answers:
        if answer == FILES:
            before = [FILES]
            continue
        line, words = answer.split("|")
        found[line] = before + words.split()
        before = []
    assert list(found) == list(lines)
    return found


def test_commands_and_options(offered: dict[str, list[str]]) -> None:
    assert offered["nas "] == list(COMMANDS)
    assert offered["nas se"] == ["search"]
    assert offered["nas search --bu"] == ["--budget"]
    assert offered["nas serach --bo"] == []


def test_values(offered: dict[str, list[str]]) -> None:
    assert offered["nas search --board nrf"] == [name for name in board_names() if name.startswith("nrf")]
    assert "evolution" in offered["nas search --sampler "]
    assert offered["nas verify --core "] == list(CORES)
    assert offered["nas data --format "] == [reader.name for reader in READERS]


def test_files(offered: dict[str, list[str]]) -> None:
    for line in ("nas export runs/d", "nas search --config ", "nas search --board ./mine"):
        assert offered[line] == [FILES]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_its_script(shell: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["completion", shell], prog_name="nas")
    assert result.exit_code == 0
    assert f"_NAS_COMPLETE={shell}_complete" in result.output
