"""Networks as C projects."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.errors import UserError
from codegen.measurement import Verification
from nas.api._arguments import AnyPath, BoardLike, Count, Duration, Size, board_name, limits, naming_arguments
from nas.api._prediction import Prediction, prediction_from_json
from nas.api._sources import AnySource, int8_network
from nas.study.options import DEFAULTS

if TYPE_CHECKING:
    from codegen.int4 import WeightBits
    from codegen.optimize import Optimize
    from nas.learning.post_training import Agreement


@dataclass(frozen=True, slots=True)
class Export:
    """A C project that was written to ``path``: what was ``predicted`` of it (None for a core without a cost model), what was
    ``built``, and, of a torch module, its ``agreement``: how well the int8 network agrees with the float one.

    ``memory_map`` is the arena over time as text.
    """

    path: Path
    built: Verification
    predicted: Prediction | None
    agreement: Agreement | None
    memory_map: str = field(repr=False)

    def __str__(self) -> str:
        agreement = [] if self.agreement is None else [str(self.agreement), ""]
        return "\n".join([*agreement, str(self.built), "", f"written to {self.path}"])


@naming_arguments()
def export(
    source: AnySource,
    calibration_data: object = None,
    board: BoardLike = DEFAULTS["board"],
    *,
    out: AnyPath,
    name: str | None = None,
    budget: Size | None = None,
    flash: Size | None = None,
    latency: Duration | None = None,
    macs: Count | None = None,
    optimize: Optimize = DEFAULTS["optimize"],
    weight_bits: WeightBits = DEFAULTS["weight_bits"],
    tune: bool = False,
    force: bool = False,
) -> Export:
    """Write a network as a C project: built for the board, run in the emulator and compared with the Python reference bit by bit.

    :param source: a run (its winner) or a trial, as an object or as text (``"runs/digits-1:7"``); an int8 ``.tflite`` file; or a
        trained ``torch.nn.Module``, which is quantised to int8 after training.
    :param calibration_data: of a module, some hundred of its real inputs: a float32 array or tensor ``(N, C, H, W)``, ``(N, C, L)``
        or ``(N, F)``, or batches of them as a ``DataLoader`` gives. They show the ranges of int8, so take them from the training
        data. The project takes its input with channels last, ``(H, W, C)``.
    :param board: a name of the catalogue, or the path of a board file.
    :param out: directory to write; new or empty.
    :param name: prefix of the C symbols; by default the data's, the file's or the module's name.
    :param budget: most RAM in bytes, or like ``"64KB"``; by default the board's memory less what its file reserves.
    :param flash: most flash, like ``budget``.
    :param latency: longest inference in seconds, or like ``"50ms"``.
    :param macs: most multiply-accumulates, like ``"2.7M"``.
    :param optimize: what the C compiler optimises for.
    :param weight_bits: bits that weights of a module's wide layers take in flash: 8, or 4 where flash is short. Nothing is
        trained, so look at what it costs in the ``agreement``.
    :param tune: measure the schedules of every layer in the emulator and take the best (minutes).
    :param force: write the project although it breaks a limit.
    :raises UserError: if the source cannot be used (naming a module's first operation that is not supported), the directory is not
        empty, or the built program breaks a limit, in which case nothing is written.
    """
    from codegen.boards import load_board
    from codegen.new_directory import check_new_directory
    from nas.limits import make_limits
    from nas.programs.exports import export_network, violation_text
    from nas.programs.interchange import interchange_format
    from nas.progress import PlainProgress
    from nas.study.options import check_choices

    check_choices({"optimize": optimize, "weight_bits": weight_bits})
    where, directory = load_board(board_name(board)), Path(out)
    bounds = make_limits(where, **limits(budget, flash, latency, macs))
    if (form := interchange_format(None, directory)) is not None:
        raise UserError(f"--out {directory}: is to be a directory; nas.export_file writes .{form} files")
    check_new_directory(directory, "--out")
    network = int8_network(source, calibration_data, name, board_name(board), weight_bits)
    exported = export_network(
        network.trained,
        where,
        bounds,
        name=network.name,
        optimize=optimize,
        directory=directory,
        tuning=PlainProgress(sys.stderr) if tune else None,
        force=force,
    )
    build = exported.build
    if not build.written:
        if build.broken:
            needs = "; ".join(violation_text(broken) for broken in build.broken)
            raise UserError(f"{directory} is not written: it {needs}; force=True writes it all the same")
        raise RuntimeError(f"{build.verification.mismatches} of {build.verification.inputs} outputs differ from the reference")
    predicted = None if exported.predicted is None else prediction_from_json(exported.predicted, bounds)
    return Export(directory, build.verification, predicted, network.agreement, build.memory_map)


@naming_arguments()
def export_file(
    source: AnySource, calibration_data: object = None, *, out: AnyPath, weight_bits: WeightBits = DEFAULTS["weight_bits"]
) -> dict[str, Any]:
    """Write a network as a file for other tools: an int8 ``.tflite``, or ONNX in QDQ form, by the ending of ``out``.

    :param source: as for :func:`export`; so are ``calibration_data`` and ``weight_bits``, which lie in the file as bytes.
    :returns: what is in the file, in JSON's types: its ``format``, ``path``, ``bytes``, ``operators``, ``inputs`` and ``outputs``.
    :raises UserError: if the source cannot be used, an operator has no form in the format, or there is such a file.
    """
    from nas.files import check_new_file
    from nas.programs.interchange import exporter, interchange_format, write_interchange
    from nas.study.options import check_choices

    check_choices({"weight_bits": weight_bits})
    path = Path(out)
    form = interchange_format(None, path)
    if form is None:
        raise UserError(f"--out {path}: the name must end in .tflite or .onnx")
    check_new_file(path, "--out")
    exporter(form)  # before a trial is trained for it
    return write_interchange(int8_network(source, calibration_data, None, None, weight_bits).trained, form, path)
