"""Networks as the Python API takes them: what :mod:`nas.programs.sources` names as text, a run, a trial, or a torch module."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from codegen.errors import UserError
from nas.programs.sources import Source, Trained, find_source, shapes, trained
from nas.study.finalists import c_name

if TYPE_CHECKING:
    from torch import nn

    from codegen.int4 import WeightBits
    from nas.api._run import Run, Trial
    from nas.learning.post_training import Agreement

    AnySource: TypeAlias = str | os.PathLike[str] | Run | Trial | nn.Module
else:
    AnySource = Any


@dataclass(frozen=True, slots=True)
class Network:
    """An int8 network with the prefix of its C symbols, and how well it agrees with the module it was made of, if it was."""

    trained: Trained
    name: str
    agreement: Agreement | None = None


def network_shapes(source: AnySource, calibration_data: object, board: str, weight_bits: WeightBits) -> Trained:
    """The network of ``source``, for which shapes are enough; a module is quantised, its wide layers' weights to
    ``weight_bits``. Of a run for several boards that do not tell which is meant, it is the winner for ``board``.

    :raises UserError: if there is none.
    """
    if _is_module(source):
        return _of_module(source, calibration_data, None, weight_bits).trained
    return shapes(_found(source, calibration_data, weight_bits), _board(source) or board)


def int8_network(
    source: AnySource, calibration_data: object, name: str | None, board: str | None, weight_bits: WeightBits
) -> Network:
    """The int8 network of ``source`` with its weights; ``name`` is the prefix of its C symbols, ``board`` as for
    :func:`network_shapes`, if it matters, and so are ``weight_bits``.

    :raises UserError: if there is none, or a module cannot be quantised.
    """
    if _is_module(source):
        return _of_module(source, calibration_data, name, weight_bits)
    found = _found(source, calibration_data, weight_bits)
    return Network(trained(found, _board(source) or board), c_name(name) if name is not None else found.name)


def _board(source: Any) -> str | None:
    """The board that a run was asked for."""
    return getattr(source, "board", None)


def _is_module(source: object) -> bool:
    torch = sys.modules.get("torch")  # who has a module has imported it
    return torch is not None and isinstance(source, torch.nn.Module)


def _found(source: Any, calibration_data: object, weight_bits: WeightBits) -> Source:
    if calibration_data is not None:
        raise UserError("calibration_data: is for torch modules; leave it out")
    if weight_bits != 8:
        raise UserError(f"weight_bits {weight_bits}: is for torch modules; give it to nas.search for a search")
    if isinstance(source, (str, os.PathLike)):
        return find_source(os.fspath(source))
    text = getattr(source, "source", None)
    if not isinstance(text, str):
        raise UserError(f"{type(source).__name__} is no network; give a run, a trial, an int8 .tflite file or a torch module")
    return find_source(text)


def _of_module(module: Any, calibration_data: object, name: str | None, weight_bits: WeightBits) -> Network:
    from nas.learning.post_training import quantize_module

    if calibration_data is None:
        raise UserError("calibration_data: a torch module needs some hundred of its float32 inputs, which show the ranges of int8")
    prefix = c_name(name if name is not None else type(module).__name__)
    made = quantize_module(module, calibration_data, prefix, weight_bits)
    network = Trained(made.graph, inputs=made.inputs, about={"agreement": made.agreement.to_json()})
    return Network(network, prefix, made.agreement)
