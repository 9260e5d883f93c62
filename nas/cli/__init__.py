"""The command line: one file per command, loaded when it is asked for."""

from nas.cli.group import cli

__all__ = ["cli"]
