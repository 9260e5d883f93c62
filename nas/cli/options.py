"""Option types and options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from codegen.optimize import OPTIMIZE
from nas.cli import candidates
from nas.study.options import DEFAULTS, RANGES
from nas.units import parse_count, parse_duration, parse_size, parse_weight_bits

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # generic in click's newer versions only

Function = TypeVar("Function", bound=Callable[..., Any])


class _Parsed(ParamType):
    """A value read by one of the functions of :mod:`nas.units`; numbers (from a configuration file) pass as bytes or counts."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse ``value``; what is wrong with it becomes a usage error naming the option."""
        try:
            return self._parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


SIZE = _Parsed("size", parse_size)
DURATION = _Parsed("time", parse_duration)
COUNT = _Parsed("count", parse_count)
WEIGHT_BITS = _Parsed("bits", parse_weight_bits)


def _one_board(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> str:
    if len(value) > 1:
        raise click.BadParameter("given more than once; one at a time", ctx=ctx, param=param)
    return value[0]


def _catalogue_option(more_help: str = "", **settings: Any) -> Callable[[Function], Function]:
    return click.option(
        "--board",
        multiple=True,
        default=[DEFAULTS["board"]],
        show_default=False,
        metavar="BOARD",
        shell_complete=candidates.names_or_files(candidates.boards),
        help="Board of the catalogue ('nas boards' lists it), or the path of a board file"
        f"{more_help}. [default: {DEFAULTS['board']}]",
        **settings,
    )


def board_option(function: Function) -> Function:
    """``--board``, a name of the catalogue or the path of a board file."""
    return _catalogue_option(callback=_one_board)(function)


def boards_option(function: Function) -> Function:
    """``--board``, which may be given several times."""
    return _catalogue_option("; repeated, a winner for each")(function)


def run_board_option(function: Function) -> Function:
    """``--board`` of a run that has several."""
    return click.option(
        "--board",
        metavar="BOARD",
        shell_complete=candidates.names_or_files(candidates.boards),
        help="Of a run for several boards, the one that is meant.",
    )(function)


def limit_options(function: Function) -> Function:
    """``--budget``, ``--flash``, ``--latency`` and ``--macs``."""
    for option in reversed(
        (
            click.option("--budget", type=SIZE, metavar="SIZE", help="Most RAM: arena, stack and static variables of the model."),
            click.option("--flash", type=SIZE, metavar="SIZE", help="Most flash: code, constants and support routines."),
            click.option("--latency", type=DURATION, metavar="TIME", help="Longest inference on the board, like 50ms."),
            click.option("--macs", type=COUNT, metavar="N", help="Most multiply-accumulates of an inference, like 2.7M."),
        )
    ):
        function = option(function)
    return function


def optimize_option(function: Function) -> Function:
    """``--optimize speed|balanced|size``."""
    return click.option(
        "--optimize",
        type=click.Choice(OPTIMIZE),
        default=DEFAULTS["optimize"],
        show_default=True,
        help="What the C compiler optimises the model for: -O3, -O2 or -Os.",
    )(function)


def model_option(function: Function) -> Function:
    """``--model FILE``."""
    return click.option(
        "--model",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Cost model that 'nas calibrate' or an earlier search wrote. [default: what comes for the board's core]",
    )(function)


def models_option(function: Function) -> Function:
    """``--model``, which may be given several times."""
    return click.option(
        "--model",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Cost model that 'nas calibrate' or an earlier search wrote; repeated, one for each core of the boards. "
        "[default: what comes for the core]",
    )(function)


def reading_options(function: Function) -> Function:
    """``--format``, ``--kind``, ``--window``, ``--step`` and ``--size``: how data is read where its path does not say it."""
    for option in reversed(
        (
            click.option(
                "--format",
                metavar="F",
                shell_complete=candidates.names(candidates.formats),
                help="Form of the data: images, audio, recordings, table, npz or ucr.",
            ),
            click.option(
                "--kind",
                metavar="K",
                shell_complete=candidates.names(candidates.kinds),
                help="What the arrays of an .npz are: image, series, audio or vector.",
            ),
            click.option(
                "--window",
                type=click.IntRange(*RANGES["window"]),
                metavar="N",
                help="Samples of recordings that a network sees at once.",
            ),
            click.option(
                "--step",
                type=click.IntRange(*RANGES["step"]),
                metavar="N",
                help="Samples between windows. [default: half a window]",
            ),
            click.option(
                "--size", metavar="HxW", help="Pixels that images are brought to. [default: the commonest size, 96 at most]"
            ),
        )
    ):
        function = option(function)
    return function


def verbosity_options(function: Function) -> Function:
    """``--quiet`` and ``--verbose``, as the parameter ``verbosity`` of :func:`nas.progress.make_progress`."""

    @click.option("-q", "--quiet", is_flag=True, help="Print nothing but the result.")
    @click.option("-v", "--verbose", is_flag=True, help="Print a line for everything that happens, with the networks.")
    @functools.wraps(function)
    def with_verbosity(*arguments: Any, quiet: bool, verbose: bool, **options: Any) -> Any:
        if quiet and verbose:
            raise click.UsageError("--quiet and --verbose: give one of them", click.get_current_context())
        return function(*arguments, verbosity="quiet" if quiet else "verbose" if verbose else "normal", **options)

    return cast(Function, with_verbosity)


def debug_option(function: Function) -> Function:
    """``--debug``, which :class:`nas.cli.group.Commands` acts on."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback where something goes wrong.")(function)


def source_argument(function: Function) -> Function:
    """``SOURCE``, see :mod:`nas.programs.sources`."""
    return click.argument("source", shell_complete=candidates.files)(function)


def json_option(function: Function) -> Function:
    """``--json``, one object on standard output instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(function)
