"""The command group: finds commands lazily and turns every error into one clear line and an exit status."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click

from codegen.errors import UserError

COMMANDS = ("search", "resume", "report", "explain", "export", "verify", "predict", "calibrate", "data", "boards", "completion")

_FULL = {errno.ENOSPC: "no space left on the device", errno.EDQUOT: "the disk quota is used up"}


class Commands(click.Group):
    """Loads ``nas.cli.<command>`` on demand and reports errors the way the whole product does.

    Exit status: 0 all well, 1 a limit or a comparison failed, 2 usage or bad input, 70 an error of ours, 130 stopped
    by Ctrl-C.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order in which a person meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command's own object, from its own file."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"nas.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the near match of a mistyped command."""
        mistyped = args and args[0] not in COMMANDS and not args[0].startswith("-")
        if mistyped and not ctx.resilient_parsing:  # which is how a shell asks what a line could go on with
            raise UserError(f"no command {args[0]!r}{near(args[0], COMMANDS)}; 'nas --help' lists them")
        return super().resolve_command(ctx, args)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command; with ``standalone_mode`` (the default) ends the process."""
        arguments = list(sys.argv[1:] if args is None else args) or ["--help"]
        if not standalone_mode:
            return super().main(arguments, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            status = super().main(arguments, prog_name, complete_var, standalone_mode=False, **extra)
            sys.stdout.flush()
        except BrokenPipeError:
            _discard_output()
            sys.exit(1)
        except (KeyboardInterrupt, click.Abort):
            _fail("stopped", 130)
        except Exception as error:
            if "--debug" in arguments:
                raise
            if isinstance(error, OSError):
                _discard_output()
            expected = isinstance(error, (UserError, click.ClickException, OSError))
            _fail(_one_line(error), 2 if expected else 70)
        sys.exit(status if isinstance(status, int) else 0)


def near(word: str, known: Sequence[str]) -> str:
    """``" (did you mean 'search'?)"``, or nothing where nothing is like ``word``."""
    import difflib

    matches = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def _one_line(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, click.UsageError):
        where = f" (see '{error.ctx.command_path} --help')" if error.ctx is not None else ""
        return " ".join(error.format_message().split()) + where
    if isinstance(error, click.ClickException):
        return " ".join(error.format_message().split())
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        reason = _FULL.get(error.errno or 0, error.strerror or str(error))
        hint = "; make room and run it again" if error.errno in _FULL else ""
        return f"{name}{reason}{hint}"
    first = (str(error).strip() or "no message").splitlines()[0]
    return f"internal error: {type(error).__name__}: {first} (--debug shows where; please report it)"


def _fail(message: str, status: int) -> NoReturn:
    click.echo(f"nas: {message}", err=True)
    sys.exit(status)


def _discard_output() -> None:
    """Nobody takes what is still in the buffer (``nas boards | head``, a full disk): do not fail once more at interpreter exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="mcu-nas", prog_name="nas")
@click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback where something goes wrong.")
def cli() -> None:
    """Find, train and compile the best neural network for a microcontroller.

    \b
    nas search --budget 256KB                      the whole job on scikit-learn's digits
    nas report runs/digits-1                       a page about what came of it
    nas verify runs/digits-1/winner                build, run, compare bit by bit, measure
    nas export runs/digits-1:7 --board nucleo-l4r5zi --out digits-c

    Sizes: 256KB (= 256 x 1024 bytes), 10.8KB, 1MB, plain bytes. Times: 50ms, 300us, 2s, 10m.
    """
