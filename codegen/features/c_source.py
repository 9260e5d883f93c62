"""The C sources of a spectrogram, as files of an exported project."""

from __future__ import annotations

from importlib import resources
from textwrap import indent

import numpy as np
from numpy.typing import NDArray

from codegen.c_text import C_TYPES, float_literal, initializer, shape_text
from codegen.features import templates
from codegen.features.placement import Placement
from codegen.features.settings import SpectrogramSettings
from codegen.features.tables import Tables, tables
from codegen.features.templates import render
from codegen.rendering import prefixed


def c_sources(settings: SpectrogramSettings, name: str) -> dict[str, str]:
    """Path → text of ``include/<name>_features.h`` and what it needs under ``src``; every symbol has the prefix ``<name>_``.

    :param name: of the model: a C identifier in lower case.
    """
    table = tables(settings)
    arrays = _arrays(settings, table)
    header = render("features.h", m=name, description=_description(settings), **_interface(settings))
    constants = render(
        "features_tables.h",
        m=name,
        constants="\n".join(f"#define NN_FEATURES_{key} {value}" for key, value in _constants(settings, table).items()),
        declarations="\n".join(f"extern {_declaration(key, array)};" for key, (_, array) in arrays.items()),
    )
    definitions = [
        f"/* {text}: {shape_text(array.shape)} */\nNN_FEATURES_SECTION\n{_declaration(key, array)} = {initializer(array)};\n"
        for key, (text, array) in arrays.items()
    ]
    definition = render(
        "features_tables.c",
        m=name,
        bytes=sum(array.nbytes for _, array in arrays.values()),
        definitions="\n".join(definitions),
    )
    code = resources.files(templates).joinpath("features.c").read_text(encoding="utf-8")
    files = {
        f"include/{name}_features.h": header,
        f"src/{name}_features.c": code,
        f"src/{name}_features_tables.h": constants,
        f"src/{name}_features_tables.c": definition,
    }
    return {path: prefixed(text, name) for path, text in files.items()}


def sample_sources(samples: int, frames: int, placement: Placement, input_offset: int, name: str) -> dict[str, str]:
    """Path → text of ``include/<name>_samples.h`` and ``src/<name>_samples.c``, which compute features and network one after the
    other; they need :func:`c_sources` and the network's own files beside them.

    :param samples: that so many ``frames`` are taken of.
    :param placement: where the columns and the features' scratch memory lie in the arena.
    :param input_offset: where the network's input lies there.
    """
    header = render("samples.h", m=name, samples=samples, frames=frames)
    source = render(
        "samples.c",
        m=name,
        columns=placement.columns,
        scratch=placement.scratch,
        move=_move(placement, input_offset),
    )
    files = {f"include/{name}_samples.h": header, f"src/{name}_samples.c": source}
    return {path: prefixed(text, name) for path, text in files.items()}


def step_columns(placement: Placement, input_offset: int, name: str) -> str:
    """The function that computes the network of columns a layer at a time, for the end of ``src/<name>_step.c``."""
    move = _move(placement, input_offset)
    inner = indent(move, "    ", lambda line: not line.startswith("#"))
    before = f"    if (state != NULL && state->layer == 0u) {{\n{inner}    }}\n" if move else ""
    return prefixed(render("step_columns.c", move=before), name)


def _move(placement: Placement, input_offset: int) -> str:
    """What takes the columns to the network's input; nothing where they are there already."""
    return render("samples_move.c") if placement.columns != input_offset else ""


def _description(settings: SpectrogramSettings) -> str:
    bands = f"{settings.bands} mel band{'s' if settings.bands > 1 else ''}"
    kind = f"the first {settings.coefficients} MFCC of {bands}" if settings.coefficients else bands
    every = f"{1000 * settings.hop / settings.rate:g} ms"
    return (
        f" * A column is {kind} from {settings.low:g} to {settings.high:g} Hz, of {1000 * settings.frame / settings.rate:g} ms of "
        f"sound\n * sampled at {settings.rate} Hz. There is one each {every}."
    )


def _interface(settings: SpectrogramSettings) -> dict[str, object]:
    return {
        "rate": settings.rate,
        "frame": settings.frame,
        "hop": settings.hop,
        "fft": settings.fft,
        "columns": settings.columns,
        "scale": float_literal(settings.scale),
        "zero_point": f"({settings.zero_point})" if settings.zero_point < 0 else settings.zero_point,
    }


def _constants(settings: SpectrogramSettings, table: Tables) -> dict[str, int]:
    return {
        "BANDS": settings.bands,
        "COEFFICIENTS": settings.coefficients,
        "FIRST_STEP": 4 if (settings.fft.bit_length() - 1) % 2 else 2,
        "FIRST_BIN": int(table.edges[0]),
        "WINDOW_SHIFT": table.window_shift,
        "DCT_BITS": table.dct_bits,
        "SHIFT": table.shift,
    }


def _arrays(settings: SpectrogramSettings, table: Tables) -> dict[str, tuple[str, NDArray[np.generic]]]:
    """Each table in the width that C keeps it in, with a word on what it is."""
    arrays: dict[str, tuple[str, NDArray[np.generic]]] = {
        "window": ("the window's rising half, Q15", table.window.astype(np.int16)),
        "twiddles": ("minus cosine (lower half) and minus sine of multiples of 4 pi / FFT, Q15", _packed(table.twiddles)),
        "split_twiddles": ("the same of multiples of 2 pi / FFT", _packed(table.split_twiddles)),
        "edges": ("first bin behind each corner of a triangle", table.edges.astype(np.uint16)),
        "weights": ("of each bin, in the triangle that rises there, Q15", table.weights.astype(np.uint16)),
        "log": ("log2(1 + i / 32), Q15", table.log.astype(np.uint16)),
        "multipliers": ("from a logarithm to steps of the output", table.multipliers.astype(np.int32)),
        "biases": ("what is added then", table.biases.astype(np.int32)),
    }
    if settings.coefficients:
        arrays["dct"] = (f"rows of the DCT-II, Q{table.dct_bits}", table.dct.astype(np.int16))
    return arrays


def _packed(roots: NDArray[np.int64]) -> NDArray[np.generic]:
    """Two numbers of 16 bits in each word, the first one below."""
    return ((roots[:, 0] & 0xFFFF) | (roots[:, 1] & 0xFFFF) << 16).astype(np.uint32)


def _declaration(key: str, array: NDArray[np.generic]) -> str:
    return f"const {C_TYPES[array.dtype.name]} NN_features_{key}[{array.size}]"
